#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.hpp"

namespace watchkeeper::test {

/// Time that stands still until a test moves it. Wall time and monotonic time advance together; a
/// test may also set the wall clock, as an administrator does. Thread: any.
class manual_clock final : public time_source {
 public:
  static constexpr mono_ms monotonic_start{1'000'000};
  static constexpr wall_ms wall_start{1'800'000'000'000};

  explicit manual_clock(wall_ms start = wall_start) noexcept : start_(start) {}

  mono_us monotonic_now_us() const noexcept override {
    return mono_us(monotonic_start.value() * 1000 + elapsed_us_.load());
  }
  wall_ms wall_now() const noexcept override {
    return start_ + (elapsed_us_.load() / 1000 + wall_step_ms_.load());
  }

  void advance(std::int64_t interval_ms) noexcept { advance_us(interval_ms * 1000); }
  void advance_us(std::int64_t interval_us) noexcept { elapsed_us_ += interval_us; }
  /// Sets the wall clock forward, or back if `interval_ms` is negative.
  void step_wall(std::int64_t interval_ms) noexcept { wall_step_ms_ += interval_ms; }

 private:
  const wall_ms start_;
  std::atomic<std::int64_t> elapsed_us_{0};
  std::atomic<std::int64_t> wall_step_ms_{0};
};

}  // namespace watchkeeper::test
