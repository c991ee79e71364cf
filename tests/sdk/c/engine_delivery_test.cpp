#include "sdk/c/engine.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/sdk/c/support.hpp"

/// What the engine buffers while the gateway cannot be reached, and how it sends it afterwards.

using namespace watchkeeper;
using namespace watchkeeper::sdk;
using namespace watchkeeper::sdk::testing;

BOOST_AUTO_TEST_SUITE(engine_suite)

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
  BOOST_CHECK_EQUAL(on->buffer().heartbeats().back().interval.to_ms, 170'000);
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
  BOOST_CHECK_EQUAL(on->buffer().heartbeats().back().interval.to_ms, 180'000);
  media_ms buffered = 0;
  for (const auto& each : on->buffer().heartbeats()) buffered += each.interval.length_ms();
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
  BOOST_CHECK((on->buffer().heartbeats()[0].interval == media_interval{34'000, 40'000}));
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

BOOST_AUTO_TEST_SUITE_END()
