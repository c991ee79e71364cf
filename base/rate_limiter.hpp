#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.hpp"

namespace watchkeeper {

/// A rate and a burst, as the generic cell rate algorithm wants them.
struct rate_limit {
  std::int64_t interval_us;  // between two events at the sustained rate: 4/s -> 250'000
  std::int64_t burst;        // events that may come at once
};

/// One counter of the generic cell rate algorithm: 8 bytes, lock-free. Any thread.
class rate_limiter {
 public:
  /// Whether one more event would be within the limit; changes nothing.
  [[nodiscard]] bool admits(mono_ms now, const rate_limit& limit) const noexcept;
  /// Counts one event, whether admitted or not. The debt is bounded by twice the burst: events that
  /// were admitted together, before the first of them was charged, are paid for afterwards.
  void charge(mono_ms now, const rate_limit& limit) noexcept;
  /// Milliseconds until `admits` will say yes; 0 when it does now.
  [[nodiscard]] std::int64_t retry_after_ms(mono_ms now, const rate_limit& limit) const noexcept;

 private:
  std::atomic<std::int64_t> theoretical_arrival_us_{0};
};

}  // namespace watchkeeper
