#include "server/api/resources/summary_cache.hpp"

#include <boost/test/unit_test.hpp>
#include <future>
#include <thread>

#include "server/api/api_limits.hpp"
#include "server/api/refusal.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;

namespace {

using found = storage::stored<std::vector<storage::module_summary>>;
constexpr auto kept_ms = api_limits::overview_kept_ms;

found one_module(std::int64_t students) {
  return std::vector<storage::module_summary>{
      {.module = *module_id::parse("m"), .students = students}};
}
found away() {
  return storage::storage_failure{storage::storage_error::unavailable, "timeout"};
}

struct summary_cache_fixture {
  int failures = 0;
  int looks = 0;
  summary_cache kept{[this](const storage::storage_failure&) { ++failures; }};
  std::int64_t students_at(unix_ms now_ms, found answer) {
    return kept
        .get(
            [&] {
              ++looks;
              return answer;
            },
            now_ms)
        ->modules.at(0)
        .students;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(overview_of_modules)

BOOST_FIXTURE_TEST_CASE(a_look_is_made_once_in_a_while, summary_cache_fixture) {
  BOOST_TEST(students_at(1'000, one_module(1)) == 1);
  BOOST_TEST(students_at(1'000 + kept_ms - 1, one_module(2)) == 1);
  BOOST_TEST(looks == 1);
  BOOST_TEST(students_at(1'000 + kept_ms, one_module(3)) == 3);
  BOOST_TEST(students_at(500, one_module(4)) == 4);  // the clock went back
}

BOOST_FIXTURE_TEST_CASE(a_failure_is_not_tried_again_at_once_and_the_old_value_stays,
                        summary_cache_fixture) {
  BOOST_CHECK_THROW(students_at(1'000, away()), storage_fault);
  for (unix_ms now = 1'000; now < 1'000 + kept_ms; now += 100)
    BOOST_CHECK_THROW(students_at(now, one_module(1)), storage_fault);
  BOOST_TEST(looks == 1);
  BOOST_TEST(failures == 1);
  BOOST_TEST(students_at(1'000 + kept_ms, one_module(2)) == 2);
  BOOST_TEST(students_at(1'000 + 2 * kept_ms, away()) == 2);
  const auto known = kept.get(away, 1'000 + 2 * kept_ms);
  BOOST_TEST(known->as_of_ms == 1'000 + kept_ms);  // it says how old it is
  BOOST_TEST(looks == 3);
}

BOOST_FIXTURE_TEST_CASE(nobody_waits_for_a_look_while_something_is_known, summary_cache_fixture) {
  students_at(1'000, one_module(1));
  std::promise<void> looking, go_on;
  std::thread slow([&] {
    const auto known = kept.get(
        [&] {
          looking.set_value();
          go_on.get_future().wait();
          return one_module(2);
        },
        1'000 + kept_ms);
    BOOST_TEST(known->modules.at(0).students == 2);
  });
  looking.get_future().wait();
  BOOST_TEST(students_at(1'000 + kept_ms, one_module(9)) == 1);  // while the other still looks
  BOOST_TEST(looks == 1);
  go_on.set_value();
  slow.join();
}

BOOST_FIXTURE_TEST_CASE(the_first_look_is_waited_for_and_not_for_ever, summary_cache_fixture) {
  std::promise<void> looking, go_on;
  std::thread slow([&] {
    (void)kept.get(
        [&] {
          looking.set_value();
          go_on.get_future().wait();
          return one_module(2);
        },
        1'000);
  });
  looking.get_future().wait();
  BOOST_CHECK_THROW(students_at(1'000, one_module(9)), storage_fault);
  go_on.set_value();
  slow.join();
  BOOST_TEST(students_at(1'000, one_module(9)) == 2);
}

BOOST_AUTO_TEST_SUITE_END()
