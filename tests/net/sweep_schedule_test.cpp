#include "net/sweep_schedule.hpp"

#include <boost/test/unit_test.hpp>

using namespace watchkeeper::net;

BOOST_AUTO_TEST_SUITE(sweep_schedule_test)

BOOST_AUTO_TEST_CASE(every_connection_has_its_turn_within_a_round) {
  for (const std::int64_t round_ms : {10, 50, 75, 999, 1000})
    for (std::size_t places = 0; places < 30'000; places += 1 + places / 7) {
      const auto pace = sweep_schedule_of(round_ms, places);
      BOOST_TEST_CONTEXT("round " << round_ms << " ms, places " << places) {
        BOOST_TEST(pace.tick_ms >= 10);
        BOOST_TEST(pace.tick_ms <= round_ms);
        const auto ticks = static_cast<std::size_t>(round_ms / pace.tick_ms);
        BOOST_TEST(pace.share * ticks >= places);
        // And none has two.
        BOOST_TEST((pace.share == 0 || (pace.share - 1) * ticks < places));
      }
    }
}

BOOST_AUTO_TEST_CASE(few_at_a_time_as_long_as_ticks_are_not_too_close) {
  BOOST_TEST(sweep_schedule_of(1000, 0).tick_ms == 125);
  BOOST_TEST(sweep_schedule_of(1000, 8 * bounds::swept_at_once).tick_ms == 125);
  BOOST_TEST(sweep_schedule_of(1000, 8 * bounds::swept_at_once + 1).tick_ms == 111);
  for (std::size_t places = 1; places <= 100 * bounds::swept_at_once; places += 13)
    BOOST_REQUIRE_LE(sweep_schedule_of(1000, places).share, bounds::swept_at_once);
  BOOST_TEST(sweep_schedule_of(1000, 20'000).tick_ms == 10);
  BOOST_TEST(sweep_schedule_of(1000, 20'000).share == 200u);
}

BOOST_AUTO_TEST_SUITE_END()
