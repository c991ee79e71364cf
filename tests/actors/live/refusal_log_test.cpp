#include "actors/live/refusal_log.hpp"
#include "tests/actors/live/live_world.hpp"

/// The list of refusals of each student.

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::live_testing;

BOOST_AUTO_TEST_SUITE(live)

BOOST_AUTO_TEST_CASE(refusals_are_classified) {
  using enum refusal_kind;
  BOOST_TEST(classify(credit_status::limited, problem::none, stale_cause::none) == too_fast);
  BOOST_TEST(classify(credit_status::duplicate, problem::none, stale_cause::none) == replay);
  const auto rejected = [](problem why, stale_cause stale = stale_cause::none) {
    return classify(credit_status::rejected, why, stale);
  };
  BOOST_TEST(rejected(problem::implausible_interval) == skipping);
  BOOST_TEST(rejected(problem::bad_signature) == spoofing);
  BOOST_TEST(rejected(problem::subject_mismatch) == spoofing);
  BOOST_TEST(rejected(problem::stale_token, stale_cause::time) == clock);
  BOOST_TEST(rejected(problem::future_token) == clock);
  BOOST_TEST(rejected(problem::stale_token, stale_cause::sequence_number) == replay);
  BOOST_TEST(rejected(problem::stale_token, stale_cause::life) == other);
  BOOST_TEST(rejected(problem::sequence_reused) == other);  // no replay
  BOOST_TEST(rejected(problem::overloaded) == other);
}

BOOST_AUTO_TEST_CASE(refusals_are_listed_newest_first_and_bounded) {
  refusal_log log;
  play(log, film, "amy", 0, 1000);
  BOOST_TEST(log.of(named("amy"), 10).empty());  // it was credited
  for (std::size_t i = 0; i <= refusal_log::per_student_max; ++i)
    play(log, film, "amy", 0, 1000, credit_status::limited, 60'000,
         noon_ms + static_cast<std::int64_t>(i));
  auto found = log.of(named("amy"), 1000);
  BOOST_TEST(found.size() == refusal_log::per_student_max);
  BOOST_TEST(found.front().at_ms ==
             noon_ms + static_cast<std::int64_t>(refusal_log::per_student_max));
  BOOST_TEST(found.back().at_ms == noon_ms + 1);
  BOOST_TEST(log.of(named("amy"), 3).size() == 3u);
  engagement_token token;
  token.claims.student = named("bob");
  token.claims.module = film;
  token.claims.sequence = 9;
  log.rejected(
      {.why = problem::bad_signature, .detail = "why", .received_ms = noon_ms, .token = &token});
  log.rejected({.why = problem::malformed_token, .detail = "no token", .received_ms = noon_ms});
  found = log.of(named("bob"), 10);
  BOOST_REQUIRE(found.size() == 1u);
  BOOST_TEST(found[0].sequence == 9u);
  BOOST_TEST(found[0].why == problem::bad_signature);
  log.student_erased(named("bob"), 2);
  BOOST_TEST(log.of(named("bob"), 10).empty());
}

BOOST_AUTO_TEST_CASE(a_limited_heartbeat_says_what_did_not_count) {
  refusal_log log;
  credit_request request;
  request.student = named("amy");
  request.module = film;
  request.interval = {10'000, 20'000};
  credit_outcome outcome;
  outcome.status = credit_status::limited;
  outcome.credited_ms = 4'000;
  log.acknowledged({.request = request, .outcome = outcome});
  BOOST_TEST((log.of(named("amy"), 1).at(0).refused == media_interval{14'000, 20'000}));
  outcome.status = credit_status::duplicate;
  log.acknowledged({.request = request, .outcome = outcome});
  BOOST_TEST(log.of(named("amy"), 1).at(0).refused.empty());
}

BOOST_AUTO_TEST_CASE(refusals_of_an_erased_student_are_not_stored_until_a_new_enrolment) {
  using ownership = rejected_heartbeat::ownership;
  refusal_log log;
  engagement_token token;
  token.claims.student = named("amy");
  const auto reject = [&](ownership device) {
    log.rejected({.why = problem::stale_token,
                  .detail = "why",
                  .received_ms = noon_ms,
                  .token = &token,
                  .device = device});
    return log.of(named("amy"), 10).size();
  };
  BOOST_TEST(reject(ownership::of_nobody_or_another) == 0u);  // anybody may write a name
  BOOST_TEST(reject(ownership::unknown) == 1u);
  BOOST_TEST(reject(ownership::of_student) == 2u);
  log.student_erased(named("amy"), 2);
  BOOST_TEST(log.of(named("amy"), 10).empty());
  BOOST_TEST(reject(ownership::unknown) == 0u);  // the device goes on
  BOOST_TEST(reject(ownership::of_nobody_or_another) == 0u);
  BOOST_TEST(reject(ownership::of_student) == 1u);  // enrolled again
  // It remembers a limited number of erased students.
  for (std::size_t i = 0; i < 2 * refusal_log::erased_max; ++i)
    log.student_erased(named("s" + std::to_string(i)), 2);
  BOOST_TEST(reject(ownership::unknown) == 2u);
}

BOOST_AUTO_TEST_CASE(who_was_erased_before_the_start_is_remembered) {
  const auto stored = [](refusal_log& log, const std::string& student) {
    engagement_token token;
    token.claims.student = named(student);
    log.rejected({.why = problem::stale_token, .received_ms = noon_ms, .token = &token});
    return log.of(named(student), 10).size();
  };
  refusal_log log;
  log.remember_erased({{named("amy"), 2, noon_ms}});
  BOOST_TEST(stored(log, "amy") == 0u);
  BOOST_TEST(stored(log, "bob") == 1u);
  // There is no room for all, and the log of erasures is in any order.
  std::vector<storage::logged_erasure> many{{named("amy"), 2, noon_ms + 1}};
  for (std::size_t i = 0; i < 2 * refusal_log::erased_max; ++i)
    many.push_back({named("s" + std::to_string(i)), 2, noon_ms});
  refusal_log full;
  full.remember_erased(many);
  BOOST_TEST(stored(full, "amy") == 0u);
}

BOOST_AUTO_TEST_CASE(the_log_evicts_the_student_with_the_oldest_refusal) {
  constexpr std::size_t all = 16 * 4;  // four of each stripe
  refusal_log log(all);
  constexpr int students = 400;
  for (int i = 0; i < students; ++i)
    play(log, film, "s" + std::to_string(i), 0, 1000, credit_status::limited);
  std::size_t stored = 0;
  for (int i = 0; i < students; ++i) stored += log.of(named("s" + std::to_string(i)), 10).size();
  BOOST_TEST(stored == all);
  BOOST_TEST(log.of(named("s0"), 10).empty());
  BOOST_TEST(log.of(named("s" + std::to_string(students - 1)), 10).size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
