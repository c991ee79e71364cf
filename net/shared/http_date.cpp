#include "net/shared/http_date.hpp"

#include <cstring>

#include "base/calendar.hpp"

namespace watchkeeper::net {

http_date http_date_of(wall_ms time_ms) noexcept {
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
