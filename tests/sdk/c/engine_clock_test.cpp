#include "sdk/c/engine.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/sdk/c/support.hpp"

/// The engine and the clocks: that of the device, which may be wrong or jump, and that of the
/// gateway.

using namespace watchkeeper;
using namespace watchkeeper::sdk;
using namespace watchkeeper::sdk::testing;

BOOST_AUTO_TEST_SUITE(engine_suite)

BOOST_FIXTURE_TEST_CASE(a_time_that_no_gateway_has_is_not_learned, device) {
  start();
  play();
  on->poll();
  const auto sent = tokens();
  respond(200, response_to(sent, credited, wall_ms{1000}));
  BOOST_CHECK(on->buffer().empty());  // the results count all the same
  BOOST_CHECK(!on->clock().is_set());
  play();
  on->poll();
  const auto next = tokens();
  BOOST_REQUIRE_EQUAL(next.size(), 1);
  BOOST_CHECK_EQUAL(claims_of(next[0]).issued_at_ms, clock.at.wall);
}

BOOST_FIXTURE_TEST_CASE(a_clock_that_is_off_is_set_by_the_response_and_the_heartbeat_signed_again,
                        device) {
  start();
  play();
  const auto real = clock.at.wall + 3'600'000;
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
    respond(401, problem_text("future-token", clock.at.wall));
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
  respond(200, response_to(tokens(), credited, clock.at.wall));
  play();
  const auto ended = clock.at.wall;
  clock.at.wall -= 3'600'000;
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
  clock.at.wall -= 3'600'000;
  start("s2");
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 1);
  BOOST_CHECK_EQUAL(claims_of(sent[0]).issued_at_ms, clock.at.wall);  // never the future
  BOOST_CHECK_EQUAL(claims_of(sent[0]).session.view(), "s1");
}

BOOST_AUTO_TEST_SUITE_END()
