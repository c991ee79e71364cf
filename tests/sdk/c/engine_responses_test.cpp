#include "sdk/c/engine.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/sdk/c/support.hpp"

/// What the engine makes of the responses: problems of one heartbeat, of a batch and of the device,
/// and what no gateway has sent.

using namespace watchkeeper;
using namespace watchkeeper::sdk;
using namespace watchkeeper::sdk::testing;

BOOST_AUTO_TEST_SUITE(engine_suite)

BOOST_FIXTURE_TEST_CASE(problems_for_good_are_dropped_and_never_sent_again, device) {
  start();
  for (const char* name : {"malformed-token", "token-too-large", "too-many-tokens", "bad-signature",
                           "revoked-device", "subject-mismatch", "session-mismatch", "not-assigned",
                           "unknown-module", "implausible-interval"}) {
    play();
    on->poll();
    const auto sent = tokens();
    BOOST_REQUIRE_EQUAL(sent.size(), 1);
    respond(403, problem_text(name));
    const auto gone = drops();
    BOOST_REQUIRE_EQUAL(gone.size(), 1);
    BOOST_CHECK_EQUAL(gone[0].problem, name);
    BOOST_CHECK(gone[0].why == drop_reason::rejected);
    on->poll();
    BOOST_CHECK(network.requests.empty());
  }
}

BOOST_FIXTURE_TEST_CASE(a_device_that_is_not_enrolled_keeps_its_heartbeats_and_waits, device) {
  start();
  const auto received = [&] {
    int failures = 0;
    for (const auto& each : events()) {
      BOOST_CHECK(each.what == event::kind::failure && each.failure == failure_kind::not_enrolled);
      ++failures;
    }
    return failures;
  };
  play();
  on->poll();
  BOOST_REQUIRE_EQUAL(tokens().size(), 1);
  respond(401, problem_text("unknown-device"));
  BOOST_CHECK_EQUAL(received(), 1);
  BOOST_CHECK_EQUAL(on->buffer().size(), 1);
  BOOST_CHECK_EQUAL(on->cooldown_ms(), sdk_limits::enrolment_retry_ms);
  // What is played meanwhile waits with it, and goes out with the next try.
  play();
  on->poll();
  BOOST_CHECK(network.requests.empty());
  clock.pass(sdk_limits::enrolment_retry_ms - 10'000);
  on->poll();
  auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 2);
  respond(200, response_to(sent, R"("status":"rejected","problem":"unknown-device")"));
  BOOST_CHECK_EQUAL(received(), 0);  // once for a row of them
  BOOST_CHECK_EQUAL(on->buffer().size(), 2);
  BOOST_CHECK_GT(on->cooldown_ms(), 0);
  // The app has enrolled it.
  on->flush();
  sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 2);
  respond(200, response_to(sent, credited));
  BOOST_CHECK(on->buffer().empty());
  BOOST_CHECK_EQUAL(on->counts().dropped, 0);
  BOOST_CHECK_EQUAL(on->cooldown_ms(), 0);
  (void)events();
  play();
  on->poll();
  (void)tokens();
  respond(401, problem_text("unknown-device"));
  BOOST_CHECK_EQUAL(received(), 1);  // it is another one
}

BOOST_FIXTURE_TEST_CASE(one_bad_token_of_a_batch_harms_no_other, device) {
  start();
  for (int i = 0; i < 3; ++i) play();
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 3);
  respond(200,
          R"({"results":[)" + result_of(sent[0], credited) + "," +
              result_of(sent[1], R"("status":"rejected","problem":"implausible-interval")") + "," +
              result_of(sent[2], R"("status":"rejected","problem":"storage-unavailable")") + "]}");
  BOOST_CHECK_EQUAL(drops().size(), 1);
  BOOST_REQUIRE_EQUAL(on->buffer().size(), 1);
  BOOST_CHECK_EQUAL(on->buffer().heartbeats()[0].sequence, 2);
}

BOOST_FIXTURE_TEST_CASE(a_problem_of_tomorrow_that_is_for_good_is_dropped_by_its_name, device) {
  start();
  play();
  on->poll();
  (void)tokens();
  respond(422, problem_text("problem-of-tomorrow"));
  auto gone = drops();
  BOOST_REQUIRE_EQUAL(gone.size(), 1);
  BOOST_CHECK_EQUAL(gone[0].problem, "problem-of-tomorrow");
  BOOST_CHECK(gone[0].why == drop_reason::rejected);
  BOOST_CHECK(on->buffer().empty());
  // In a batch the status is not known: it is asked for alone.
  for (int i = 0; i < 3; ++i) play();
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 3);
  const std::string refused = R"("status":"rejected","problem":"problem-of-tomorrow")";
  respond(200, R"({"results":[)" + result_of(sent[0], credited) + "," +
                   result_of(sent[1], refused) + "," + result_of(sent[2], refused) + "]}");
  BOOST_CHECK(drops().empty());
  for (int i = 0; i < 2; ++i) {
    clock.pass(60'000);
    on->poll();
    BOOST_REQUIRE_EQUAL(tokens().size(), 1);
    respond(422, problem_text("problem-of-tomorrow"));
    BOOST_CHECK_EQUAL(drops().size(), 1);
  }
  BOOST_CHECK(on->buffer().empty());
}

BOOST_FIXTURE_TEST_CASE(a_batch_that_is_refused_as_a_whole_is_sent_one_by_one, device) {
  start();
  for (int i = 0; i < 3; ++i) play();
  on->poll();
  BOOST_REQUIRE_EQUAL(tokens().size(), 3);
  respond(413, problem_text("token-too-large"));
  for (int i = 0; i < 3; ++i) {
    on->poll();
    const auto sent = tokens();
    BOOST_REQUIRE_EQUAL(sent.size(), 1);
    respond(200, response_to(sent, credited));
  }
  BOOST_CHECK(on->buffer().empty());
  BOOST_CHECK_EQUAL(on->counts().dropped, 0);
}

BOOST_FIXTURE_TEST_CASE(what_is_no_response_of_a_gateway_loses_nothing, device) {
  start();
  const std::pair<int, std::string> responses[] = {{200, "<html>Sign in</html>"},
                                                   {200, ""},
                                                   {200, "{}"},
                                                   {200, R"({"results":[]})"},
                                                   {200, R"({"results":[{},{}]})"},
                                                   {201, "{}"},
                                                   {302, ""},
                                                   {404, "not here"},
                                                   {407, "{}"},
                                                   {403, R"({"type":"about:blank"})"},
                                                   {500, "oops"},
                                                   {502, ""},
                                                   {504, ""},
                                                   {429, ""},
                                                   {503, ""},
                                                   {0, ""},
                                                   {404, problem_text("not-found")},
                                                   {408, problem_text("problem-of-tomorrow")},
                                                   {425, problem_text("problem-of-tomorrow")},
                                                   {429, problem_text("problem-of-tomorrow")},
                                                   {503, problem_text("problem-of-tomorrow")},
                                                   {200, std::string(70'000, '[')}};
  for (const auto& [status, body] : responses) {
    play();
    clock.pass(100'000);
    on->poll();
    const auto sent = tokens();
    BOOST_REQUIRE(!sent.empty());
    respond(status, body);
    BOOST_TEST_INFO("status " << status << ": " << body.substr(0, 80));
    BOOST_CHECK_EQUAL(on->buffer().size(), 1);
    BOOST_CHECK(drops().empty());
    clock.pass(100'000);
    on->poll();
    respond(200, response_to(tokens(), credited));
    BOOST_CHECK(on->buffer().empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()
