#pragma once

#include <array>
#include <cstdint>

#include "base/units.hpp"

namespace watchkeeper::net {

/// UTC in the proleptic Gregorian calendar.
struct calendar_time {
  std::int64_t year;
  int month, day;  // from 1
  int weekday;     // 0: Sunday
  int hour, minute, second, millisecond;
};
/// For years 0 to 9999; times outside are clamped to them.
calendar_time calendar_time_of(unix_ms time_ms) noexcept;

/// IMF-fixdate of RFC 9110 section 5.6.7, always 29 characters: "Sun, 06 Nov 1994 08:49:37 GMT".
using http_date = std::array<char, 29>;
http_date http_date_of(unix_ms time_ms) noexcept;

}  // namespace watchkeeper::net
