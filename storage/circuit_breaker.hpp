#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "base/clock.hpp"

namespace watchkeeper::storage {

/// Counts the successful calls of a store that a caller with time to wait has made.
using success_counter = std::function<std::uint64_t()>;

/// Stops calls to a store that hung, so that not every caller waits for its time limit. After a
/// call that failed late, the store is not called for `pause_ms`, and not before a caller with time
/// to wait has succeeded. A call that fails at once costs nothing and does not open the breaker.
/// Thread: one.
class circuit_breaker {
 public:
  static constexpr std::int64_t late_ms = 300;
  static constexpr std::int64_t pause_ms = 3'000;

  circuit_breaker() = default;
  /// `successes` may be empty: then only the pause counts.
  explicit circuit_breaker(success_counter successes) : successes_(std::move(successes)) {}

  [[nodiscard]] bool blocks(mono_ms now) const {
    if (!paused_until_) return false;
    if (now < *paused_until_) return true;
    return successes_ && successes_() == successes_at_failure_;
  }
  /// Reports a failed call.
  void failed(mono_ms began, mono_ms ended) {
    if (ended - began < late_ms) return;
    paused_until_ = ended + pause_ms;
    if (successes_) successes_at_failure_ = successes_();
  }

 private:
  success_counter successes_;
  std::uint64_t successes_at_failure_ = 0;
  std::optional<mono_ms> paused_until_;  // empty: no call has hung
};

}  // namespace watchkeeper::storage
