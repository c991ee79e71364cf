#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.hpp"

namespace watchkeeper::net::test {

/// Time that stands still until a test moves it; wall time and monotonic time move together.
/// Thread: any.
class manual_clock final : public time_source {
 public:
  static constexpr mono_ms monotonic_start{1'000'000};
  static constexpr wall_ms wall_start{1'800'000'000'000};

  mono_ms monotonic_now() const noexcept override { return monotonic_start + elapsed_ms_.load(); }
  wall_ms wall_now() const noexcept override { return wall_start + elapsed_ms_.load(); }
  void advance(std::int64_t interval_ms) noexcept { elapsed_ms_ += interval_ms; }

 private:
  std::atomic<std::int64_t> elapsed_ms_{0};
};

}  // namespace watchkeeper::net::test
