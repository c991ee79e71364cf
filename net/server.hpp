#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "domain/rate_limiter.hpp"
#include "net/http.hpp"
#include "net/ticket_keys.hpp"

namespace watchkeeper::net {

struct tls_files {
  std::string certificate_path;  // PEM, chain included
  std::string key_path;          // PEM
  /// Shared by the gateways of a deployment; empty: a key of this process alone.
  ticket_key_list ticket_keys = {};
};

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
};

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

/// The HTTP/2 server: listeners and I/O threads. Throws std::runtime_error (address in use, bad
/// certificate, …) from the constructor and `start` with a sentence that names the setting.
class server {
 public:
  server(server_options options, request_sink& sink);
  ~server();  // stops without drain if need be
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// Binds and starts the I/O threads.
  void start();
  [[nodiscard]] reply_port& replies() noexcept;
  /// The ports really bound (for port 0). 0: not listening.
  [[nodiscard]] std::uint16_t tls_port() const noexcept;
  [[nodiscard]] std::uint16_t h2c_port() const noexcept;
  [[nodiscard]] server_statistics statistics() const;

  /// Loads certificate, key and ticket keys anew for connections to come; on an error nothing
  /// changes and the reason comes back, else an empty string. Any thread.
  [[nodiscard]] std::string reload_tls(const tls_files& files);

  /// Stops accepting, sends GOAWAY, lets requests in flight be answered, closes. Returns true when
  /// every connection closed before the deadline; the others are then cut. Any thread but I/O ones.
  bool drain(std::chrono::milliseconds deadline);
  /// Ends the I/O threads; what is left of connections is cut. After it nothing is told the sink.
  /// Once, or more often; any thread but I/O ones.
  void stop() noexcept;

 private:
  struct implementation;
  std::unique_ptr<implementation> implementation_;
};

}  // namespace watchkeeper::net
