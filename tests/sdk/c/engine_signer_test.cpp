#include "sdk/c/engine.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/sdk/c/support.hpp"

/// A signer that fails, and one that calls the engine while it signs.

using namespace watchkeeper;
using namespace watchkeeper::sdk;
using namespace watchkeeper::sdk::testing;

BOOST_AUTO_TEST_SUITE(engine_suite)

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

BOOST_AUTO_TEST_SUITE_END()
