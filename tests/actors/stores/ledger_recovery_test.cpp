// A ledger that went back in time, as the checkpointer of a gateway meets it.
#include "actors/stores/ledger_recovery.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>

#include "actors/stores/checkpointer.hpp"
#include "tests/actors/simulation/simulated_ledger.hpp"
#include "tests/actors/support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

using faults = std::function<storage::store_fault(std::string_view operation)>;

/// A ledger whose identity cannot be read or raised, where `befalls` says so.
class failing_ledger final : public simulated_ledger {
 public:
  failing_ledger(test::ledger_model& shared, const weather_plan& plan, fate& end,
                 const faults& befalls)
      : simulated_ledger(shared, plan, end), befalls_(befalls) {}
  storage::stored<storage::ledger_identity> identity() override {
    if (befalls_("identity") != storage::store_fault::none) return failed();
    return simulated_ledger::identity();
  }
  storage::stored<ok_t> go_on_above(std::int64_t last_sequence,
                                    std::uint32_t highest_epoch) override {
    if (befalls_("go_on_above") != storage::store_fault::none) return failed();
    return simulated_ledger::go_on_above(last_sequence, highest_epoch);
  }

 private:
  static storage::storage_failure failed() {
    return {storage::storage_error::unavailable, "injected"};
  }
  const faults& befalls_;
};

/// A store with so many pairs that marking them all takes for ever.
class endless_store final : public storage::faulty_store {
 public:
  using faulty_store::faulty_store;
  storage::stored<std::string> mark_all_dirty(const std::string& cursor) override {
    auto next = faulty_store::mark_all_dirty(cursor);
    if (next) *next = "more";
    return next;
  }
};

/// One gateway's checkpointer and probes. Several may share the stores.
struct recovering {
  recovering(storage::hot_store& hot, test::ledger_model& ledger, bool is_endless = false) {
    const auto plan = [this](std::string_view operation) { return befalls(operation); };
    checkpoints.emplace(checkpointer::dependencies{
        .hot = is_endless ? std::make_unique<endless_store>(hot, plan)
                          : std::make_unique<storage::faulty_store>(hot, plan),
        .ledger = std::make_unique<failing_ledger>(ledger, ledger_plan, never, befalls),
        .probe = ledger_state,
        .hot_probe = hot_state,
        .heat = heat,
        .time = clock,
        .done = [](mono_ms) {},
        .log = [this](log_level level, const std::string&, const std::string&) { ++lines[level]; },
        .repeat_erasures =
            [this](storage::ledger&, const std::function<bool()>&) {
              ++erasures_repeated;
              return erasures_fail ? storage::stored<ok_t>(storage::storage_failure{
                                         storage::storage_error::unavailable, "injected"})
                                   : storage::stored<ok_t>(ok);
            }});
  }
  std::uint64_t losses() const { return ledger_state.memory.losses(); }
  bool is_catching_up() const { return ledger_state.memory.is_catching_up(); }

  faults befalls = [](std::string_view) { return storage::store_fault::none; };
  store_weather ledger_weather;
  store_link link;
  std::mt19937_64 random{1};
  bool erasures_fail = false;
  int erasures_repeated = 0;
  std::map<log_level, int> lines;
  fate never;
  weather_plan ledger_plan{ledger_weather, link, never, random};
  test::manual_clock clock;
  ledger_probe ledger_state;
  hot_store_probe hot_state;
  heatmap heat{1};
  std::optional<checkpointer> checkpoints;
};

struct recovery_world {
  recovery_world() { ledger.has_everybody = true; }
  static storage::pair_progress played(int who, media_ms to_ms) {
    storage::pair_progress pair{{student(who), module_named("m1")}, blank()};
    pair.state.covered.add({0, to_ms});
    return pair;
  }
  void play(int who, media_ms to_ms) {
    const auto pair = played(who, to_ms);
    BOOST_REQUIRE(hot.merge({&pair, 1}, storage::merge_origin::ledger_and_memory).has_value());
  }
  std::size_t recorded() const { return ledger.pairs.size(); }
  std::uint64_t dirty() { return *hot.dirty_count(); }

