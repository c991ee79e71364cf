#include "storage/circuit_breaker.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/base/manual_clock.hpp"

using namespace watchkeeper;
using storage::circuit_breaker;

BOOST_AUTO_TEST_SUITE(circuit_breakers)

BOOST_AUTO_TEST_CASE(a_call_that_fails_at_once_does_not_open_it) {
  test::manual_clock clock;
  circuit_breaker breaker;
  const auto began = clock.monotonic_now();
  clock.advance(circuit_breaker::late_ms - 1);
  breaker.failed(began, clock.monotonic_now());
  BOOST_TEST(!breaker.blocks(clock.monotonic_now()));
}

BOOST_AUTO_TEST_CASE(a_wall_clock_that_is_set_back_changes_no_pause) {
  test::manual_clock clock;
  circuit_breaker breaker;
  const auto began = clock.monotonic_now();
  clock.advance(circuit_breaker::late_ms);
  breaker.failed(began, clock.monotonic_now());
  clock.step_wall(-3'600'000);
  clock.advance(circuit_breaker::pause_ms - 1);
  BOOST_TEST(breaker.blocks(clock.monotonic_now()));
  clock.advance(1);
  BOOST_TEST(!breaker.blocks(clock.monotonic_now()));
}

BOOST_AUTO_TEST_CASE(it_stays_open_until_somebody_else_has_succeeded) {
  test::manual_clock clock;
  std::uint64_t successes = 7;
  circuit_breaker breaker([&] { return successes; });
  const auto began = clock.monotonic_now();
  clock.advance(circuit_breaker::late_ms);
  breaker.failed(began, clock.monotonic_now());
  clock.advance(10 * circuit_breaker::pause_ms);
  BOOST_TEST(breaker.blocks(clock.monotonic_now()));
  ++successes;
  BOOST_TEST(!breaker.blocks(clock.monotonic_now()));
}

BOOST_AUTO_TEST_SUITE_END()
