#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "domain/coverage.hpp"
#include "domain/ids.hpp"

namespace watchkeeper::fleet {

/// A signed heartbeat on its way.
struct heartbeat {
  std::string token;
  session_id session;
  module_id module;
  std::uint32_t sequence = 0;
  media_interval interval;
  unsigned attempts = 0;                        // times it was sent
  std::chrono::steady_clock::time_point due{};  // from when its latency counts; zero: not set yet
};

}  // namespace watchkeeper::fleet
