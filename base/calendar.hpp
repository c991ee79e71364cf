#pragma once

#include <cstdint>
#include <string>

#include "base/units.hpp"

namespace watchkeeper {

/// UTC in the proleptic Gregorian calendar.
struct calendar_time {
  std::int64_t year;
  int month, day;  // from 1
  int weekday;     // 0: Sunday
  int hour, minute, second, millisecond;
};
/// For years 0 to 9999; times outside are clamped to them.
calendar_time calendar_time_of(wall_ms time_ms) noexcept;

/// RFC 3339 with milliseconds, UTC, always 24 characters: "2025-11-22T12:00:00.123Z".
std::string rfc3339(wall_ms time_ms);

}  // namespace watchkeeper
