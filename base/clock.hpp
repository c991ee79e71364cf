#pragma once

#include <compare>
#include <cstdint>

namespace watchkeeper {

/// A moment of the clock that `Clock` stands for, in milliseconds. Moments of different clocks
/// neither convert into each other nor compare. An interval is the difference of two moments of one
/// clock: an integer whose name ends in `_ms`.
template <class Clock>
class moment_ms {
 public:
  constexpr moment_ms() noexcept = default;
  constexpr explicit moment_ms(std::int64_t value) noexcept : value_(value) {}
  [[nodiscard]] constexpr std::int64_t value() const noexcept { return value_; }

  constexpr moment_ms& operator+=(std::int64_t interval_ms) noexcept {
    value_ += interval_ms;
    return *this;
  }
  friend constexpr moment_ms operator+(moment_ms moment, std::int64_t interval_ms) noexcept {
    return moment += interval_ms;
  }
  friend constexpr moment_ms operator-(moment_ms moment, std::int64_t interval_ms) noexcept {
    return moment += -interval_ms;
  }
  friend constexpr std::int64_t operator-(moment_ms later, moment_ms earlier) noexcept {
    return later.value_ - earlier.value_;
  }
  friend constexpr auto operator<=>(moment_ms, moment_ms) noexcept = default;

 private:
  std::int64_t value_ = 0;
};

namespace clocks {
struct wall;
struct monotonic;
}  // namespace clocks

/// Wall time: since 1970-01-01T00:00:00Z. An administrator may set it back.
using wall_ms = moment_ms<clocks::wall>;
/// Monotonic time: since some moment before the program began. It only goes forward; timers use it.
using mono_ms = moment_ms<clocks::monotonic>;

/// Port to the clocks of the system. Thread: any.
class time_source {
 public:
  virtual ~time_source() = default;
  [[nodiscard]] virtual mono_ms monotonic_now() const noexcept = 0;
  [[nodiscard]] virtual wall_ms wall_now() const noexcept = 0;
};

/// The clocks of the system; lives as long as the program.
[[nodiscard]] const time_source& system_time_source() noexcept;

}  // namespace watchkeeper
