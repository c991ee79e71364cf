#include "net/shared/calendar.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace watchkeeper::net {
namespace {

constexpr unix_ms first_ms = -62'167'219'200'000;  // 0000-01-01
constexpr unix_ms last_ms = 253'402'300'799'999;   // 9999-12-31T23:59:59.999Z

}  // namespace

calendar_time calendar_time_of(unix_ms time_ms) noexcept {
  namespace chrono = std::chrono;
  const chrono::sys_time<chrono::milliseconds> time{
      chrono::milliseconds{std::clamp(time_ms, first_ms, last_ms)}};
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

http_date http_date_of(unix_ms time_ms) noexcept {
  static constexpr char weekdays[] = "SunMonTueWedThuFriSat";
  static constexpr char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const auto t = calendar_time_of(time_ms);
  http_date out;
  std::memcpy(out.data(), "Sun, 00 Jan 0000 00:00:00 GMT", out.size());
  const auto two = [&](std::size_t at, std::int64_t value) {
    out[at] = static_cast<char>('0' + value / 10 % 10);
    out[at + 1] = static_cast<char>('0' + value % 10);
  };
  std::memcpy(out.data(), weekdays + 3 * t.weekday, 3);
  two(5, t.day);
  std::memcpy(out.data() + 8, months + 3 * (t.month - 1), 3);
  two(12, t.year / 100);
  two(14, t.year);
  two(17, t.hour);
  two(20, t.minute);
  two(23, t.second);
  return out;
}

}  // namespace watchkeeper::net
