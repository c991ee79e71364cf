#pragma once

#include <compare>
#include <cstdint>

/// Units of time and place. A name ends with its unit; these types say what a number counts.
namespace watchkeeper {

/// A position in, or a length of, a module's media time, in milliseconds.
using media_ms = std::int32_t;

/// Credit of the bucket, in microseconds of real time.
using credit_us = std::int64_t;

/// A moment of the clock that `Clock` stands for, counted in `Unit`. Moments of different clocks or
/// units neither convert into each other nor compare. An interval is the difference of two moments
/// of one clock: an integer whose name ends in the unit, `_ms` or `_us`.
template <class Clock, class Unit>
class moment {
 public:
  constexpr moment() noexcept = default;
  constexpr explicit moment(std::int64_t value) noexcept : value_(value) {}
  [[nodiscard]] constexpr std::int64_t value() const noexcept { return value_; }

  constexpr moment& operator+=(std::int64_t interval) noexcept {
    value_ += interval;
    return *this;
  }
  constexpr moment& operator-=(std::int64_t interval) noexcept {
    value_ -= interval;
    return *this;
  }
  friend constexpr moment operator+(moment begin, std::int64_t interval) noexcept {
    return begin += interval;
  }
  friend constexpr moment operator-(moment end, std::int64_t interval) noexcept {
    return end -= interval;
  }
  friend constexpr std::int64_t operator-(moment later, moment earlier) noexcept {
    return later.value_ - earlier.value_;
  }
  friend constexpr auto operator<=>(moment, moment) noexcept = default;

 private:
  std::int64_t value_ = 0;
};

namespace clocks {
struct wall;
struct monotonic;
struct milliseconds;
struct microseconds;
}  // namespace clocks

/// Wall time in milliseconds since 1970-01-01T00:00:00Z. An administrator may set it back.
using wall_ms = moment<clocks::wall, clocks::milliseconds>;
/// Stands for a moment that has not come, where a member says so.
inline constexpr wall_ms never{};
/// Seconds since 1970; the milliseconds are cut off.
[[nodiscard]] constexpr std::int64_t to_unix_s(wall_ms when) noexcept {
  return when.value() / 1000;
}
[[nodiscard]] constexpr wall_ms from_unix_s(std::int64_t unix_s) noexcept {
  return wall_ms(unix_s * 1000);
}
/// Monotonic time in milliseconds since some moment before the program began. It only goes forward;
/// timers use it.
using mono_ms = moment<clocks::monotonic, clocks::milliseconds>;
/// The same clock in microseconds, for latencies and for waits below a millisecond.
using mono_us = moment<clocks::monotonic, clocks::microseconds>;

[[nodiscard]] constexpr mono_ms to_ms(mono_us when) noexcept {
  return mono_ms(when.value() / 1000);
}

}  // namespace watchkeeper
