#pragma once

#include <cstdint>

namespace watchkeeper::net {

/// Sums over the I/O threads. Any thread may read.
struct server_statistics {
  std::uint64_t connections_open = 0;
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;   // over a limit, or of an address that was punished
  std::uint64_t connections_punished = 0;  // closed for what they did
  std::uint64_t handshakes_failed = 0;
  std::uint64_t handshakes_full = 0;
  std::uint64_t handshakes_resumed = 0;
  std::uint64_t streams_open = 0;
  std::uint64_t requests = 0;
  std::uint64_t responses_dropped = 0;  // the stream had gone
  std::uint64_t bytes_received = 0;     // on the socket, TLS included
  std::uint64_t bytes_sent = 0;
};

}  // namespace watchkeeper::net
