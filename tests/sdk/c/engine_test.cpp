#include "sdk/c/engine.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

#include "crypto/signature_verifier.hpp"
#include "sdk/c/buffer_codec.hpp"
#include "tests/sdk/c/support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::sdk;
using namespace watchkeeper::sdk::testing;

namespace {

std::string problem_text(const std::string& name, unix_ms server_ms = 0) {
  return R"({"type":"urn:watchkeeper:problem:)" + name + R"(","status":401)" +
         (server_ms == 0 ? "" : R"(,"server_time":)" + std::to_string(server_ms / 1000)) + "}";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(engine_suite)

BOOST_FIXTURE_TEST_CASE(a_heartbeat_goes_out_signed_and_its_response_is_reported, device) {
  start();
  BOOST_CHECK_EQUAL(on->next_due_ms(), -1);
  play();
  BOOST_CHECK_EQUAL(on->next_due_ms(), 0);
  BOOST_CHECK(network.requests.empty());  // a report sends nothing
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 1);
  std::string_view detail;
  const auto token = parse_engagement_token(sent[0], &detail);
  BOOST_REQUIRE_MESSAGE(token, detail);
  BOOST_CHECK((token->claims.interval == media_interval{0, 10'000}));
  BOOST_CHECK_EQUAL(token->claims.issued_at_ms, clock.at.wall_ms);
  BOOST_CHECK(crypto::signature_verifier{key.key.public_key()}.verify(token->signing_input,
                                                                      token->signature));
  on->poll();
  BOOST_CHECK(network.requests.empty());  // one at a time
  respond(200, response_to(sent, credited, clock.at.wall_ms));
  const auto received = events();
  BOOST_REQUIRE_EQUAL(received.size(), 1);
  BOOST_CHECK_EQUAL(received[0].progress.seconds_watched, 10);
  BOOST_CHECK_CLOSE(received[0].progress.completion_percentage, 1.66, 1e-6);
  BOOST_CHECK(!received[0].newly_mastered);
  BOOST_CHECK(on->buffer().empty());
  BOOST_CHECK_EQUAL(on->counts().acknowledged, 1);
  BOOST_CHECK_EQUAL(on->next_due_ms(), -1);
  BOOST_CHECK(storage.content.ends_with("ada\n"));
}

BOOST_FIXTURE_TEST_CASE(a_session_that_is_opened_again_goes_on_with_its_numbers, device) {
  start("s1");
  const auto sequence = [&] {
    play();
    on->poll();
    const auto sent = tokens();
    BOOST_REQUIRE_EQUAL(sent.size(), 1);
    respond(200, response_to(sent, credited, clock.at.wall_ms));
    return parse_engagement_token(sent[0], nullptr)->claims.sequence;
  };
  BOOST_CHECK_EQUAL(sequence(), 0);
  open("s1");
  BOOST_CHECK_EQUAL(sequence(), 1);
  open("s2");
  BOOST_CHECK_EQUAL(sequence(), 0);
}

BOOST_FIXTURE_TEST_CASE(a_time_that_no_gateway_has_is_not_learned, device) {
  start();
  play();
  on->poll();
  const auto sent = tokens();
  respond(200, response_to(sent, credited, 1000));
  BOOST_CHECK(on->buffer().empty());  // the results count all the same
  BOOST_CHECK(!on->clock().is_set());
  play();
  on->poll();
  const auto next = tokens();
  BOOST_REQUIRE_EQUAL(next.size(), 1);
  BOOST_CHECK_EQUAL(claims_of(next[0]).issued_at_ms, clock.at.wall_ms);
}

BOOST_FIXTURE_TEST_CASE(mastery_is_reported_as_new_once, device) {
  start();
  for (int i = 0; i < 2; ++i) {
    play();
    on->poll();
    respond(200, response_to(tokens(),
                             R"("status":"credited","credited_ms":10000,"seconds_watched":60,)"
                             R"("completion_percentage":100,"state":"MASTERED","resume_ms":1)"));
    const auto received = events();
    BOOST_REQUIRE_EQUAL(received.size(), 1);
    BOOST_CHECK(received[0].progress.mastered);
    BOOST_CHECK_EQUAL(received[0].newly_mastered, i == 0);
  }
}

BOOST_FIXTURE_TEST_CASE(what_cannot_be_delivered_waits_joins_and_goes_out_in_order_as_one_batch,
                        device) {
  start();
  // Nothing leaves: each try ends before the gateway has seen anything.
  for (int i = 0; i < 15; ++i) {
    play();
    on->poll();
    if (const auto made = request()) on->on_failure(made->id, false, "no route");
  }
  BOOST_CHECK_EQUAL(on->buffer().size(), 5);  // of 30 s each
  BOOST_CHECK_EQUAL(on->counts().dropped, 0);
  clock.pass(60'000);
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 5);
  media_ms next = 0;
  for (const auto& token : sent) {
    const auto claims = claims_of(token);
    BOOST_CHECK_EQUAL(claims.interval.from_ms, next);
    BOOST_CHECK_EQUAL(claims.interval.length_ms(), 30'000);
    next = claims.interval.to_ms;
  }
  BOOST_CHECK_EQUAL(next, 150'000);
  respond(200, response_to(sent, credited));
  BOOST_CHECK(on->buffer().empty());
}

BOOST_FIXTURE_TEST_CASE(the_oldest_beyond_the_buffer_goes_and_it_is_reported, device) {
  start();
  for (int i = 0; i < 17; ++i) {
    play();
    on->poll();
    if (const auto made = request()) on->on_failure(made->id, false, "no route");
  }
  const auto gone = drops();
  BOOST_REQUIRE_GE(gone.size(), 1);
  BOOST_CHECK(gone[0].why == drop_reason::buffer_full);
  BOOST_CHECK((gone[0].what.interval == media_interval{0, 30'000}));
  BOOST_CHECK_EQUAL(on->counts().dropped, gone.size());
  BOOST_CHECK_EQUAL(on->buffer().size(), 5);
  BOOST_CHECK_EQUAL(on->buffer().claims().back().interval.to_ms, 170'000);
}

BOOST_FIXTURE_TEST_CASE(a_heartbeat_in_doubt_is_sent_again_as_it_was, device) {
  start();
  play();
  on->poll();
  const auto first = claims_of(tokens()[0]);
  on->on_failure(last_id, true, "connection lost");
  for (int i = 0; i < 6; ++i) play();  // the buffer is over-full: others are joined, it is not
  on->poll();
  const auto again = claims_of(tokens()[0]);
  BOOST_CHECK_EQUAL(again.sequence, first.sequence);
  BOOST_CHECK((again.interval == first.interval));
  BOOST_CHECK_EQUAL(again.issued_at_ms, first.issued_at_ms);
}

BOOST_FIXTURE_TEST_CASE(a_server_in_the_way_puts_no_more_in_doubt_than_it_was_sent, device) {
  start();
  for (int i = 0; i < 18; ++i) {
    play();
    on->poll();
    if (!network.requests.empty()) {
      BOOST_REQUIRE_EQUAL(tokens().size(), 1);  // the one in doubt, by itself
      respond(502, "<html>Bad gateway</html>");
    }
  }
  // Had all been sent, each would have stayed at 10 s.
  BOOST_REQUIRE_EQUAL(on->buffer().size(), 5);
  BOOST_CHECK_EQUAL(on->buffer().claims().back().interval.to_ms, 180'000);
  media_ms buffered = 0;
  for (const auto& each : on->buffer().claims()) buffered += each.interval.length_ms();
  BOOST_CHECK_GE(buffered, 120'000);
  media_ms lost = 0;
  for (const auto& each : drops()) lost += each.what.interval.length_ms();
  BOOST_CHECK_EQUAL(buffered + lost, 180'000);
  clock.pass(60'000);
  on->poll();
  for (int round = 0; round < 2 && !network.requests.empty(); ++round) {
    respond(200, response_to(tokens(), credited));
    on->poll();
  }
  BOOST_CHECK(on->buffer().empty());
}

BOOST_FIXTURE_TEST_CASE(what_the_budget_had_no_room_for_after_an_outage_is_sent_again, device) {
  start();
  for (int i = 0; i < 15; ++i) {
    play();
    on->poll();
    if (const auto made = request()) on->on_failure(made->id, false, "no route");
  }
  clock.pass(60'000);
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 5);
  // 120 s are the most that a student may earn at once: the fifth gets 4 s, in this order.
  std::string text = R"({"results":[)";
  for (std::size_t i = 0; i < sent.size(); ++i)
    text += (i == 0 ? "" : ",") + result_of(sent[i], i < 4 ? credited : limited(4000));
  respond(200, text + "]}");
  BOOST_REQUIRE_EQUAL(on->buffer().size(), 1);
  BOOST_CHECK(storage.content.find(" 0 124000 150000 ") != std::string::npos);
  BOOST_CHECK_EQUAL(on->cooldown_ms(), 26'000);  // until the budget has room
  on->flush();
  BOOST_CHECK(network.requests.empty());
  // Again and again over it: after the third rest it is final.
  const auto old = claims_of(sent[4]);
  for (int i = 0; i < 3; ++i) {
    clock.pass(30'000);
    on->poll();
    const auto again = tokens();
    BOOST_REQUIRE_EQUAL(again.size(), 1);
    const auto claims = claims_of(again[0]);
    BOOST_CHECK(claims.session != old.session);  // a session of its own: its number is new
    BOOST_CHECK_EQUAL(claims.sequence, 0);
    BOOST_CHECK((claims.interval == media_interval{124'000 + i * 1000, 150'000}));
    BOOST_CHECK_EQUAL(claims.issued_at_ms, old.issued_at_ms);
    respond(200, response_to(again, limited(1000)));
  }
  BOOST_CHECK(on->buffer().empty());
  BOOST_CHECK_EQUAL(on->counts().dropped, 0);
}

BOOST_FIXTURE_TEST_CASE(what_is_played_right_after_an_outage_is_not_cut_by_it_for_good, device) {
  start();
  play();
  on->poll();
  respond(200, response_to(tokens(), limited(4000)));
  BOOST_CHECK(on->buffer().empty());  // live: faster than the module allows, and final
  for (int i = 0; i < 2; ++i) play();
  on->poll();
  respond(200, response_to(tokens(), credited));
  play();
  on->poll();
  respond(200, response_to(tokens(), limited(4000)));
  BOOST_REQUIRE_EQUAL(on->buffer().size(), 1);
  BOOST_CHECK((on->buffer().claims()[0].interval == media_interval{34'000, 40'000}));
  clock.pass(6'000);
  on->poll();
  respond(200, response_to(tokens(), credited));
  clock.pass(sdk_limits::catching_up_ms);
  play();
  on->poll();
  respond(200, response_to(tokens(), limited(4000)));
  BOOST_CHECK(on->buffer().empty());
}

BOOST_FIXTURE_TEST_CASE(the_cooldown_doubles_has_jitter_and_honours_retry_after, device) {
  start();
  play();
  std::int64_t ceiling = 1000;
  for (int i = 0; i < 9; ++i) {
    random = static_cast<std::uint64_t>(ceiling);  // the longest of the jitter
    on->poll();
    BOOST_REQUIRE_EQUAL(tokens().size(), 1);
    respond(503, problem_text("overloaded"), 3000);
    BOOST_CHECK_EQUAL(on->cooldown_ms(), 3000 + ceiling);
    BOOST_CHECK_EQUAL(on->next_due_ms(), 3000 + ceiling);
    clock.pass(3000 + ceiling - 1);
    on->poll();
    BOOST_CHECK(network.requests.empty());
    clock.pass(1);
    ceiling = std::min<std::int64_t>(ceiling * 2, 60'000);
  }
  // flush does not wait out the jitter, but what the gateway asked for.
  on->poll();
  (void)tokens();
  respond(429, problem_text("rate-limited"), 5000);
  on->flush();
  BOOST_CHECK(network.requests.empty());
  clock.pass(5000);
  on->flush();
  BOOST_CHECK_EQUAL(tokens().size(), 1);
  BOOST_CHECK_EQUAL(on->counts().dropped, 0);
}

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
  BOOST_CHECK_EQUAL(on->buffer().claims()[0].sequence, 2);
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

BOOST_FIXTURE_TEST_CASE(a_request_without_a_response_fails_in_time_and_a_late_response_is_ignored,
                        device) {
  start();
  play();
  on->poll();
  (void)tokens();
  BOOST_CHECK_EQUAL(on->next_due_ms(), sdk_limits::request_timeout_ms);
  clock.pass(sdk_limits::request_timeout_ms);
  random = 500;
  on->poll();
  BOOST_CHECK_EQUAL(network.cancelled.size(), 1);
  BOOST_CHECK(!on->on_response(last_id, {}));
  BOOST_CHECK(!on->on_failure(last_id, true, ""));
  BOOST_CHECK_EQUAL(on->buffer().size(), 1);
}

BOOST_FIXTURE_TEST_CASE(a_clock_that_is_off_is_set_by_the_response_and_the_heartbeat_signed_again,
                        device) {
  start();
  play();
  const auto real = clock.at.wall_ms + 3'600'000;
  on->poll();
  const auto first = claims_of(tokens()[0]);
  respond(401, problem_text("stale-token", real));
  on->poll();  // at once, without a pause
  const auto again = claims_of(tokens()[0]);
  BOOST_CHECK_EQUAL(again.sequence, first.sequence);
  BOOST_CHECK_LE(std::abs(again.issued_at_ms - real), 1000);
  // A gateway that goes on about it is not argued with for ever.
  respond(401, problem_text("stale-token", real));
  const auto gone = drops();
  BOOST_REQUIRE_EQUAL(gone.size(), 1);
  BOOST_CHECK(gone[0].why == drop_reason::too_old);
}

BOOST_FIXTURE_TEST_CASE(a_gateway_that_calls_everything_the_future_is_asked_again_later, device) {
  start();
  play();
  for (int i = 0; i < 5; ++i) {
    random = 100;
    on->poll();
    BOOST_REQUIRE_EQUAL(tokens().size(), 1);
    respond(401, problem_text("future-token", clock.at.wall_ms));
    BOOST_CHECK_EQUAL(on->buffer().size(), 1);
    clock.pass(100'000);
  }
  BOOST_CHECK(drops().empty());
}

BOOST_FIXTURE_TEST_CASE(
    a_wall_clock_that_jumps_back_an_hour_changes_nothing_once_the_offset_is_known, device) {
  start();
  play();
  on->poll();
  respond(200, response_to(tokens(), credited, clock.at.wall_ms));
  play();
  const auto ended = clock.at.wall_ms;
  clock.at.wall_ms -= 3'600'000;
  on->poll();
  BOOST_CHECK_EQUAL(claims_of(tokens()[0]).issued_at_ms, ended);
  respond(200, response_to({}, ""));  // nonsense: it waits
  play();
  clock.pass(100'000);
  on->poll();
  const auto first = tokens();
  BOOST_REQUIRE_EQUAL(first.size(), 1);  // the one in doubt goes ahead
  BOOST_CHECK_EQUAL(claims_of(first[0]).issued_at_ms, ended);
  respond(200, response_to(first, credited));
  on->poll();
  BOOST_CHECK_EQUAL(claims_of(tokens().at(0)).issued_at_ms, ended + 10'000);
}

BOOST_FIXTURE_TEST_CASE(a_jump_before_the_first_response_and_over_a_restart_loses_nothing, device) {
  start();
  play();
  on.reset();  // killed: what is stored is by the device's clock, which ran an hour ahead
  clock.at.wall_ms -= 3'600'000;
  start("s2");
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 1);
  BOOST_CHECK_EQUAL(claims_of(sent[0]).issued_at_ms, clock.at.wall_ms);  // never the future
  BOOST_CHECK_EQUAL(claims_of(sent[0]).session.view(), "s1");
}

BOOST_FIXTURE_TEST_CASE(a_restart_delivers_what_was_stored_before_what_is_new, device) {
  start();
  for (int i = 0; i < 3; ++i) play();
  on.reset();
  at = 70'000;
  start("s2");
  play();
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 4);
  BOOST_CHECK_EQUAL(claims_of(sent[0]).sequence, 0);
  BOOST_CHECK_EQUAL(claims_of(sent[2]).interval.to_ms, 30'000);
  BOOST_CHECK_EQUAL(claims_of(sent[3]).session.view(), "s2");
}

BOOST_FIXTURE_TEST_CASE(as_much_is_read_again_as_a_full_buffer_and_a_full_request_are, device) {
  start();
  std::vector<claim> all;
  for (std::size_t i = 0; i < sdk_limits::stored_claims_max + 1; ++i) {
    claim made;
    made.module = *module_id::parse(std::string(64, 'm'));
    made.session = *session_id::parse(std::string(64, 's'));
    made.sequence = limits::sequence_max;
    made.interval = {limits::media_duration_ms_max - 10'000, limits::media_duration_ms_max};
    made.rate_permille = 4000;
    made.ended = {253'402'300'799'000, 0};
    all.push_back(made);
  }
  const auto one_more = decode_buffer(encode_buffer(options.student, all, {}), options.student);
  BOOST_CHECK_EQUAL(one_more.claims.size(), sdk_limits::stored_claims_max);
  BOOST_CHECK_EQUAL(one_more.damaged, 1);
  all.pop_back();
  const auto text = encode_buffer(*student_id::parse(std::string(64, 'a')), all, {});
  BOOST_CHECK_LE(text.size(), sdk_limits::stored_bytes_max);
  for (std::size_t i = 0, end = 0; i < text.size(); i = end + 1) {
    end = text.find('\n', i);
    BOOST_CHECK_LE(end + 1 - i, sdk_limits::stored_record_bytes_max);
  }
  const auto stored = decode_buffer(encode_buffer(options.student, all, {}), options.student);
  BOOST_CHECK_EQUAL(stored.claims.size(), sdk_limits::stored_claims_max);
  BOOST_CHECK_EQUAL(stored.damaged, 0);
}

BOOST_FIXTURE_TEST_CASE(a_storage_that_cannot_be_written_keeps_all_in_memory_and_is_tried_again,
                        device) {
  start();
  storage.save_fails = true;
  play();
  play();
  BOOST_CHECK(on->storage_failing());
  auto received = events();
  BOOST_REQUIRE_EQUAL(received.size(), 1);  // once
  BOOST_CHECK(received[0].failure == failure_kind::storage_save);
  on->poll();
  BOOST_CHECK_EQUAL(tokens().size(), 2);
  BOOST_CHECK_EQUAL(on->next_due_ms(), sdk_limits::storage_retry_ms);
  storage.save_fails = false;
  clock.pass(sdk_limits::storage_retry_ms);
  on->poll();
  BOOST_CHECK(!on->storage_failing());
  BOOST_CHECK_EQUAL(decode_buffer(storage.content, options.student).claims.size(), 2);
}

BOOST_FIXTURE_TEST_CASE(a_storage_that_cannot_be_read_is_not_written_over, device) {
  start();
  play();
  on.reset();
  const auto before = storage.content;
  storage.load_fails = true;
  start("s2");
  play();
  BOOST_CHECK_EQUAL(storage.content, before);
  storage.load_fails = false;
  clock.pass(sdk_limits::storage_retry_ms);
  on->poll();
  BOOST_CHECK_EQUAL(tokens().size(), 2);  // both of them
  BOOST_CHECK_EQUAL(decode_buffer(storage.content, options.student).claims.size(), 2);
}

BOOST_FIXTURE_TEST_CASE(damaged_records_are_left_out_reported_and_harm_no_other, device) {
  start();
  for (int i = 0; i < 3; ++i) play();
  on.reset();
  storage.content[storage.content.find("10000 20000")] = '9';
  start("s2");
  const auto received = events();
  BOOST_REQUIRE_EQUAL(received.size(), 1);
  BOOST_CHECK(received[0].failure == failure_kind::storage_damaged);
  on->poll();
  BOOST_CHECK_EQUAL(tokens().size(), 2);
}

BOOST_FIXTURE_TEST_CASE(what_is_stored_of_another_student_is_left_alone, device) {
  start();
  play();
  on.reset();
  const auto before = storage.content;
  options.student = *student_id::parse("grace");
  start("s2");
  BOOST_CHECK(on->foreign());
  play();
  on->close();
  BOOST_CHECK_EQUAL(storage.content, before);
}

BOOST_FIXTURE_TEST_CASE(a_signer_that_fails_sends_nothing_and_loses_nothing, device) {
  start();
  key.fails = true;
  play();
  random = 700;
  on->poll();
  BOOST_CHECK(network.requests.empty());
  const auto received = events();
  BOOST_REQUIRE_EQUAL(received.size(), 1);
  BOOST_CHECK(received[0].failure == failure_kind::signer);
  BOOST_CHECK_EQUAL(on->cooldown_ms(), 700);
  key.fails = false;
  clock.pass(700);
  on->poll();
  BOOST_CHECK_EQUAL(tokens().size(), 1);
}

BOOST_FIXTURE_TEST_CASE(a_signer_that_reports_and_polls_loses_and_repeats_nothing, device) {
  start();
  for (int i = 0; i < 4; ++i) play();
  int signed_count = 0;
  key.within = [&] {
    if (++signed_count > 4) return;  // within the first request's only
    for (int i = 0; i < 2; ++i) play();
    on->poll();
    on->flush();
    BOOST_CHECK(network.requests.empty());
    BOOST_CHECK(!on->on_response(0, {}));
    BOOST_CHECK(!on->on_failure(0, true, ""));
  };
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 4);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto from = static_cast<media_ms>(i) * 10'000;
    BOOST_CHECK((claims_of(sent[i]).interval == media_interval{from, from + 10'000}));
  }
  BOOST_CHECK_EQUAL(signed_count, 4);
  BOOST_CHECK(network.requests.empty());
  BOOST_CHECK_EQUAL(on->buffer().in_flight(), 4);
  respond(200, response_to(sent, credited));
  on->poll();
  const auto rest = tokens();
  media_ms next = 40'000;
  for (const auto& token : rest) {
    BOOST_CHECK_EQUAL(claims_of(token).interval.from_ms, next);
    next = claims_of(token).interval.to_ms;
  }
  BOOST_CHECK_EQUAL(next, 120'000);
  BOOST_CHECK(drops().empty());
}

BOOST_FIXTURE_TEST_CASE(a_signer_that_reports_and_then_fails_keeps_what_was_to_be_sent, device) {
  start();
  for (int i = 0; i < 3; ++i) play();
  key.fails = true;
  key.within = [&] {
    play();
    on->want_progress();
  };
  random = 700;
  on->poll();
  BOOST_CHECK(network.requests.empty());
  BOOST_CHECK_EQUAL(on->buffer().in_flight(), 0);
  BOOST_CHECK_EQUAL(on->buffer().size(), 4);
  BOOST_CHECK(storage.content.find('?') == std::string::npos);  // none of them was sent
  key.fails = false;
  key.within = nullptr;
  clock.pass(700);
  on->poll();
  BOOST_CHECK_EQUAL(tokens().size(), 4);
}

BOOST_FIXTURE_TEST_CASE(a_storage_that_reports_while_it_saves_is_written_once_more, device) {
  start();
  play();
  on->poll();
  (void)tokens();
  respond(503, problem_text("overloaded"), 60'000);  // so that sending stores nothing
  storage.within_save = [&] {
    storage.within_save = nullptr;
    play();
  };
  play();
  // The older content was written last; the newer is still to be.
  BOOST_CHECK_EQUAL(decode_buffer(storage.content, options.student).claims.size(), 2);
  BOOST_CHECK_EQUAL(on->next_due_ms(), 0);
  on->poll();
  BOOST_CHECK(network.requests.empty());
  BOOST_CHECK_EQUAL(decode_buffer(storage.content, options.student).claims.size(), 3);
}

BOOST_FIXTURE_TEST_CASE(a_storage_that_polls_while_it_loads_is_read_once, device) {
  start();
  for (int i = 0; i < 2; ++i) play();
  on.reset();
  storage.load_fails = true;
  start("s2");
  storage.load_fails = false;
  storage.within_load = [&] { on->poll(); };
  clock.pass(sdk_limits::storage_retry_ms);
  on->poll();
  BOOST_CHECK_EQUAL(tokens().size(), 2);
}

BOOST_FIXTURE_TEST_CASE(a_transport_may_respond_within_send_and_may_refuse, device) {
  start();
  network.at_once = [](const test_transport::sent& request, transport_events& events) {
    http_response made;
    made.status = 200;
    made.body = response_to(lines_of(request.body), credited);
    const bool taken = events.on_response(request.id, std::move(made));
    BOOST_CHECK(taken);
    BOOST_CHECK(!events.on_failure(request.id, true, ""));  // one response a request
  };
  play();
  on->poll();
  BOOST_CHECK(on->buffer().empty());
  network.at_once = nullptr;
  network.refuses = true;
  play();
  random = 10;
  on->poll();
  BOOST_CHECK_EQUAL(on->buffer().size(), 1);
  BOOST_CHECK(!on->in_flight());
  BOOST_CHECK_EQUAL(on->cooldown_ms(), 10);
}

/// Whether each heartbeat asked for a response with progress: `f`, or for an empty one: `.`.
struct asking_device : device {
  std::string asked;
  std::string said = credited;
  void beat(const std::function<void()>& before_sending = [] {}) {
    play();
    before_sending();
    on->poll();
    const auto made = request();
    BOOST_REQUIRE(made);
    last_id = made->id;
    asked += made->prefer.empty() ? 'f' : '.';
    if (made->prefer.empty())
      respond(200, response_to(lines_of(made->body), said));
    else
      respond(204, "");
    BOOST_CHECK(on->buffer().empty());
  }
  void beats(int count) {
    for (int i = 0; i < count; ++i) beat();
  }
};

BOOST_FIXTURE_TEST_CASE(every_second_response_is_a_full_one_unless_said_otherwise, asking_device) {
  start();
  beats(6);
  BOOST_CHECK_EQUAL(asked, "f.f.f.");
  BOOST_CHECK_EQUAL(on->counts().acknowledged, 6);
  int received = 0;
  for (const auto& each : events()) received += each.what == event::kind::progress;
  BOOST_CHECK_EQUAL(received, 3);
  for (const auto& [every, expected] :
       {std::pair{1, "ffffff"}, std::pair{3, "f..f.."}, std::pair{1000, "f....."}}) {
    options.full_response_every = every;
    asked.clear();
    start();
    beats(6);
    BOOST_CHECK_EQUAL(asked, expected);
  }
}

BOOST_FIXTURE_TEST_CASE(where_the_app_needs_the_progress_the_response_is_a_full_one,
                        asking_device) {
  options.full_response_every = 1000;
  start();
  beats(2);
  beat([&] { on->want_progress(); });
  beats(1);
  // A break that is reported while a full response is in flight is not forgotten when it comes.
  on->want_progress();
  play();
  on->poll();
  const auto sent = tokens();
  on->want_progress();
  respond(200, response_to(sent, credited));
  beats(2);
  BOOST_CHECK_EQUAL(asked, "f.f.f.");
  asked.clear();
  on->flush();
  beats(2);
  open("s2");
  beats(2);
  BOOST_CHECK_EQUAL(asked, "f.f.");
}

BOOST_FIXTURE_TEST_CASE(where_the_state_may_change_each_response_is_a_full_one, asking_device) {
  const auto standing = [](const char* percentage, const char* state) {
    return std::string{R"("status":"credited","credited_ms":10000,"seconds_watched":10,)"} +
           R"("completion_percentage":)" + percentage + R"(,"state":")" + state +
           R"(","resume_ms":10000)";
  };
  options.full_response_every = 1000;
  start();
  said = standing("89.99", "IN_PROGRESS");
  beats(3);
  BOOST_CHECK_EQUAL(asked, "f..");
  asked.clear();
  said = standing("90.00", "IN_PROGRESS");
  on->want_progress();
  beats(3);
  said = standing("95.00", "MASTERED");
  beats(3);
  BOOST_CHECK_EQUAL(asked, "ffff..");
}

BOOST_FIXTURE_TEST_CASE(what_was_cut_lost_or_late_gets_a_full_response, asking_device) {
  options.full_response_every = 1000;
  start();
  beats(2);
  // The gateway cuts: it says so although an empty response would have done.
  play();
  on->poll();
  respond(200, response_to(tokens(),
                           R"("status":"limited","credited_ms":10,"seconds_watched":10,)"
                           R"("completion_percentage":1,"state":"IN_PROGRESS","resume_ms":1)"));
  beats(2);
  BOOST_CHECK_EQUAL(asked, "f.f.");
  play();
  on->poll();
  tokens();
  on->on_failure(last_id, true, "connection lost");
  play();
  clock.pass(60'000);
  on->poll();
  auto made = request();
  BOOST_REQUIRE(made);
  BOOST_CHECK(made->prefer.empty());
  last_id = made->id;
  respond(200, response_to(lines_of(made->body), credited));
}

BOOST_FIXTURE_TEST_CASE(an_empty_response_that_was_not_asked_for_says_nothing, device) {
  start();
  play();
  on->poll();
  tokens();
  respond(204, "");
  BOOST_CHECK_EQUAL(on->buffer().size(), 1);
  BOOST_CHECK(on->buffer().claims().front().in_doubt);
  BOOST_CHECK_EQUAL(on->counts().acknowledged, 0);
  const auto received = events();
  BOOST_REQUIRE_EQUAL(received.size(), 1);
  BOOST_CHECK(received[0].failure == failure_kind::response);
}

BOOST_FIXTURE_TEST_CASE(scrubbing_while_offline_pushes_no_real_heartbeat_out, device) {
  start();
  network.refuses = true;
  for (int i = 0; i < 5; ++i) play();
  for (int i = 0; i < 50; ++i) {
    clock.pass(20);
    on->player()->seeking(at + 20, clock.at.monotonic_ms);
    on->collect();
    at += 7000;
    on->player()->sought(at, clock.at.monotonic_ms);
    on->collect();
    on->poll();
  }
  for (int i = 0; i < 20; ++i) {  // and a list of sessions that are only looked at
    open(("look" + std::to_string(i)).c_str());
    clock.pass(20);
    at += 20;
    on->player()->position(at, clock.at.monotonic_ms);
    on->collect();
  }
  BOOST_CHECK(drops().empty());
  BOOST_REQUIRE(!on->buffer().empty());
  media_ms buffered = 0;
  for (const auto& each : on->buffer().claims()) buffered += each.interval.length_ms();
  BOOST_CHECK_GE(buffered, 50'000);
}

BOOST_FIXTURE_TEST_CASE(close_cuts_and_stores_what_was_played, device) {
  start();
  clock.pass(3000);
  on->player()->position(3000, clock.at.monotonic_ms);
  on->collect();
  on->close();
  const auto stored = decode_buffer(storage.content, options.student);
  BOOST_REQUIRE_EQUAL(stored.claims.size(), 1);
  BOOST_CHECK((stored.claims[0].interval == media_interval{0, 3000}));
}

BOOST_AUTO_TEST_CASE(whatever_goes_wrong_each_played_second_is_credited_dropped_or_buffered) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random{seed};
    const auto pick = [&](int below) {
      return std::uniform_int_distribution<int>(0, below - 1)(random);
    };
    device d;
    d.start();
    std::vector<char> credited_s(4000), dropped_s(4000);
    const auto mark = [](std::vector<char>& in, media_interval of) {
      for (auto s = of.from_ms / 1000; s < of.to_ms / 1000; ++s)
        in[static_cast<std::size_t>(s)] = 1;
    };
    int session = 1;
    for (int step = 0; step < 200; ++step) {
      d.random = random();
      if (pick(3) == 0) d.play(1000 * (1 + pick(12)));
      d.clock.pass(pick(4000));
      d.on->player()->pause(d.at, d.clock.at.monotonic_ms);
      d.on->collect();
      d.on->player()->play(d.at, d.clock.at.monotonic_ms);
      d.on->poll();
      if (d.network.requests.empty()) continue;
      const auto sent = d.tokens();
      switch (pick(7)) {
        case 0:
          d.on->on_failure(d.last_id, false, "");
          break;
        case 1:  // the gateway credits, the response is lost
          for (const auto& token : sent) mark(credited_s, claims_of(token).interval);
          d.on->on_failure(d.last_id, true, "");
          break;
        case 2:
          d.respond(503, "");
          break;
        case 3:
          d.respond(200, "garbage");
          break;
        case 4: {  // killed and started again
          for (const auto& each : d.drops()) mark(dropped_s, each.what.interval);
          d.on.reset();
          d.start(("s" + std::to_string(++session)).c_str());
          break;
        }
        default:
          for (const auto& token : sent) mark(credited_s, claims_of(token).interval);
          d.respond(200, response_to(sent, credited, d.clock.at.wall_ms));
      }
      for (const auto& each : d.drops()) mark(dropped_s, each.what.interval);
      BOOST_REQUIRE_LE(d.on->buffer().size(), sdk_limits::claims_max);
    }
    d.on->player()->pause(d.at, d.clock.at.monotonic_ms);
    d.on->collect();
    for (const auto& each : d.drops()) mark(dropped_s, each.what.interval);
    std::vector<char> buffered_s(4000);
    for (const auto& each : d.on->buffer().claims()) mark(buffered_s, each.interval);
    for (std::size_t s = 0; s < static_cast<std::size_t>(d.at / 1000); ++s)
      BOOST_REQUIRE_MESSAGE(credited_s[s] || dropped_s[s] || buffered_s[s],
                            "seed " << seed << ": second " << s << " is nowhere");
  }
}

BOOST_AUTO_TEST_SUITE_END()