  storage::memory_store hot{10'000};
  test::ledger_model ledger;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(ledger_recoveries)

BOOST_FIXTURE_TEST_CASE(what_a_ledger_that_went_back_lacks_is_written_again, recovery_world) {
  recovering gateway(hot, ledger);
  play(1, 1'000);
  BOOST_TEST(gateway.checkpoints->checkpoint_all());
  const auto backup = ledger;
  play(2, 2'000);
  ledger.go_on_above(5'000, 77);  // what others have given out since
  BOOST_TEST(gateway.checkpoints->checkpoint_all());
  BOOST_TEST(gateway.checkpoints->checkpoint_all());
  BOOST_TEST(dirty() == 0u);
  const auto lost = ledger.identity();
  ledger = backup;
  const auto refill_epoch = gateway.hot_state.refill_epoch.load();

  BOOST_TEST(gateway.checkpoints->checkpoint_all());
  BOOST_TEST(recorded() == 2u);
  BOOST_TEST(gateway.losses() == 1u);
  BOOST_TEST(!gateway.is_catching_up());
  BOOST_TEST(gateway.lines[log_level::error] == 1);
  BOOST_TEST(gateway.erasures_repeated == 1);
  BOOST_TEST(gateway.hot_state.checkpoints_lost == 1u);
  BOOST_TEST(gateway.hot_state.refill_epoch > refill_epoch);
  BOOST_TEST(lost.last_sequence == 5'000);
  BOOST_TEST(ledger.identity().last_sequence == 5'000);
  BOOST_TEST(ledger.identity().highest_epoch == 77u);
  BOOST_TEST((*hot.known_ledger() == ledger.identity()));
  BOOST_TEST(gateway.checkpoints->checkpoint_all());
  BOOST_TEST(gateway.losses() == 1u);
}

BOOST_FIXTURE_TEST_CASE(another_ledger_is_noticed_whatever_it_counts, recovery_world) {
  recovering gateway(hot, ledger);
  play(1, 1'000);
  BOOST_TEST(gateway.checkpoints->checkpoint_all());
  ledger.pairs.clear();
  ledger.history = "promoted";
  ledger.transactions += 1'000;
  BOOST_TEST(gateway.checkpoints->checkpoint_all());
  BOOST_TEST(gateway.losses() == 1u);
  BOOST_TEST(recorded() == 1u);
}

/// The hot store remembers what the process that wrote it is not there to say.
BOOST_FIXTURE_TEST_CASE(a_gateway_that_was_started_since_notices_it, recovery_world) {
  const auto backup = ledger;
  play(1, 1'000);
  BOOST_TEST(recovering(hot, ledger).checkpoints->checkpoint_all());
  BOOST_TEST(dirty() == 0u);
  ledger = backup;
  recovering next(hot, ledger);
  BOOST_TEST(next.checkpoints->checkpoint_all());
  BOOST_TEST(next.losses() == 1u);
  BOOST_TEST(recorded() == 1u);
}

/// Also if the gateway that noticed it first dies at any step.
BOOST_FIXTURE_TEST_CASE(only_when_all_is_marked_is_the_loss_forgotten, recovery_world) {
  for (const auto* fails : {"identity", "go_on_above", "mark_all_dirty", "known_ledger",
                            "remember_ledger", "erasures"}) {
    ledger = {};
    ledger.has_everybody = true;
    hot = storage::memory_store(10'000);
    recovering one(hot, ledger);
    const auto backup = ledger;
    play(1, 1'000);
    BOOST_TEST(one.checkpoints->checkpoint_all());
    BOOST_TEST(recorded() == 1u);
    ledger = backup;
    const auto fault = [&](std::string_view operation) {
      return operation == fails ? storage::store_fault::lost_request : storage::store_fault::none;
    };
    one.befalls = fault;
    one.erasures_fail = fails == std::string_view("erasures");
    BOOST_TEST(!one.checkpoints->checkpoint_all(), fails);
    BOOST_TEST(recorded() == 0u, fails);
    BOOST_TEST(one.is_catching_up() == (fails != std::string_view("identity")), fails);

    recovering other(hot, ledger);
    BOOST_TEST(other.checkpoints->checkpoint_all(), fails);
    BOOST_TEST(recorded() == 1u, fails);
    // The first one has its own reason to do it, and loses nothing by doing it once more.
    one.befalls = [](std::string_view) { return storage::store_fault::none; };
    one.erasures_fail = false;
    BOOST_TEST(one.checkpoints->checkpoint_all(), fails);
    BOOST_TEST(!one.is_catching_up(), fails);
    BOOST_TEST(recorded() == 1u, fails);
  }
}

/// Others go on while one reads: what it reads last is not older for that.
BOOST_FIXTURE_TEST_CASE(gateways_that_write_at_the_same_time_are_no_loss, recovery_world) {
  recovering one(hot, ledger), other(hot, ledger);
  int calls = 0;
  one.befalls = [&](std::string_view) {
    if (++calls % 3 == 0) {
      play(calls % 50, 1'000);
      (void)other.checkpoints->checkpoint_all();
    }
    return storage::store_fault::none;
  };
  for (int round = 0; round < 3; ++round) (void)one.checkpoints->checkpoint_all();
  BOOST_TEST(one.losses() == 0u);
  BOOST_TEST(other.losses() == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_stop_breaks_off_what_takes_long, recovery_world) {
  recovering first(hot, ledger);
  play(1, 1'000);
  BOOST_TEST(first.checkpoints->checkpoint_all());
  ledger = test::ledger_model{.has_everybody = true};  // another ledger: all is marked anew
  recovering gateway(hot, ledger, true);
  int steps = 0;
  const auto stop_at = [&steps](recovering& which, std::string_view what, int count) {
    steps = 0;
    which.befalls = [&which, &steps, what, count](std::string_view operation) {
      if (operation == what && ++steps == count)
        which.checkpoints->stop(true, which.clock.monotonic_now_us());
      return storage::store_fault::none;
    };
  };
  stop_at(gateway, "mark_all_dirty", 3);
  BOOST_TEST(!gateway.checkpoints->checkpoint_all());
  BOOST_TEST(steps == 3);
  BOOST_TEST(gateway.is_catching_up());

  for (int who = 1; who <= 5; ++who) (void)ledger.erase_student(student(who), wall_ms{1}, 2);
  recovering other(hot, ledger);
  stop_at(other, "end_epochs_below", 2);
  BOOST_TEST(!other.checkpoints->checkpoint_all());
  BOOST_TEST(steps == 2);
}

BOOST_AUTO_TEST_CASE(two_threads_that_read_one_after_the_other_see_no_loss) {
  ledger_memory memory;
  const storage::ledger_identity early{
      .history = "a", .transactions = 1, .last_sequence = 0, .highest_epoch = 1};
  auto late = early;
  late.transactions = 2;
  const auto before = memory.take();
  BOOST_TEST(!memory.sees(late, memory.take()));
  BOOST_TEST(!memory.sees(early, before));  // it was read before the other
  BOOST_TEST((memory.seen() == late));
  const auto while_late = memory.take();
  BOOST_TEST(memory.sees(early, memory.take()));
  BOOST_TEST(!memory.sees(early, memory.take()));  // it is known
  memory.caught_up(early);
  BOOST_TEST(!memory.sees(early, while_late));
  BOOST_TEST(memory.losses() == 1u);
  BOOST_TEST(memory.changes() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
