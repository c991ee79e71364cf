#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "base/units.hpp"

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

  [[nodiscard]] bool blocks(unix_ms now_ms) const {
    if (!hung_) return false;
    // A clock that was set back must not stretch the pause.
    if (now_ms < until_ms_ && until_ms_ - now_ms <= pause_ms) return true;
    return successes_ && successes_() == successes_at_failure_;
  }
  /// Reports a failed call.
  void failed(unix_ms began_ms, unix_ms ended_ms) {
    if (ended_ms - began_ms < late_ms) return;
    hung_ = true;
    until_ms_ = ended_ms + pause_ms;
    if (successes_) successes_at_failure_ = successes_();
  }

 private:
  success_counter successes_;
  std::uint64_t successes_at_failure_ = 0;
  unix_ms until_ms_ = 0;
  bool hung_ = false;
};

}  // namespace watchkeeper::storage
