#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "base/units.hpp"

namespace watchkeeper::storage {

/// How often a store has answered somebody who may wait for it.
using answer_count = std::function<std::uint64_t()>;

/// Remembers that a store hung, so that not everybody has to wait for its time limit: after a call
/// that failed late it is not asked for a while, nor before it has answered somebody who may wait.
/// One that refuses at once costs nothing, and is asked again. Thread: one.
class circuit_breaker {
 public:
  static constexpr std::int64_t late_ms = 300;
  static constexpr std::int64_t pause_ms = 3'000;

  circuit_breaker() = default;
  /// `answered`: nothing where nobody waits for the store.
  explicit circuit_breaker(answer_count answered) : answered_(std::move(answered)) {}

  [[nodiscard]] bool blocks(unix_ms now_ms) const {
    if (!hung_) return false;
    // A clock that was set back must not stretch the pause.
    if (now_ms < until_ms_ && until_ms_ - now_ms <= pause_ms) return true;
    return answered_ && answered_() == answers_before_;
  }
  /// A call failed that took from the one time to the other.
  void failed(unix_ms began_ms, unix_ms ended_ms) {
    if (ended_ms - began_ms < late_ms) return;
    hung_ = true;
    until_ms_ = ended_ms + pause_ms;
    if (answered_) answers_before_ = answered_();
  }

 private:
  answer_count answered_;
  std::uint64_t answers_before_ = 0;
  unix_ms until_ms_ = 0;
  bool hung_ = false;
};

}  // namespace watchkeeper::storage
