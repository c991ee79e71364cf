#include "server/api/resources/summary_cache.hpp"

#include <boost/test/unit_test.hpp>
#include <future>
#include <thread>

#include "server/api/api_limits.hpp"
#include "server/api/api_problem.hpp"
#include "tests/base/manual_clock.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;

namespace {

using found = storage::stored<std::vector<storage::module_summary>>;
constexpr auto age_max_ms = api_limits::overview_age_max_ms;

found one_module(std::int64_t students) {
  return std::vector<storage::module_summary>{
      {.module = *module_id::parse("m"), .students = students}};
}
found away() {
  return storage::storage_failure{storage::storage_error::unavailable, "timeout"};
}

struct summary_cache_fixture {
  int failures = 0;
  int reads = 0;
  test::manual_clock clock;
  summary_cache cache{clock, [this](const storage::storage_failure&) { ++failures; }};
  /// The time since the begin of the test.
  void advance_to(std::int64_t elapsed_ms) {
    clock.advance(elapsed_ms - elapsed_ms_);
    elapsed_ms_ = elapsed_ms;
  }
  std::int64_t students_at(std::int64_t elapsed_ms, found reply) {
    advance_to(elapsed_ms);
    return cache
        .get([&] {
          ++reads;
          return reply;
        })
        ->modules.at(0)
        .students;
  }

 private:
  std::int64_t elapsed_ms_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(overview_of_modules)

BOOST_FIXTURE_TEST_CASE(the_ledger_is_read_once_in_a_while, summary_cache_fixture) {
  BOOST_TEST(students_at(1'000, one_module(1)) == 1);
  BOOST_TEST(students_at(1'000 + age_max_ms - 1, one_module(2)) == 1);
  BOOST_TEST(reads == 1);
  BOOST_TEST(students_at(1'000 + age_max_ms, one_module(3)) == 3);
}

BOOST_FIXTURE_TEST_CASE(a_wall_clock_that_is_set_back_changes_nothing, summary_cache_fixture) {
  BOOST_TEST(students_at(1'000, one_module(1)) == 1);
  clock.step_wall(-3'600'000);
  BOOST_TEST(students_at(1'000 + age_max_ms - 1, one_module(2)) == 1);
  BOOST_TEST(students_at(1'000 + age_max_ms, one_module(3)) == 3);
}

BOOST_FIXTURE_TEST_CASE(a_failure_is_not_tried_again_at_once_and_the_old_value_stays,
                        summary_cache_fixture) {
  BOOST_CHECK_THROW(students_at(1'000, away()), storage_fault);
  for (std::int64_t now = 1'000; now < 1'000 + age_max_ms; now += 100)
    BOOST_CHECK_THROW(students_at(now, one_module(1)), storage_fault);
  BOOST_TEST(reads == 1);
  BOOST_TEST(failures == 1);
  BOOST_TEST(students_at(1'000 + age_max_ms, one_module(2)) == 2);
  BOOST_TEST(students_at(1'000 + 2 * age_max_ms, away()) == 2);
  const auto summaries = cache.get(away);
  BOOST_TEST(summaries->as_of_ms ==
             test::manual_clock::wall_start + 1'000 + age_max_ms);  // it says how old it is
  BOOST_TEST(reads == 3);
}

BOOST_FIXTURE_TEST_CASE(nobody_waits_for_a_read_while_there_are_summaries, summary_cache_fixture) {
  students_at(1'000, one_module(1));
  std::promise<void> reading, go_on;
  advance_to(1'000 + age_max_ms);
  std::thread slow([&] {
    const auto summaries = cache.get([&] {
      reading.set_value();
      go_on.get_future().wait();
      return one_module(2);
    });
    BOOST_TEST(summaries->modules.at(0).students == 2);
  });
  reading.get_future().wait();
  BOOST_TEST(students_at(1'000 + age_max_ms, one_module(9)) == 1);  // while the other still reads
  BOOST_TEST(reads == 1);
  go_on.set_value();
  slow.join();
}

BOOST_FIXTURE_TEST_CASE(the_first_read_is_waited_for_but_not_for_ever, summary_cache_fixture) {
  std::promise<void> reading, go_on;
  advance_to(1'000);
  std::thread slow([&] {
    (void)cache.get([&] {
      reading.set_value();
      go_on.get_future().wait();
      return one_module(2);
    });
  });
  reading.get_future().wait();
  BOOST_CHECK_THROW(students_at(1'000, one_module(9)), storage_fault);
  go_on.set_value();
  slow.join();
  BOOST_TEST(students_at(1'000, one_module(9)) == 2);
}

BOOST_AUTO_TEST_SUITE_END()
