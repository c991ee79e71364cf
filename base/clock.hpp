#pragma once

#include <compare>
#include <cstdint>

namespace watchkeeper {

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
/// Monotonic time in milliseconds since some moment before the program began. It only goes forward;
/// timers use it.
using mono_ms = moment<clocks::monotonic, clocks::milliseconds>;
/// The same clock in microseconds, for latencies and for waits below a millisecond.
using mono_us = moment<clocks::monotonic, clocks::microseconds>;

[[nodiscard]] constexpr mono_ms to_ms(mono_us when) noexcept {
  return mono_ms(when.value() / 1000);
}

/// Port to the clocks of the system. Thread: any. One of the tests may throw.
class time_source {
 public:
  virtual ~time_source() = default;
  [[nodiscard]] virtual mono_us monotonic_now_us() const = 0;
  [[nodiscard]] virtual wall_ms wall_now() const = 0;
  [[nodiscard]] mono_ms monotonic_now() const { return to_ms(monotonic_now_us()); }
};

/// The clocks of the system; lives as long as the program. Its calls do not throw.
[[nodiscard]] const time_source& system_time_source() noexcept;

}  // namespace watchkeeper
