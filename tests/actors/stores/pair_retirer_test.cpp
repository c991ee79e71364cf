#include "actors/stores/pair_retirer.hpp"

#include <boost/test/unit_test.hpp>
#include <optional>

#include "tests/actors/simulation/simulated_ledger.hpp"
#include "tests/actors/support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

constexpr std::int64_t day_ms = 86'400'000;

/// A hot store whose walks have as many steps as a test says.
class stepping_store final : public storage::faulty_store {
 public:
  using faulty_store::faulty_store;
  storage::stored<storage::idle_sample> read_idle(const std::string& cursor, wall_ms now_ms,
                                                  std::int64_t idle_ms) override {
    ++calls;
    auto found = faulty_store::read_idle(cursor, now_ms, idle_ms);
    if (!found) return found;
    const auto step = cursor.empty() ? 1 : std::stoi(cursor) + 1;
    if (step < steps) found->cursor = std::to_string(step);
    return found;
  }
  int steps = 1;
  int calls = 0;
};

struct retiring {
  explicit retiring(std::int64_t retention_ms = 10 * day_ms) {
    ledger.has_everybody = true;
    ledger_state.up = true;
    retirer.emplace(pair_retirer::dependencies{
        .hot = hot,
        .ledger = of_record,
        .probe = ledger_state,
        .hot_probe = hot_state,
        .retention_ms = retention_ms,
        .time = clock,
        .log = [this](log_level, const std::string&, const std::string&) { ++lines; }});
  }
  static storage::pair_progress played(int who, wall_ms updated_ms) {
    storage::pair_progress pair{{student(who), module_named("m1")}, blank()};
    pair.state.covered.add({0, 1'000});
    pair.state.updated_ms = updated_ms;
    return pair;
  }
  /// In both stores, and clean.
  storage::pair_progress add(int who) {
    auto pair = played(who, clock.wall_now());
    (void)ledger.checkpoint({pair}, clock.wall_now());
    put(pair);
    return pair;
  }
  void put(const storage::pair_progress& pair) {
    BOOST_REQUIRE(inner.merge({&pair, 1}, storage::merge_origin::ledger).has_value());
  }
  bool is_there(int who) {
    const pair_key key{student(who), module_named("m1")};
    return (*inner.read({&key, 1}))[0].has_value();
  }
  /// As the thread does for so long.
  void pass(std::int64_t ms) {
    const auto end = clock.monotonic_now() + ms;
    for (;;) {
      if (retirer->is_due()) retirer->step();
      const auto now = clock.monotonic_now();
      if (now >= end) return;
      const auto left = std::chrono::milliseconds(end - now);
      clock.advance(std::max<std::int64_t>(1, retirer->wait_max(left).count()));
    }
  }
  void begin() {
    retirer->round_ended();
    pass(pair_retirer::settling_ms);
  }
  std::uint64_t retired() const { return hot_state.retired_pairs; }

  test::manual_clock clock;
  storage::memory_store inner{10'000};
  storage::store_fault fault = storage::store_fault::none;
  std::function<void(std::string_view)> meanwhile = [](std::string_view) {};
  stepping_store hot{inner, [this](std::string_view operation) {
                       meanwhile(operation);
                       return fault;
                     }};
  test::ledger_model ledger;
  store_weather weather;
  store_link link;
  fate never_ends;
  std::mt19937_64 random{1};
  weather_plan plan{weather, link, never_ends, random};
  simulated_ledger of_record{ledger, plan, never_ends};
  ledger_probe ledger_state;
  hot_store_probe hot_state;
  int lines = 0;
  std::optional<pair_retirer> retirer;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(pair_retirers)

BOOST_AUTO_TEST_CASE(a_pair_leaves_within_a_fifth_of_the_retention_after_it) {
  retiring w;
  w.begin();
  w.add(1);
  w.pass(10 * day_ms - 1);
  BOOST_TEST(w.is_there(1));
  w.pass(2 * day_ms);
  BOOST_TEST(!w.is_there(1));
  BOOST_TEST(w.retired() == 1u);
  BOOST_TEST(w.lines == 0);
}

BOOST_AUTO_TEST_CASE(nothing_leaves_before_a_round_is_over_and_the_ledger_has_settled) {
  retiring w;
  w.put(w.add(1));
  w.clock.advance(100 * day_ms);
  w.pass(day_ms);
  BOOST_TEST(w.is_there(1));
  w.retirer->round_ended();
  w.pass(pair_retirer::settling_ms - 1);
  BOOST_TEST(w.is_there(1));
  // A ledger that failed begins that time anew.
  w.ledger_state.up = false;
  w.pass(pair_retirer::settling_ms);
  w.retirer->round_ended();
  w.ledger_state.up = true;
  w.pass(pair_retirer::settling_ms);
  BOOST_TEST(w.is_there(1));
  w.retirer->round_ended();
  w.pass(pair_retirer::settling_ms - 1);
  BOOST_TEST(w.is_there(1));
  w.pass(1);
  BOOST_TEST(!w.is_there(1));
}

BOOST_AUTO_TEST_CASE(without_a_retention_no_pair_leaves) {
  retiring w(INT64_MAX);
  w.add(1);
  w.begin();
  w.pass(1'000 * day_ms);
  BOOST_TEST(w.is_there(1));
  BOOST_TEST(w.hot.calls == 0);
}

BOOST_AUTO_TEST_CASE(what_the_ledger_lacks_stays_and_is_marked) {
  retiring w;
  w.begin();
  auto more = w.add(1);
  more.state.covered.add({5'000, 6'000});
  w.put(more);                                     // clean, although the ledger has less
  w.put(retiring::played(2, w.clock.wall_now()));  // clean, and the ledger lost the row
  w.pass(12 * day_ms);
  BOOST_TEST(w.is_there(1));
  BOOST_TEST(w.is_there(2));
  BOOST_TEST(*w.inner.dirty_count() == 2u);
  BOOST_TEST(w.retired() == 0u);
}

BOOST_AUTO_TEST_CASE(a_student_whom_the_ledger_does_not_know_keeps_the_pairs) {
  retiring w;
  w.ledger.has_everybody = false;
  w.begin();
  w.put(retiring::played(1, w.clock.wall_now()));
  const storage::pair_progress empty{{student(2), module_named("m1")}, blank()};
  w.put(empty);  // nothing was ever credited in it
  w.pass(12 * day_ms);
  BOOST_TEST(w.is_there(1));
  BOOST_TEST(!w.is_there(2));
  BOOST_TEST(*w.inner.dirty_count() == 0u);
}

BOOST_AUTO_TEST_CASE(a_ledger_that_went_back_is_caught_up_with_first) {
  retiring w;
  w.add(1);
  w.clock.advance(20 * day_ms);
  w.begin();
  w.add(2);
  w.clock.advance(20 * day_ms);
  // It goes back between the look at the row and the removal.
  w.meanwhile = [&](std::string_view operation) {
    if (operation == "read_idle") BOOST_TEST(w.ledger_state.memory.is_told_of_loss());
  };
  BOOST_TEST(!w.is_there(1));
  w.retirer->step();
  BOOST_TEST(w.is_there(2));
  w.meanwhile = [](std::string_view) {};
  w.retirer->round_ended();
  w.pass(10 * day_ms);
  BOOST_TEST(w.is_there(2));
  w.ledger_state.memory.caught_up(w.ledger.identity());
  w.retirer->round_ended();  // what it is given is as young as that
  w.pass(pair_retirer::settling_ms - 1);
  BOOST_TEST(w.is_there(2));
  w.pass(2 * day_ms);
  BOOST_TEST(!w.is_there(2));
}

BOOST_AUTO_TEST_CASE(a_walk_is_spread_over_a_tenth_of_the_retention) {
  retiring w;
  w.hot.steps = 1'000;
  w.begin();
  w.pass(day_ms - 1);  // the first walk: nobody knows how long it is
  BOOST_TEST(w.hot.calls == 1'000);
  w.hot.calls = 0;
  w.pass(day_ms / 2);
  BOOST_TEST(w.hot.calls >= 495);
  BOOST_TEST(w.hot.calls <= 505);
  w.hot.steps = 20'000;  // it has grown
  w.pass(day_ms);
  BOOST_TEST(w.hot.calls >= 20'000);
}

BOOST_AUTO_TEST_CASE(slow_steps_leave_the_store_to_others) {
  retiring w(1'000);
  w.hot.steps = 100;
  w.meanwhile = [&](std::string_view operation) {
    if (operation == "read_idle") w.clock.advance(10);
  };
  w.begin();
  w.hot.calls = 0;
  w.pass(4'000);
  BOOST_TEST(w.hot.calls >= 95);
  BOOST_TEST(w.hot.calls <= 101);
}

BOOST_AUTO_TEST_CASE(after_a_failure_the_walk_goes_on) {
  retiring w;
  w.hot.steps = 10;
  w.begin();
  w.add(1);
  w.clock.advance(20 * day_ms);
  w.fault = storage::store_fault::lost_request;
  w.pass(60'000);
  BOOST_TEST(w.hot.calls > 5);
  BOOST_TEST(w.hot.calls < 40);
  BOOST_TEST(w.lines > 5);
  BOOST_TEST(w.hot_state.failures.load() > 5u);
  w.fault = storage::store_fault::none;
  w.pass(60'000);
  BOOST_TEST(!w.is_there(1));

  w.add(2);
  w.clock.advance(20 * day_ms);
  w.weather.is_down = true;
  w.pass(60'000);
  BOOST_TEST(w.is_there(2));
  w.weather.is_down = false;
  w.pass(60'000);
  BOOST_TEST(!w.is_there(2));
}

BOOST_AUTO_TEST_SUITE_END()
