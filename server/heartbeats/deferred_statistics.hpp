#pragma once

#include <cstdint>

namespace watchkeeper::server {

/// Heartbeats of requests with several tokens, which have a limit of their own.
struct kept_heartbeats_statistics {
  std::uint64_t waiting = 0;    // now
  std::uint64_t sent_away = 0;  // since the start: answered `overloaded`, none of them taken
};

}  // namespace watchkeeper::server
