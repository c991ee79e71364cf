#pragma once

#include <chrono>

#include "base/units.hpp"

/// The clocks of the process: read here and nowhere below.
namespace watchkeeper::server {

inline unix_ms wall_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}
inline std::uint64_t monotonic_clock_us() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

}  // namespace watchkeeper::server
