#pragma once

#include <chrono>

#include "base/units.hpp"

namespace watchkeeper::fleet {

/// What a device takes for the time of day. Any thread.
inline unix_ms wall_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace watchkeeper::fleet
