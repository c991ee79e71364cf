#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "base/rate_limiter.hpp"
#include "net/tls/tls_files.hpp"

namespace watchkeeper::net {

/// What the operator may set. The limits that are fixed stand in net/shared/bounds.hpp.
struct server_options {
  std::string tls_listen;  // "127.0.0.1:8443", "[::1]:8443", "0.0.0.0:8443"; empty: none
  std::string h2c_listen;  // cleartext HTTP/2 with prior knowledge; empty: none
  tls_files tls;
  unsigned io_threads = 1;
  std::size_t connections_max = 65'536;
  std::size_t connections_per_address_max = 65'536;
  /// Connections that were punished; an address beyond that gets no new ones for a while.
  rate_limit address_punished{.interval_us = 1'000'000, .burst = 20};
  std::uint32_t concurrent_streams_max = 128;
  std::int64_t handshake_timeout_ms = 10'000;
  std::int64_t header_timeout_ms = 10'000;  // from a request's first byte to the end of its headers
  std::int64_t body_timeout_ms = 30'000;    // of a whole body
  std::int64_t write_timeout_ms = 30'000;   // without any progress of pending output
  std::int64_t idle_timeout_ms = 300'000;   // without a stream
  /// Borrowed; outlives the server. Null: the clocks of the system.
  const time_source* time = nullptr;
};

}  // namespace watchkeeper::net
