#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tools/fleet/http2_connection.hpp"

namespace watchkeeper::fleet {

/// A request in flight. Owned by its connection's `streams_`, at `slot`.
struct client_stream {
  std::int32_t id = 0;
  std::size_t slot = 0;
  std::size_t body_sent = 0;
  std::string body;
  http2_response response;
  response_handler done;
  event_loop::time_point deadline;
};

}  // namespace watchkeeper::fleet
