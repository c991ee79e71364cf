#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "domain/engagement_token.hpp"

namespace watchkeeper::fleet {

/// A signed heartbeat on its way.
struct heartbeat {
  std::string token;
  token_claims claims;                          // of the token, but for the offer of a session key
  bool session_key = false;                     // signed by the session's key
  unsigned attempts = 0;                        // times it was sent
  std::chrono::steady_clock::time_point due{};  // from when its latency counts; zero: not set yet
};

}  // namespace watchkeeper::fleet
