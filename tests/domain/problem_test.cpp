#include <boost/test/unit_test.hpp>

#include <set>
#include <string>

#include "domain/problem.hpp"

using namespace watchkeeper;

BOOST_AUTO_TEST_SUITE(problems)

BOOST_AUTO_TEST_CASE(statuses_are_those_of_the_protocol) {
  using p = problem;
  const std::pair<p, int> statuses[] = {{p::none, 200},
                                        {p::malformed_token, 400},
                                        {p::token_too_large, 413},
                                        {p::too_many_tokens, 413},
                                        {p::unknown_device, 401},
                                        {p::bad_signature, 401},
                                        {p::stale_token, 401},
                                        {p::future_token, 401},
                                        {p::session_key_unknown, 401},
                                        {p::revoked_device, 403},
                                        {p::subject_mismatch, 403},
                                        {p::session_mismatch, 403},
                                        {p::not_assigned, 403},
                                        {p::unknown_module, 404},
                                        {p::implausible_interval, 422},
                                        {p::rate_limited, 429},
                                        {p::overloaded, 503},
                                        {p::storage_unavailable, 503},
                                        {p::draining, 503},
                                        {p::malformed_request, 400},
                                        {p::unauthorized, 401},
                                        {p::forbidden, 403},
                                        {p::not_found, 404},
                                        {p::method_not_allowed, 405},
                                        {p::unsupported_media_type, 415},
                                        {p::payload_too_large, 413},
                                        {p::conflict, 409},
                                        {p::request_timeout, 408},
                                        {p::misdirected_request, 421},
                                        {p::sequence_reused, 409},
                                        {p::cursor_from_the_future, 409}};
  BOOST_TEST(std::size(statuses) == problem_count);
  for (const auto& [which, status] : statuses)
    BOOST_TEST(describe(which).http_status == status, describe(which).name);
}

BOOST_AUTO_TEST_CASE(names_are_distinct_and_lead_back) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < problem_count; ++i) {
    const auto which = static_cast<problem>(i);
    const auto& info = describe(which);
    BOOST_TEST(names.insert(info.name).second);
    BOOST_TEST(!info.title.empty());
    BOOST_TEST(problem_from_name(info.name) == which);
    for (char c : info.name) BOOST_TEST(((c >= 'a' && c <= 'z') || c == '-'));
  }
  BOOST_TEST(describe(problem::stale_token).name == "stale-token");
  BOOST_TEST(describe(problem::implausible_interval).name == "implausible-interval");
  BOOST_TEST(!problem_from_name("no-such-problem"));
  BOOST_TEST(!problem_from_name(""));
}

// A new problem goes to the end, so that the numbers of the others stay.
BOOST_AUTO_TEST_CASE(values_are_stable) {
  BOOST_TEST(static_cast<int>(problem::stale_token) == 6);
  BOOST_TEST(static_cast<int>(problem::session_mismatch) == 11);
  BOOST_TEST(static_cast<int>(problem::implausible_interval) == 14);
  BOOST_TEST(static_cast<int>(problem::storage_unavailable) == 17);
  BOOST_TEST(static_cast<int>(problem::misdirected_request) == 28);
  BOOST_TEST(static_cast<int>(problem::sequence_reused) == 29);
  BOOST_TEST(static_cast<int>(problem::cursor_from_the_future) == 30);
}

BOOST_AUTO_TEST_SUITE_END()
