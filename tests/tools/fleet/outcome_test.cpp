#include "tools/fleet/outcome.hpp"

#include <boost/test/unit_test.hpp>

using namespace watchkeeper::fleet;

namespace {

http2_response with(int status, std::string body) {
  http2_response made;
  made.status = status;
  made.body = std::move(body);
  return made;
}
/// Of session 4f, numbered from 17 on.
std::vector<heartbeat> heartbeats(std::size_t count, bool session_key = false) {
  std::vector<heartbeat> made(count);
  for (std::size_t i = 0; i < count; ++i) {
    made[i].claims.session = *watchkeeper::session_id::parse("4f");
    made[i].claims.sequence = static_cast<std::uint32_t>(17 + i);
    made[i].session_key = session_key;
  }
  return made;
}
outcome only(http2_response response, bool session_key = false) {
  const auto sent = heartbeats(1, session_key);
  const auto all = read_outcomes(std::move(response), sent, false);
  BOOST_REQUIRE_EQUAL(all.size(), 1);
  return all[0];
}
std::string problem_document(const std::string& name) {
  return R"({"type":"urn:watchkeeper:problem:)" + name + R"(","status":503})";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(outcome_suite)

BOOST_AUTO_TEST_CASE(the_example_of_the_protocol) {
  const auto one = only(with(200, R"({"server_time":1763812345.123,"results":[{"sid":"4f","sn":17,
    "status":"credited","credited_ms":10000,"seconds_watched":170,"completion_percentage":28.33,
    "state":"IN_PROGRESS","resume_ms":170000}]})"));
  BOOST_CHECK(one.kind == outcome_kind::credited);
  BOOST_CHECK_EQUAL(one.credited_ms.value_or(-1), 10000);
  BOOST_CHECK(!one.mastered);
}

BOOST_AUTO_TEST_CASE(each_token_of_a_batch_has_its_own_outcome) {
  const auto all = read_outcomes(with(200, R"({"results":[
    {"sid":"4f","sn":17,"status":"limited","credited_ms":1,"seconds_watched":600,
     "completion_percentage":100,"state":"MASTERED","resume_ms":1},
    {"sid":"4f","sn":18,"status":"duplicate","credited_ms":0,"seconds_watched":170,
     "completion_percentage":28.33,"state":"IN_PROGRESS","resume_ms":1},
    {"status":"rejected","problem":"bad-signature"},
    {"status":"rejected","problem":"storage-unavailable"}]})"),
                                 heartbeats(4), false);
  BOOST_CHECK(all[0].kind == outcome_kind::limited && all[0].mastered);
  BOOST_CHECK(all[1].kind == outcome_kind::duplicate);
  BOOST_CHECK(all[2].kind == outcome_kind::rejected);
  BOOST_CHECK_EQUAL(all[2].reason, "bad-signature");
  BOOST_CHECK(all[3].kind == outcome_kind::retry);
}

BOOST_AUTO_TEST_CASE(what_is_worth_a_retry) {
  for (const char* name : {"overloaded", "storage-unavailable", "draining"})
    BOOST_CHECK(only(with(503, problem_document(name))).kind == outcome_kind::retry);
  BOOST_CHECK(only(with(429, problem_document("rate-limited"))).kind == outcome_kind::retry);
  BOOST_CHECK(only(with(503, "")).kind == outcome_kind::retry);  // a balancer's, without a body
  BOOST_CHECK(only(with(401, problem_document("stale-token"))).kind == outcome_kind::rejected);
  BOOST_CHECK(only(with(404, problem_document("unknown-module"))).kind == outcome_kind::rejected);
  http2_response lost;
  lost.error = transport_error::connection_lost;
  BOOST_CHECK(only(lost).kind == outcome_kind::retry);
  BOOST_CHECK(only(lost).transport);
}

BOOST_AUTO_TEST_CASE(a_lost_session_key_asks_for_the_devices_signature) {
  for (const char* name : {"session-key-unknown", "bad-signature"}) {
    const auto one = only(with(401, problem_document(name)), true);
    BOOST_CHECK(one.kind == outcome_kind::retry && one.sign_by_device);
    BOOST_CHECK_EQUAL(one.reason, name);
    BOOST_CHECK(!only(with(401, problem_document(name))).sign_by_device);
  }
}

BOOST_AUTO_TEST_CASE(no_response_that_makes_no_sense_counts_as_acknowledged) {
  for (const char* body : {"", "{}", "[]", "nonsense", R"({"results":[]})", R"({"results":[1]})",
                           R"({"results":[{"status":"fine"}]})", R"({"results":[{},{}]})"}) {
    const auto one = only(with(200, body));
    BOOST_CHECK_MESSAGE(
        one.kind == outcome_kind::rejected && one.reason == "unintelligible-response", body);
  }
  BOOST_CHECK_EQUAL(only(with(500, "<html>")).reason, "status-500");
}

BOOST_AUTO_TEST_CASE(a_reason_cannot_carry_anything_into_the_log) {
  const auto one = only(with(403, problem_document(R"(x\"}\n\u001b[31m)")));
  BOOST_CHECK_EQUAL(one.reason.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"),
                    std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_204_that_was_asked_for_acknowledges_all) {
  for (const auto& each : read_outcomes(with(204, ""), heartbeats(3), true))
    BOOST_CHECK(each.kind == outcome_kind::accepted);
  BOOST_CHECK(only(with(204, "")).kind == outcome_kind::rejected);  // nobody asked for it
}

BOOST_AUTO_TEST_SUITE_END()
