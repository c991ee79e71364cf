#include "actors/stores/checkpointer.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <optional>
#include <utility>

#include "tests/actors/simulation/simulated_ledger.hpp"
#include "tests/actors/support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

/// A ledger in which somebody may have locked or damaged the rows of a student.
class lockable_ledger final : public simulated_ledger {
 public:
  lockable_ledger(test::ledger_model& shared, const weather_plan& plan, fate& end,
                  const std::optional<student_id>& locked, const std::optional<student_id>& damaged,
                  const std::function<void()>& on_checkpoint)
      : simulated_ledger(shared, plan, end),
        locked_(locked),
        damaged_(damaged),
        on_checkpoint_(on_checkpoint) {}
  using storage::ledger::checkpoint;
  storage::stored<std::vector<progress>> checkpoint(
      std::span<const storage::pair_progress> pairs, wall_ms now_ms,
      std::vector<storage::heatmap_delta>* grown) override {
    if (on_checkpoint_) on_checkpoint_();
    for (const auto& pair : pairs)
      if (locked_ && pair.key.student == *locked_)
        return storage::storage_failure{storage::storage_error::unavailable,
                                        "the statement timed out"};
    for (const auto& pair : pairs)
      if (damaged_ && pair.key.student == *damaged_)
        return storage::storage_failure{storage::storage_error::corrupt, "a row is damaged"};
    return simulated_ledger::checkpoint(pairs, now_ms, grown);
  }

 private:
  const std::optional<student_id>& locked_;
  const std::optional<student_id>& damaged_;
  const std::function<void()>& on_checkpoint_;
};

/// A hot store with a value that cannot be read in the partition of a student.
class partly_unreadable final : public storage::faulty_store {
 public:
  partly_unreadable() : faulty_store(inner, storage::scripted_faults({})) {}
  storage::stored<storage::dirty_sample> read_dirty(partition_index partition,
                                                    std::size_t pairs_max) override {
    if (before_read) before_read(partition);
    auto found = inner.read_dirty(partition, pairs_max);
    if (unreadable && partition == partition_of(*unreadable))
      found->unreadable.emplace_back("wk:what");
    return found;
  }

  storage::memory_store inner{10'000};
  std::optional<student_id> unreadable;
  std::function<void(partition_index)> before_read;
};

/// A checkpointer over model stores, turned by hand. `befalls` decides the fault of each call of
/// the hot store, `ledger_weather` those of the ledger.
struct checkpointing {
  /// `other` takes the place of the model, if it is not null.
  explicit checkpointing(std::unique_ptr<storage::hot_store> other = nullptr) {
    if (!other)
      other = std::make_unique<storage::faulty_store>(
          hot, [this](std::string_view operation) { return befalls(operation); });
    checkpoints.emplace(checkpointer::dependencies{
        .hot = std::move(other),
        .ledger = std::make_unique<lockable_ledger>(ledger, ledger_plan, never, locked, damaged,
                                                    on_checkpoint),
        .probe = ledger_state,
        .hot_probe = hot_state,
        .heat = heat,
        .interval_ms = 30'000,
        .samples_max = 3,
        .time = clock,
        .done =
            [this](mono_ms started) { done.emplace_back(started, hot_state.refill_epoch.load()); },
        .log = [this](log_level, const std::string&,
                      const std::string& text) { log.push_back(text); }});
  }
  bool has_logged(std::string_view what) const {
    return std::any_of(log.begin(), log.end(), [&](const std::string& line) {
      return line.find(what) != std::string::npos;
    });
  }
  static pair_key key_of(int who) { return {student(who), module_named("m1")}; }
  static storage::pair_progress played(int who, media_ms to_ms) {
    storage::pair_progress pair{key_of(who), blank()};
    pair.state.covered.add({0, to_ms});
    return pair;
  }
  void play(int who, media_ms to_ms) {
    const auto pair = played(who, to_ms);
    BOOST_REQUIRE(hot.merge({&pair, 1}, storage::merge_origin::ledger_and_memory).has_value());
  }
  media_ms stored_ms(int who) {
    const auto key = key_of(who);
    const auto stored = (*hot.read({&key, 1}))[0];
    return stored ? stored->covered.covered_ms() : 0;
  }
  media_ms written_ms(int who) {
    const auto found = ledger.pairs.find(test::ledger_model::key_of(key_of(who)));
    return found == ledger.pairs.end() ? 0 : found->second.covered.covered_ms();
  }
  std::uint64_t dirty() { return *hot.dirty_count(); }
  std::uint64_t epoch() const { return hot_state.refill_epoch.load(); }
  /// The hot store is emptied, or another is in its place, and no connection breaks.
  void empty_hot_store() { hot = storage::memory_store(1000); }
  bool round() { return checkpoints->checkpoint_all(); }

