#include "base/calendar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace watchkeeper {
namespace {

constexpr std::int64_t first_ms = -62'167'219'200'000;  // 0000-01-01
constexpr std::int64_t last_ms = 253'402'300'799'999;   // 9999-12-31T23:59:59.999Z

}  // namespace

calendar_time calendar_time_of(wall_ms time_ms) noexcept {
  namespace chrono = std::chrono;
  const chrono::sys_time<chrono::milliseconds> time{
      chrono::milliseconds{std::clamp(time_ms.value(), first_ms, last_ms)}};
  const auto day = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date{day};
  const chrono::hh_mm_ss<chrono::milliseconds> clock{time - day};
  return {static_cast<int>(date.year()),
          static_cast<int>(static_cast<unsigned>(date.month())),
          static_cast<int>(static_cast<unsigned>(date.day())),
          static_cast<int>(chrono::weekday{day}.c_encoding()),
          static_cast<int>(clock.hours().count()),
          static_cast<int>(clock.minutes().count()),
          static_cast<int>(clock.seconds().count()),
          static_cast<int>(clock.subseconds().count())};
}

std::string rfc3339(wall_ms time_ms) {
  const auto t = calendar_time_of(time_ms);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", t.year, t.month, t.day, t.hour,
                     t.minute, t.second, t.millisecond);
}

}  // namespace watchkeeper
