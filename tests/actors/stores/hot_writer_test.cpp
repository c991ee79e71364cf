#include "actors/stores/hot_writer.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <thread>

#include "storage/limits.hpp"
#include "tests/actors/simulation/simulated_ledger.hpp"
#include "tests/actors/support.hpp"
#include "tests/storage/loading_store.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

/// A writer over model stores, turned by hand, or with its thread. `befalls` decides the fault of
/// each call of the hot store; it may throw.
struct writing {
  explicit writing(bool own_thread = false, bool start_degraded = false) {
    hot_writer::dependencies deps{
        .hot = std::make_unique<storage::faulty_store>(
            hot, [this](std::string_view operation) { return befalls(operation); }),
        .ledger = std::make_unique<simulated_ledger>(ledger, ledger_plan, never),
        .hot_probe = hot_state,
        .ledger_state = ledger_state,
        .time = clock,
        .stored = [this](std::shared_ptr<credit_batch> batch) { back.push_back(std::move(batch)); },
        .heatmaps_grown = {},
        .log = [this](log_level level, const std::string&,
                      const std::string& text) { log.emplace_back(level, text); },
        .shards = 4,
        .start_degraded = start_degraded,
        .own_thread = own_thread};
    writer = std::make_unique<hot_writer>(std::move(deps));
  }
  /// Of a pair that the hot store knows.
  std::shared_ptr<credit_batch> batch(std::uint32_t shard, int who, std::uint32_t sequence,
                                      std::size_t beats = 1) {
    const storage::pair_progress known{{student(who), module_named("m1")}, blank()};
    BOOST_REQUIRE(hot.merge({&known, 1}, storage::merge_origin::ledger).has_value());
    return new_batch(shard, who, sequence, beats);
  }
  std::shared_ptr<credit_batch> new_batch(std::uint32_t shard, int who, std::uint32_t sequence,
                                          std::size_t beats = 1) {
    auto made = std::make_shared<credit_batch>();
    made->shard = shard;
    made->count = beats;
    for (std::size_t i = 0; i < beats; ++i) {
      const auto number = sequence + static_cast<std::uint32_t>(i);
      const auto claims = claims_of(student(who), number, static_cast<media_ms>(number * 1000),
                                    static_cast<media_ms>(number * 1000 + 1000), clock.wall_now());
      auto credit = credit_of(claims, {}, clock.wall_now(), 600'000);
      credit.now_ms = clock.wall_now();
      made->requests.push_back({credit, std::nullopt});
    }
    return made;
  }
  void turn() { writer->turn(std::chrono::milliseconds(0)); }
  static bool all(const credit_batch& one, storage::applied_state state) {
    if (one.results.size() != one.count || one.requests.size() != one.count) return false;
    for (const auto& result : one.results)
      if (result.state != state) return false;
    return true;
  }
  static storage::pair_progress played(int who) {
    storage::pair_progress pair{{student(who), module_named("m1")}, blank()};
    pair.state.covered.add({0, 5000});
    pair.state.duration_ms = 600'000;
    return pair;
  }
  /// As the API does. The call waits for a turn of the writer.
  void erase(int who) {
    std::atomic<bool> finished{false};
    std::thread other([&] {
      BOOST_CHECK(writer->end_epochs_below(student(who), 2).get().has_value());
      finished = true;
    });
    while (!finished) writer->turn(std::chrono::milliseconds(1));
    other.join();
  }
  media_ms written_ms(int who) {
    const auto found =
        ledger.pairs.find(test::ledger_model::key_of({student(who), module_named("m1")}));
    return found == ledger.pairs.end() ? 0 : found->second.covered.covered_ms();
  }
  media_ms stored_ms(int who) {
    const pair_key key{student(who), module_named("m1")};
    const auto stored = (*hot.read({&key, 1}))[0];
    return stored ? stored->covered.covered_ms() : 0;
  }

  manual_clock clock;
  storage::memory_store hot{1000};
  test::ledger_model ledger{.has_everybody = true};
  store_weather fine;
  store_link link;
  fate never;
  std::mt19937_64 random{1};
  weather_plan ledger_plan{fine, link, never, random};
  std::function<storage::store_fault(std::string_view)> befalls = [](auto) {
    return storage::store_fault::none;
  };
  hot_store_probe hot_state;
  ledger_probe ledger_state;
  std::vector<std::shared_ptr<credit_batch>> back;
  std::vector<std::pair<log_level, std::string>> log;
  std::unique_ptr<hot_writer> writer;
};

/// Reads take two seconds, and fail.
class hung_ledger final : public simulated_ledger {
 public:
  bool hangs = true;
  explicit hung_ledger(writing& w)
      : simulated_ledger(w.ledger, w.ledger_plan, w.never), clock_(w.clock) {}
  storage::stored<std::vector<storage::recorded_pair>> look_up(
      std::span<const pair_key> keys) override {
    if (!hangs) return simulated_ledger::look_up(keys);
    clock_.advance(2'000);
    return storage::storage_failure{storage::storage_error::unavailable, "no reply in time"};
  }

 private:
  manual_clock& clock_;
};

constexpr auto done = storage::applied_state::done;
constexpr auto failed = storage::applied_state::failed;

}  // namespace

BOOST_AUTO_TEST_SUITE(hot_writer_faults)

BOOST_AUTO_TEST_CASE(a_batch_whose_store_throws_comes_back_failed_and_the_next_one_is_stored) {
  writing w;
  w.befalls = [](auto) -> storage::store_fault { throw std::runtime_error("out of memory"); };
  w.writer->store(w.batch(1, 1, 0, 3));
  w.writer->store(w.batch(2, 2, 0, 2));
  w.turn();
  // Each shard gets its own back, once, with as many results as it sent requests.
  BOOST_REQUIRE(w.back.size() == 2u);
  BOOST_TEST(w.back[0]->shard != w.back[1]->shard);
  for (const auto& batch : w.back) BOOST_TEST(writing::all(*batch, failed));
  BOOST_REQUIRE(!w.log.empty());
  BOOST_TEST(w.log.back().first == log_level::error);

  w.befalls = [](auto) { return storage::store_fault::none; };
  w.back.clear();
  w.writer->store(w.batch(1, 1, 0, 3));
  w.turn();
  BOOST_REQUIRE(w.back.size() == 1u);
  BOOST_TEST(writing::all(*w.back[0], done));
  BOOST_TEST(w.stored_ms(1) == 3000);
}

BOOST_AUTO_TEST_CASE(a_store_that_throws_in_the_second_call_fails_no_batch_that_was_stored) {
  writing w;
  // More than one call takes: the first is stored, the second meets the fault.
  int applied = 0;
  w.befalls = [&](std::string_view operation) {
    if (operation == "apply" && ++applied > 1) throw std::runtime_error("broken");
    return storage::store_fault::none;
  };
  w.writer->store(w.batch(1, 1, 0, storage_limits::batch_heartbeats_max));
  w.writer->store(w.batch(2, 2, 0, storage_limits::batch_heartbeats_max));
  w.turn();
  BOOST_REQUIRE(w.back.size() == 2u);
  BOOST_TEST(writing::all(*w.back[0], done));
  BOOST_TEST(writing::all(*w.back[1], failed));
}

BOOST_AUTO_TEST_CASE(what_the_hot_store_lacks_goes_back_and_comes_again_with_its_row) {
  writing w;
  w.writer->store(w.batch(0, 1, 0));
  w.writer->store(w.new_batch(1, 2, 1));
  w.turn();
  BOOST_REQUIRE(w.back.size() == 2u);
  BOOST_TEST(writing::all(*w.back[0], done));
  BOOST_TEST(writing::all(*w.back[1], storage::applied_state::pair_missing));
  auto again = std::exchange(w.back, {}).at(1);
  const pair_key key{student(2), module_named("m1")};
  storage::recorded_pair row{.student = {.epoch = 1, .begins_ms = {}}, .state = blank()};
  row.state->covered.add({500'000, 550'000});
  again->rows = std::make_shared<const storage::ledger_rows>(
      storage::ledger_rows{{key}, std::vector<storage::ledger_row>{row}});
  w.writer->store_loaded(again);
  w.turn();
  BOOST_REQUIRE(w.back.size() == 1u);
  BOOST_TEST(writing::all(*w.back[0], done));
  BOOST_CHECK(w.back[0]->results[0].outcome.status == credit_status::credited);
  BOOST_TEST(w.stored_ms(2) == 51'000);
}

BOOST_AUTO_TEST_CASE(without_a_row_nothing_is_credited_of_a_pair_that_nobody_knows) {
  writing w;
  w.writer->store(w.new_batch(1, 2, 0));
  w.turn();
  auto again = std::exchange(w.back, {}).at(0);
  again->rows = std::make_shared<const storage::ledger_rows>(storage::ledger_rows{
      {}, storage::storage_failure{storage::storage_error::unavailable, "away"}});
  w.writer->store_loaded(again);
  w.turn();
  BOOST_REQUIRE(w.back.size() == 1u);
  BOOST_TEST(writing::all(*w.back[0], failed));
  BOOST_TEST(w.stored_ms(2) == 0);
}

BOOST_AUTO_TEST_CASE(orders_for_students_fail_when_the_store_throws) {
  writing w(true);
  w.befalls = [](auto) -> storage::store_fault { throw std::runtime_error("broken"); };
  BOOST_TEST(!w.writer->end_epochs_below(student(1), 2).get().has_value());
  BOOST_TEST(!w.writer->begin_attempt(writing::played(1)).get().has_value());
  w.writer->close();
}

BOOST_AUTO_TEST_CASE(away_and_back_through_the_ledger) {
  writing w;
  w.befalls = [](auto) { return storage::store_fault::lost_request; };
  w.writer->store(w.batch(0, 1, 0));
  w.turn();
  BOOST_REQUIRE(w.back.size() == 1u);
  BOOST_TEST(writing::all(*w.back[0], done));  // the ledger has it
  BOOST_TEST(w.hot_state.degraded.load());
  BOOST_TEST(w.ledger.pairs.size() == 1u);
  BOOST_TEST(w.stored_ms(1) == 0);

  const auto epoch = w.hot_state.refill_epoch.load();
  w.befalls = [](auto) { return storage::store_fault::none; };
  w.clock.advance(storage::tiered_store::retry_interval_ms - 1);
  w.turn();  // too early to try again
  BOOST_TEST(w.hot_state.degraded.load());
  w.clock.advance(1);
  w.turn();
  BOOST_TEST(!w.hot_state.degraded.load());
  BOOST_TEST(w.hot_state.refill_epoch.load() > epoch);
  BOOST_TEST(w.stored_ms(1) == 1000);
}

BOOST_AUTO_TEST_CASE(a_wall_clock_that_is_set_back_changes_no_wait) {
  writing w;
  w.befalls = [](auto) { return storage::store_fault::lost_request; };
  BOOST_TEST(w.writer->refill({{{student(1), module_named("m1")}, {}}}));
  w.turn();
  w.writer->store(w.batch(0, 1, 0));
  w.turn();
  BOOST_TEST(w.hot_state.degraded.load());
  w.befalls = [](auto) { return storage::store_fault::none; };
  const auto epoch = w.hot_state.refill_epoch.load();
  w.clock.step_wall(-3'600'000);
  w.turn();
  BOOST_TEST(w.hot_state.degraded.load());
  w.clock.advance(storage::tiered_store::retry_interval_ms);
  w.turn();
  BOOST_TEST(!w.hot_state.degraded.load());
  BOOST_TEST(w.hot_state.refill_epoch.load() == epoch + 1);  // it is back
  w.clock.advance(5'000);
  w.turn();
  BOOST_TEST(w.hot_state.refill_epoch.load() == epoch + 2);  // what failed is requested again
}

BOOST_AUTO_TEST_CASE(both_away_nothing_is_credited) {
  writing w;
  w.befalls = [](auto) { return storage::store_fault::lost_request; };
  w.fine.is_down = true;
  w.writer->store(w.batch(0, 1, 0, 2));
  w.turn();
  BOOST_REQUIRE(w.back.size() == 1u);
  BOOST_TEST(writing::all(*w.back[0], failed));
  BOOST_TEST(w.ledger.pairs.empty());
}

BOOST_AUTO_TEST_CASE(a_refill_that_fails_is_asked_for_again_later) {
  writing w;
  auto state = blank();
  state.covered.add({0, 5000});
  state.duration_ms = 600'000;
  w.befalls = [](std::string_view operation) {
    return operation == "merge" ? storage::store_fault::lost_request : storage::store_fault::none;
  };
  BOOST_TEST(w.writer->refill({{{student(1), module_named("m1")}, state}}));
  w.turn();
  BOOST_TEST(w.stored_ms(1) == 0);
  const auto epoch = w.hot_state.refill_epoch.load();
  w.turn();
  BOOST_TEST(w.hot_state.refill_epoch.load() == epoch);
  BOOST_TEST(w.writer->has_unsaved_refills());  // it failed, and was not asked for again
  w.clock.advance(5'000);
  w.turn();
  BOOST_TEST(w.hot_state.refill_epoch.load() == epoch + 1);
  BOOST_TEST(!w.writer->has_unsaved_refills());
  w.befalls = [](auto) { return storage::store_fault::none; };
  BOOST_TEST(w.writer->refill({{{student(1), module_named("m1")}, state}}));
  BOOST_TEST(w.writer->has_unsaved_refills());
  w.turn();
  BOOST_TEST(!w.writer->has_unsaved_refills());
  BOOST_TEST(w.stored_ms(1) == 5000);
}

BOOST_AUTO_TEST_CASE(a_refill_that_is_done_says_when) {
  writing w;
  const storage::pair_progress pair{{student(1), module_named("m1")}, blank()};
  w.befalls = [](auto) { return storage::store_fault::lost_request; };
  BOOST_TEST(w.writer->refill({pair}));
  w.turn();
  BOOST_TEST(w.hot_state.refilled_at.load() == mono_ms{});
  w.befalls = [](auto) { return storage::store_fault::none; };
  w.clock.advance(7);
  BOOST_TEST(w.writer->refill({pair}));
  w.turn();
  BOOST_TEST(w.hot_state.refilled_at.load() == w.clock.monotonic_now());
}

BOOST_AUTO_TEST_CASE(a_refill_in_which_the_store_throws_is_asked_for_again_later) {
  writing w;
  auto state = blank();
  state.covered.add({0, 5000});
  state.duration_ms = 600'000;
  w.befalls = [](std::string_view operation) {
    if (operation == "merge") throw std::runtime_error("broken");
    return storage::store_fault::none;
  };
  BOOST_TEST(w.writer->refill({{{student(1), module_named("m1")}, state}}));
  w.turn();
  BOOST_TEST(w.writer->has_unsaved_refills());
  const auto epoch = w.hot_state.refill_epoch.load();
  w.clock.advance(5'000);
  w.turn();
  BOOST_TEST(w.hot_state.refill_epoch.load() == epoch + 1);
  BOOST_TEST(!w.writer->has_unsaved_refills());
}

BOOST_AUTO_TEST_CASE(a_fault_loses_no_order_that_was_taken_with_it) {
  writing w;
  w.befalls = [](auto) { return storage::store_fault::lost_request; };
  w.writer->store(w.batch(0, 1, 0));  // degraded: the writer has a copy of the pair
  w.turn();
  BOOST_TEST(w.hot_state.degraded.load());
  w.clock.advance(storage::tiered_store::retry_interval_ms);
  auto state = blank();
  state.covered.add({0, 5000});
  state.duration_ms = 600'000;
  w.befalls = [](auto) -> storage::store_fault { throw std::runtime_error("broken"); };
  w.writer->store(w.batch(0, 2, 0));
  BOOST_TEST(w.writer->forget_copies({student(1), 2}));
  BOOST_TEST(w.writer->refill({{{student(3), module_named("m1")}, state}}));
  w.back.clear();
  w.turn();  // the batch meets the fault
  BOOST_REQUIRE(w.back.size() == 1u);
  BOOST_TEST(writing::all(*w.back[0], failed));

  w.befalls = [](auto) { return storage::store_fault::none; };
  w.clock.advance(storage::tiered_store::retry_interval_ms);
  w.turn();
  BOOST_TEST(!w.hot_state.degraded.load());
  BOOST_TEST(w.stored_ms(1) == 0);  // forgotten, not given to the hot store
  w.turn();
  BOOST_TEST(!w.writer->has_unsaved_refills());
}

BOOST_AUTO_TEST_CASE(a_refill_that_waits_is_not_merged_after_an_erasure) {
  for (const bool here : {true, false})
    for (const bool is_degraded : {false, true}) {
      if (here && is_degraded) continue;  // a hot store that is away confirms no erasure
      BOOST_TEST_CONTEXT((here ? "here" : "elsewhere") << (is_degraded ? ", degraded" : "")) {
        writing w(false, is_degraded);
        if (is_degraded) w.befalls = [](auto) { return storage::store_fault::lost_request; };
        // One a turn is written: that of the students waits behind many.
        for (int i = 0; i < 2000; ++i) BOOST_REQUIRE(w.writer->refill({}));
        BOOST_REQUIRE(w.writer->refill({w.played(1), w.played(2)}));
        if (here)
          w.erase(1);
        else
          BOOST_REQUIRE(w.writer->forget_copies({student(1), 2}));
        BOOST_TEST(w.writer->has_unsaved_refills());
        while (w.writer->has_unsaved_refills()) w.turn();
        BOOST_TEST(w.stored_ms(1) + w.written_ms(1) == 0);
        BOOST_TEST(w.stored_ms(2) + w.written_ms(2) == 5000);
      }
    }
}

BOOST_AUTO_TEST_CASE(refills_have_a_limit_that_takes_no_place_from_batches) {
  writing w;
  std::size_t taken = 0;
  while (taken < 10'000 && w.writer->refill({})) ++taken;
  BOOST_TEST(taken == 4096u);
  w.writer->store(w.batch(0, 1, 0));
  BOOST_TEST(w.back.empty());  // it waits; it was not sent back
  w.turn();
  BOOST_REQUIRE(w.back.size() == 1u);
  BOOST_TEST(writing::all(*w.back[0], done));
}

BOOST_AUTO_TEST_CASE(erasures_have_a_limit_that_takes_no_place_from_batches) {
  writing w;
  int taken = 0;
  while (taken < 10'000 && w.writer->forget_copies({student(taken), 2})) ++taken;
  BOOST_TEST(taken == 256);
  for (std::uint32_t shard = 0; shard < 4; ++shard)
    w.writer->store(w.batch(shard, static_cast<int>(shard), 0));
  BOOST_TEST(w.writer->refill({}));
  BOOST_TEST(w.back.empty());  // they wait; none was sent back
  w.turn();
  BOOST_TEST(w.back.size() == 4u);
  for (const auto& batch : w.back) BOOST_TEST(writing::all(*batch, done));
  BOOST_TEST(w.writer->forget_copies({student(taken), 2}));
}

BOOST_AUTO_TEST_CASE(refills_that_wait_are_written_at_the_end_while_there_is_time) {
  for (const std::int64_t time_ms : {3'000, 60'000}) {
    writing w;
    w.befalls = [&](std::string_view operation) {
      if (operation == "merge") w.clock.advance(1'000);
      return storage::store_fault::none;
    };
    for (int who = 0; who < 10; ++who) BOOST_TEST(w.writer->refill({w.played(who)}));
    w.turn();  // takes them all, and writes one
    w.writer->close(w.clock.monotonic_now_us() + time_ms * 1'000);
    int stored = 0;
    for (int who = 0; who < 10; ++who) stored += w.stored_ms(who) == 5000 ? 1 : 0;
    BOOST_TEST(stored == (time_ms == 3'000 ? 4 : 10));
    BOOST_TEST(w.log.empty() == (stored == 10));
    w.writer.reset();
    BOOST_TEST(w.clock.monotonic_now() ==
               manual_clock::monotonic_start + std::int64_t{stored} * 1'000);
  }
}

BOOST_AUTO_TEST_CASE(a_closed_writer_sends_batches_back_failed) {
  writing w(true);
  w.writer->close();
  w.writer->store(w.batch(0, 1, 0, 2));
  BOOST_REQUIRE(w.back.size() == 1u);
  BOOST_TEST(writing::all(*w.back[0], failed));
  w.writer->store_loaded(w.batch(0, 1, 0, 2));
  BOOST_REQUIRE(w.back.size() == 2u);
  BOOST_TEST(writing::all(*w.back[1], failed));
  BOOST_TEST(!w.writer->refill({}));
  BOOST_TEST(!w.writer->end_epochs_below(student(1), 2).get().has_value());
}

/// With a hot store that is away (lost_request), or there.
struct beside_a_hung_ledger : writing {
  bool is_stored(int who, std::uint32_t sequence = 0) {
    const auto asked = new_batch(0, who, sequence);
    // Its life is known here; else nothing could be credited without the ledger.
    for (auto& request : asked->requests) request.in_memory = blank();
    return tiers.apply(asked->requests)[0].state == storage::applied_state::done;
  }
  hung_ledger ledger_behind{*this};
  std::uint64_t replies = 0;  // of the ledger, to a thread that may wait for it
  storage::faulty_store front{hot,
                              [this](std::string_view operation) { return befalls(operation); }};
  storage::testing::loading_store tiers{front,
                                        ledger_behind,
                                        clock,
                                        {.mode_changed = [](bool, const std::string&) {},
                                         .hot_failed = [](const storage::storage_failure&) {},
                                         .ledger_failed = [](const storage::storage_failure&) {},
                                         .data_lost = [] {},
                                         .heatmaps_grown = {},
                                         .hot_successes = {},
                                         .ledger_successes = [this] { return replies; }}};
};

BOOST_AUTO_TEST_CASE(a_ledger_that_hangs_is_waited_for_once_until_it_replies_to_another_thread) {
  beside_a_hung_ledger w;
  const auto began = w.clock.monotonic_now();
  for (int who = 1; who < 5; ++who) BOOST_TEST(w.is_stored(who));
  BOOST_TEST(w.clock.monotonic_now() == began + 2'000);
  w.clock.advance(60'000);
  BOOST_TEST(w.is_stored(5));
  BOOST_TEST(w.clock.monotonic_now() == began + 62'000);
  w.replies = 1;  // and it hangs anew
  BOOST_TEST(w.is_stored(6));
  BOOST_TEST(w.is_stored(7));
  BOOST_TEST(w.clock.monotonic_now() == began + 64'000);
}

BOOST_AUTO_TEST_CASE(degraded_nobody_waits_for_a_ledger_that_hangs_but_the_first) {
  beside_a_hung_ledger w;
  w.befalls = [](auto) { return storage::store_fault::lost_request; };
  const auto began = w.clock.monotonic_now();
  for (int who = 1; who < 5; ++who) BOOST_TEST(!w.is_stored(who));
  BOOST_TEST(w.clock.monotonic_now() == began + 2'000);
  w.ledger_behind.hangs = false;
  BOOST_TEST(!w.is_stored(5));  // no reply has come yet
  w.replies = 1;
  w.clock.advance(storage::circuit_breaker::pause_ms);
  BOOST_TEST(w.is_stored(5));
  BOOST_TEST(w.is_stored(5, 1));
  BOOST_TEST(w.clock.monotonic_now() == began + 2'000 + storage::circuit_breaker::pause_ms);
}

BOOST_AUTO_TEST_SUITE_END()
