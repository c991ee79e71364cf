#pragma once

#include <algorithm>
#include <cstdint>

#include "domain/units.hpp"

namespace watchkeeper {

/// Remembers that a store hung, so that not everybody has to wait for its time limit: after a call
/// that failed late it is not asked for a while. One that refuses at once costs nothing, and is
/// asked again. Thread: one.
class hang_guard {
 public:
  static constexpr std::int64_t late_ms = 300;
  static constexpr std::int64_t pause_ms = 3'000;

  [[nodiscard]] bool blocks(unix_ms now_ms) const noexcept {
    // A clock that was set back must not stretch the pause.
    return now_ms < until_ms_ && until_ms_ - now_ms <= pause_ms;
  }
  void failed(unix_ms began_ms, unix_ms ended_ms) noexcept {
    if (ended_ms - began_ms >= late_ms) until_ms_ = ended_ms + pause_ms;
  }

 private:
  unix_ms until_ms_ = 0;
};

}  // namespace watchkeeper
