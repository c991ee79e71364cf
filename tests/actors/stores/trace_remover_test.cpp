// When the files of a store are to drop what they still have of erased students.
#include "actors/stores/trace_remover.hpp"

#include <boost/test/unit_test.hpp>
#include <deque>
#include <map>

#include "tests/base/manual_clock.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using removal = storage::trace_removal;

namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t hour_ms = 60 * minute_ms;
constexpr std::int64_t kept_ms = 25 * hour_ms;

const storage::storage_failure refused{storage::storage_error::refused, "NOPERM"};
const storage::storage_failure away{storage::storage_error::unavailable, "away"};

/// As Redis: a rewrite takes until the next second, and is asked for once an hour.
struct removal_world {
  /// A second later.
  void tick() {
    clock.advance(1'000);
    step();
  }
  void step() {
    remover.step([this]() -> storage::stored<removal> {
      ++calls;
      if (!next.empty()) {
        auto given = next.front();
        next.pop_front();
        return given;
      }
      if (std::exchange(runs, false)) return removal::done;
      runs = true;
      ++begun;
      return removal::begun;
    });
  }
  void wait(std::int64_t time_ms) {
    clock.advance(time_ms);
    for (int i = 0; i < 3; ++i) tick();
  }

  test::manual_clock clock;
  trace_probe probe;
  std::map<log_level, int> lines;
  trace_remover remover{
      {.probe = probe,
       .time = clock,
       .log = [this](log_level level, const std::string&, const std::string&) { ++lines[level]; },
       .component = "hot_store",
       .kept_ms = kept_ms,
       .pause_ms = hour_ms}};
  std::deque<storage::stored<removal>> next;  // replies that come first
  bool runs = false;
  int calls = 0;
  int begun = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(trace_removers)

BOOST_FIXTURE_TEST_CASE(a_store_is_left_alone_until_somebody_is_erased, removal_world) {
  wait(100 * hour_ms);
  BOOST_TEST(calls == 0);
  BOOST_TEST(!probe.is_due);
  BOOST_TEST((probe.removed_at.load() == never));
}

BOOST_FIXTURE_TEST_CASE(an_erasure_is_followed_by_a_removal_at_once_and_one_when_the_rest_is_gone,
                        removal_world) {
  remover.erased();
  step();
  BOOST_TEST(begun == 1);
  BOOST_TEST(probe.is_due);
  BOOST_TEST((probe.removed_at.load() == never));
  tick();
  BOOST_TEST(!probe.is_due);
  BOOST_TEST((probe.removed_at.load() == clock.wall_now()));
  wait(kept_ms - minute_ms);
  BOOST_TEST(begun == 1);
  wait(trace_remover::grain_ms + minute_ms);
  BOOST_TEST(begun == 2);
  wait(100 * hour_ms);
  BOOST_TEST(begun == 2);
  BOOST_TEST(calls == 4);
}

BOOST_FIXTURE_TEST_CASE(erasures_of_an_hour_share_one_removal_when_it_is_over, removal_world) {
  remover.erased();
  step();
  tick();
  for (int i = 0; i < 1'000; ++i) {
    remover.erased();
    tick();
  }
  BOOST_TEST(begun == 1);
  BOOST_TEST(probe.is_due);
  const auto until_the_end = hour_ms - 1'001'000;
  clock.advance(until_the_end - 1);
  step();
  BOOST_TEST(begun == 1);
  clock.advance(1);
  step();
  BOOST_TEST(begun == 2);
  tick();
  BOOST_TEST(!probe.is_due);
  // What was kept of a thousand erasures goes in one, or in two, where the grain ends between them.
  wait(30 * hour_ms);
  BOOST_TEST(begun <= 4);
  BOOST_TEST(begun >= 3);
}

BOOST_FIXTURE_TEST_CASE(an_erasure_while_a_removal_runs_needs_another_one, removal_world) {
  remover.erased();
  step();
  remover.erased();
  tick();
  BOOST_TEST(probe.is_due);
  wait(hour_ms);
  BOOST_TEST(begun == 2);
  BOOST_TEST(!probe.is_due);
}

BOOST_FIXTURE_TEST_CASE(a_removal_of_somebody_else_is_waited_for_and_asked_for_again,
                        removal_world) {
  next = {removal::waiting, removal::waiting};
  remover.erased();
  step();
  tick();
  BOOST_TEST(begun == 0);
  BOOST_TEST(probe.is_due);
  tick();
  BOOST_TEST(begun == 1);
  next = {removal::running, removal::running};
  tick();
  tick();
  BOOST_TEST(probe.is_due);
  tick();
  BOOST_TEST(!probe.is_due);
  BOOST_TEST(lines.empty());
}

BOOST_FIXTURE_TEST_CASE(a_store_that_refuses_is_said_once_and_asked_once_an_hour, removal_world) {
  next = {refused, refused};
  remover.erased();
  for (int i = 0; i < 10; ++i) tick();
  BOOST_TEST(calls == 1);
  BOOST_TEST(probe.refusal.get() == "NOPERM");
  BOOST_TEST(probe.is_due);
  wait(hour_ms);
  BOOST_TEST(calls == 2);
  BOOST_TEST(lines[log_level::warning] == 1);
  wait(hour_ms);
  BOOST_TEST(begun == 1);
  BOOST_TEST(probe.refusal.get().empty());
  BOOST_TEST(!probe.is_due);
  BOOST_TEST(lines[log_level::warning] == 1);
  BOOST_TEST(lines[log_level::info] == 1);
}

BOOST_FIXTURE_TEST_CASE(a_removal_that_broke_off_is_begun_again, removal_world) {
  remover.erased();
  step();
  next = {away};
  runs = false;
  tick();
  BOOST_TEST(probe.is_due);
  BOOST_TEST(lines.empty());
  wait(hour_ms);
  BOOST_TEST(begun == 2);
  BOOST_TEST(!probe.is_due);
}

BOOST_FIXTURE_TEST_CASE(a_store_that_is_away_is_asked_each_second, removal_world) {
  next = {away, away, away};
  remover.erased();
  for (int i = 0; i < 4; ++i) tick();
  BOOST_TEST(calls == 4);
  BOOST_TEST(begun == 1);
}

BOOST_FIXTURE_TEST_CASE(an_erasure_before_the_start_counts_while_something_of_it_may_be_left,
                        removal_world) {
  const auto now = clock.wall_now();
  remover.erased_before(now + -(kept_ms + hour_ms + trace_remover::grain_ms + 1));
  wait(10 * minute_ms);
  BOOST_TEST(calls == 0);

  remover.erased_before(clock.wall_now() + -hour_ms);
  remover.erased_before(clock.wall_now() + -2 * hour_ms);
  step();
  BOOST_TEST(calls == 0);  // a gateway that starts again and again asks for nothing
  wait(trace_remover::pause_at_start_ms);
  BOOST_TEST(begun == 1);
  wait(kept_ms - 2 * hour_ms + trace_remover::grain_ms);
  BOOST_TEST(begun == 2);
  wait(hour_ms + trace_remover::grain_ms);
  BOOST_TEST(begun == 3);
  wait(100 * hour_ms);
  BOOST_TEST(begun == 3);
}

BOOST_AUTO_TEST_SUITE_END()
