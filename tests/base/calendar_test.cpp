#include "base/calendar.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>

using namespace watchkeeper;

BOOST_AUTO_TEST_SUITE(calendars)

BOOST_AUTO_TEST_CASE(rfc3339_has_milliseconds_in_utc) {
  BOOST_TEST(rfc3339(wall_ms{1763812345123}) == "2025-11-22T11:52:25.123Z");
  BOOST_TEST(rfc3339(wall_ms{0}) == "1970-01-01T00:00:00.000Z");
  BOOST_TEST(rfc3339(wall_ms{-1}) == "1969-12-31T23:59:59.999Z");
  BOOST_TEST(rfc3339(wall_ms{951782400000}) == "2000-02-29T00:00:00.000Z");
}

BOOST_AUTO_TEST_CASE(times_outside_of_four_digits_are_clamped) {
  BOOST_TEST(rfc3339(wall_ms{INT64_MIN}) == "0000-01-01T00:00:00.000Z");
  BOOST_TEST(rfc3339(wall_ms{INT64_MAX}) == "9999-12-31T23:59:59.999Z");
}

BOOST_AUTO_TEST_CASE(weekdays_begin_with_sunday) {
  BOOST_TEST(calendar_time_of(wall_ms{784111777000}).weekday == 0);
  BOOST_TEST(calendar_time_of(wall_ms{951782400000}).weekday == 2);
}

BOOST_AUTO_TEST_SUITE_END()