  manual_clock clock;
  storage::memory_store hot{1000};
  test::ledger_model ledger{.has_everybody = true};
  store_weather ledger_weather;
  store_link link;
  fate never;
  std::mt19937_64 random{1};
  weather_plan ledger_plan{ledger_weather, link, never, random};
  std::optional<student_id> locked;
  std::optional<student_id> damaged;
  std::function<void()> on_checkpoint;  // of the ledger
  std::vector<std::string> log;
  std::function<storage::store_fault(std::string_view)> befalls = [](auto) {
    return storage::store_fault::none;
  };
  hot_store_probe hot_state;
  ledger_probe ledger_state;
  heatmap heat{1};
  std::vector<std::pair<mono_ms, std::uint64_t>> done;  // when it began, and the epoch at its end
  std::optional<checkpointer> checkpoints;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpointer_rounds)

BOOST_AUTO_TEST_CASE(a_round_brings_all_dirty_pairs_into_the_ledger) {
  checkpointing w;
  constexpr int students = 300;  // of all partitions, some with several
  for (int who = 0; who < students; ++who) w.play(who, 1000 + who);
  BOOST_TEST(w.round());
  for (int who = 0; who < students; ++who) BOOST_TEST(w.written_ms(who) == 1000 + who);
  BOOST_TEST(w.dirty() == 0u);
  BOOST_TEST(w.ledger_state.checkpointed_pairs.load() == std::uint64_t{students});
  BOOST_REQUIRE(w.done.size() == 1u);
  BOOST_TEST(w.done[0].first == w.clock.monotonic_now());
}

BOOST_AUTO_TEST_CASE(what_the_ledger_knows_better_the_hot_store_learns) {
  checkpointing w;
  (void)w.ledger.checkpoint({checkpointing::played(1, 50'000)}, w.clock.wall_now());
  w.play(1, 10'000);
  BOOST_TEST(w.round());
  BOOST_TEST(w.written_ms(1) == 50'000);
  BOOST_TEST(w.stored_ms(1) == 50'000);
  BOOST_TEST(w.dirty() == 0u);
}

BOOST_AUTO_TEST_CASE(a_ledger_that_fails_loses_no_mark) {
  checkpointing w;
  w.play(1, 10'000);
  w.ledger_weather.is_down = true;
  BOOST_TEST(!w.round());
  BOOST_TEST(w.dirty() == 1u);
  BOOST_TEST(w.done.empty());
  BOOST_TEST(!w.ledger_state.up.load());
  w.ledger_weather.is_down = false;
  BOOST_TEST(w.round());
  BOOST_TEST(w.written_ms(1) == 10'000);
  BOOST_TEST(w.done.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_partition_that_cannot_be_read_keeps_no_other_from_the_ledger) {
  checkpointing w;
  for (int who = 0; who < 100; ++who) w.play(who, 10'000);
  int calls = 0;
  w.befalls = [&](std::string_view operation) {
    return operation == "read_dirty" && ++calls == 1 ? storage::store_fault::corrupt
                                                     : storage::store_fault::none;
  };
  BOOST_TEST(!w.round());
  BOOST_TEST(w.done.empty());  // the shards evict nothing
  BOOST_TEST(calls > static_cast<int>(limits::partitions));
  BOOST_TEST(w.round());
  for (int who = 0; who < 100; ++who) BOOST_TEST(w.written_ms(who) == 10'000);
}

BOOST_AUTO_TEST_CASE(a_row_that_is_locked_for_long_keeps_the_others_for_one_round_at_most) {
  checkpointing w;
  for (int who = 0; who < 100; ++who) w.play(who, 10'000);
  w.locked = student(7);
  BOOST_TEST(!w.round());
  BOOST_TEST(!w.round());
  for (int who = 0; who < 100; ++who)
    if (partition_of(student(who)) != partition_of(*w.locked))
      BOOST_TEST(w.written_ms(who) == 10'000);
  BOOST_TEST(w.written_ms(7) == 0);
  w.locked.reset();
  BOOST_TEST(w.round());
  BOOST_TEST(w.written_ms(7) == 10'000);
  BOOST_TEST(w.dirty() == 0u);
}

BOOST_AUTO_TEST_CASE(a_damaged_row_keeps_no_other_pair_from_the_ledger) {
  checkpointing w;
  // Of one partition, so that they are in one sample.
  w.damaged = student(7);
  std::vector<int> of_partition;
  for (int who = 0; of_partition.size() < 20; ++who)
    if (partition_of(student(who)) == partition_of(*w.damaged)) of_partition.push_back(who);
  for (const auto who : of_partition) w.play(who, 10'000);
  BOOST_TEST(!w.round());
  BOOST_TEST(w.done.empty());
  for (const auto who : of_partition) BOOST_TEST(w.written_ms(who) == (who == 7 ? 0 : 10'000));
  BOOST_TEST(w.dirty() == 1u);
  BOOST_TEST(w.ledger_state.checkpointed_pairs.load() == of_partition.size() - 1);
  BOOST_TEST(w.has_logged("damaged"));
  BOOST_TEST(w.has_logged(std::string(student(7).view()) + "/m1"));
  w.damaged.reset();
  BOOST_TEST(w.round());
  BOOST_TEST(w.written_ms(7) == 10'000);
}

BOOST_AUTO_TEST_CASE(a_round_that_cannot_read_a_dirty_pair_is_not_complete) {
  for (const bool beside_others : {true, false}) {
    partly_unreadable* hot = nullptr;
    auto owned = std::make_unique<partly_unreadable>();
    hot = owned.get();
    checkpointing w(std::move(owned));
    if (beside_others) {
      const auto pair = checkpointing::played(1, 10'000);
      BOOST_REQUIRE(
          hot->inner.merge({&pair, 1}, storage::merge_origin::ledger_and_memory).has_value());
    }
    hot->unreadable = student(1);
    BOOST_TEST(!w.round());
    BOOST_TEST(w.done.empty());
    BOOST_TEST(w.written_ms(1) == (beside_others ? 10'000 : 0));
    BOOST_TEST(w.has_logged("wk:what"));
    hot->unreadable.reset();
    BOOST_TEST(w.round());
  }
}

BOOST_AUTO_TEST_CASE(a_round_that_finds_more_than_it_may_take_is_not_complete) {
  auto owned = std::make_unique<partly_unreadable>();
  auto* const hot = owned.get();
  checkpointing w(std::move(owned));
  // As fast as pairs are written others become dirty: there is always a full sample.
  hot->before_read = [&](partition_index partition) {
    if (partition != partition_of(student(1))) return;
    std::vector<storage::pair_progress> pairs;
    for (std::size_t i = 0; i < storage_limits::checkpoint_batch_pairs_max; ++i) {
      pairs.push_back(checkpointing::played(1, 10'000));
      pairs.back().key.module = module_named("m" + std::to_string(i));
    }
    BOOST_REQUIRE(hot->inner.merge(pairs, storage::merge_origin::ledger_and_memory).has_value());
  };
  BOOST_TEST(!w.round());
  BOOST_TEST(w.done.empty());
  hot->before_read = {};
  BOOST_TEST(w.round());
}

BOOST_AUTO_TEST_CASE(a_hot_store_that_is_away_is_asked_once) {
  checkpointing w;
  w.play(1, 10'000);
  int calls = 0;
  w.befalls = [&](std::string_view operation) {
    if (operation == "health") return storage::store_fault::none;
    ++calls;
    return storage::store_fault::lost_request;
  };
  BOOST_TEST(!w.round());
  BOOST_TEST(calls == 1);
  BOOST_TEST(w.done.empty());
}

BOOST_AUTO_TEST_CASE(a_store_that_was_emptied_unnoticed_is_noticed_by_the_next_round) {
  checkpointing w;
  w.play(1, 10'000);
  BOOST_TEST(w.round());
  const auto epoch = w.epoch();
  BOOST_TEST(w.round());
  BOOST_TEST(w.epoch() == epoch);  // it is the same one
  w.empty_hot_store();
  BOOST_TEST(w.round());
  // Before the shards hear that all is in the ledger: else they would let go of what was lost.
  BOOST_REQUIRE(w.done.size() == 3u);
  BOOST_TEST(w.done[2].second == epoch + 1);
}

BOOST_AUTO_TEST_CASE(one_that_is_emptied_within_a_round_is_noticed_at_its_end) {
  checkpointing w;
  BOOST_TEST(w.round());
  const auto epoch = w.epoch();
  w.play(1, 10'000);
  bool emptied = false;
  w.befalls = [&](std::string_view operation) {
    if (operation == "read_dirty" && !std::exchange(emptied, true)) w.empty_hot_store();
    return storage::store_fault::none;
  };
  BOOST_TEST(w.round());
  BOOST_TEST(w.written_ms(1) == 0);  // it is in no store, and the shard is asked for it
  BOOST_REQUIRE(w.done.size() == 2u);
  BOOST_TEST(w.done[1].second == epoch + 1);
}

BOOST_AUTO_TEST_CASE(one_that_does_not_say_who_it_is_ends_no_round) {
  for (const int silent_at : {1, 2}) {  // before the round, and after it
    checkpointing w;
    w.play(1, 10'000);
    int asked = 0;
    w.befalls = [&](std::string_view operation) {
      return operation == "health" && ++asked == silent_at ? storage::store_fault::lost_reply
                                                           : storage::store_fault::none;
    };
    BOOST_TEST_CONTEXT("silent when asked for the " << silent_at << ". time") {
      BOOST_TEST(!w.round());
      BOOST_TEST(w.done.empty());
      BOOST_TEST(w.round());
      BOOST_TEST(w.written_ms(1) == 10'000);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_mastered_pair_is_written_at_once_and_the_others_when_their_time_has_come) {
  checkpointing w;
  const auto turn = [&] { w.checkpoints->turn(std::chrono::milliseconds(0)); };
  w.play(1, 10'000);
  turn();
  w.checkpoints->checkpoint_now({checkpointing::played(2, 60'000)});
  turn();
  BOOST_TEST(w.written_ms(2) == 60'000);
  BOOST_TEST(w.written_ms(1) == 0);
  w.clock.advance(29'999);
  turn();
  BOOST_TEST(w.written_ms(1) == 0);
  w.clock.advance(1);
  turn();
  BOOST_TEST(w.written_ms(1) == 10'000);
  // A wall clock that is set back changes nothing.
  w.play(3, 10'000);
  w.clock.step_wall(-3'600'000);
  w.clock.advance(29'999);
  turn();
  BOOST_TEST(w.written_ms(3) == 0);
  w.clock.advance(1);
  turn();
  BOOST_TEST(w.written_ms(3) == 10'000);
}

BOOST_AUTO_TEST_CASE(what_the_ledger_passes_over_goes_from_the_hot_store) {
  for (const bool is_enrolled_anew : {false, true}) {
    checkpointing w;
    BOOST_TEST(w.round());  // the hot store is known, and its erasures are
    w.play(1, 10'000);
    w.play(2, 10'000);
    // Another gateway has erased the student, and the hot store has lost that.
    w.ledger.next_lives["student-1"] = {.epoch = 2, .begins_ms = {}};
    if (is_enrolled_anew) w.ledger.students["student-1"] = {.epoch = 5, .begins_ms = {}};
    BOOST_TEST(w.checkpoints->checkpoint_all());
    BOOST_TEST(w.written_ms(1) == 0);
    BOOST_TEST(w.written_ms(2) == 10'000);
    const pair_key keys[] = {checkpointing::key_of(1), checkpointing::key_of(2)};
    const auto left = *w.hot.read(keys);
    BOOST_TEST(!left[0].has_value());
    BOOST_TEST(left[1].has_value());
    BOOST_TEST(w.hot.find_student(student(1), w.clock.wall_now())->epoch ==
               (is_enrolled_anew ? 5u : 2u));
  }
}

// Erased long ago, or the ledger has come back older and lost the enrolment: nobody knows which.
BOOST_AUTO_TEST_CASE(what_nobody_is_enrolled_for_stays_in_the_hot_store_and_is_not_written) {
  checkpointing w;
  w.ledger.has_everybody = false;
  w.play(1, 10'000);
  BOOST_TEST(w.round());
  BOOST_TEST(w.written_ms(1) == 0);
  BOOST_TEST(w.stored_ms(1) == 10'000);
  BOOST_TEST(w.dirty() == 0u);
}

BOOST_AUTO_TEST_CASE(a_hot_store_that_came_back_older_gets_its_erasures_again) {
  checkpointing w;
  BOOST_TEST(w.round());
  w.ledger.next_lives["student-1"] = {.epoch = 2, .begins_ms = {}};
  w.empty_hot_store();  // another one; it has the pair, clean, and has not heard of the erasure
  const storage::pair_progress old{checkpointing::key_of(1), checkpointing::played(1, 500).state};
  BOOST_REQUIRE(w.hot.merge({&old, 1}, storage::merge_origin::ledger).has_value());
  // A store that fails meanwhile is tried again with the next round.
  w.befalls = [](std::string_view operation) {
    return operation == "end_epochs_below" ? storage::store_fault::lost_request
                                           : storage::store_fault::none;
  };
  BOOST_TEST(!w.round());
  w.befalls = [](auto) { return storage::store_fault::none; };
  BOOST_TEST(w.round());
  BOOST_TEST(w.stored_ms(1) == 0);
  BOOST_TEST(w.hot.find_student(student(1), w.clock.wall_now())->epoch == 2u);
}

BOOST_AUTO_TEST_CASE(an_attempt_that_ended_is_replaced_in_the_hot_store) {
  checkpointing w;
  w.play(1, 10'000);
  auto reset = blank();
  reset.life.attempt = 2;
  reset.updated_ms = wall_ms{1};
  w.ledger.pairs[test::ledger_model::key_of(checkpointing::key_of(1))] = reset;
  BOOST_TEST(w.checkpoints->checkpoint_all());
  const pair_key keys[] = {checkpointing::key_of(1)};
  BOOST_TEST((*w.hot.read(keys))[0]->life.attempt == 2u);
  BOOST_TEST((*w.hot.read(keys))[0]->covered.empty());
}

BOOST_AUTO_TEST_CASE(the_last_round_is_abandoned_in_time) {
  checkpointing w;
  w.play(1, 10'000);
  w.checkpoints->start();
  w.checkpoints->stop(true, w.clock.monotonic_now_us());  // no time is left
  BOOST_TEST(!w.checkpoints->last_one_complete());
  BOOST_TEST(w.dirty() == 1u);  // whoever starts next has it
}

BOOST_AUTO_TEST_CASE(mastered_pairs_that_wait_are_not_written_when_the_time_is_over) {
  checkpointing w;
  const auto play = [&](int first) {
    std::vector<storage::pair_progress> mastered;
    for (std::size_t i = 0; i < storage_limits::checkpoint_batch_pairs_max; ++i)
      mastered.push_back(checkpointing::played(first + static_cast<int>(i), 60'000));
    w.checkpoints->checkpoint_now(std::move(mastered));
  };
  play(0);
  play(10'000);
  // Each statement takes 3 s, of which 5 are left: the second one is begun, a third would be late.
  play(20'000);
  w.on_checkpoint = [&] { w.clock.advance(3'000); };
  w.checkpoints->stop(false, w.clock.monotonic_now_us() + 5'000'000);
  w.checkpoints->turn(std::chrono::milliseconds(0));
  BOOST_TEST(w.ledger.pairs.size() == 2 * storage_limits::checkpoint_batch_pairs_max);
}

BOOST_AUTO_TEST_CASE(the_last_round_writes_what_is_there) {
  checkpointing w;
  w.play(1, 10'000);
  w.checkpoints->start();
  w.checkpoints->stop(true, w.clock.monotonic_now_us() + 1);
  BOOST_TEST(w.checkpoints->last_one_complete());
  BOOST_TEST(w.written_ms(1) == 10'000);
}

BOOST_AUTO_TEST_SUITE_END()
