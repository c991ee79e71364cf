#pragma once

#include <cstdint>

namespace watchkeeper::server {

/// Heartbeats of requests with several tokens, which have a limit of their own.
struct deferred_statistics {
  std::uint64_t deferred = 0;  // now
  std::uint64_t shed = 0;      // since the start
};

}  // namespace watchkeeper::server
