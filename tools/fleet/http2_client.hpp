#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "sdk/c/http2/client_context.hpp"
#include "sdk/c/http2/connection.hpp"
#include "tools/fleet/endpoint.hpp"
#include "tools/fleet/event_loop.hpp"
#include "tools/fleet/limits.hpp"

namespace watchkeeper::fleet {

class http2_connection;

using sdk::http2::byte_count;

/// Why a request has no response.
enum class transport_error : std::uint8_t {
  none,
  connection_lost,  // whether the server has handled the request is not known
  stream_refused,   // reset by the server, or above the last stream of its GOAWAY
  timed_out,
};
std::string_view describe(transport_error error) noexcept;

/// The views are read during `request` only.
struct http2_request {
  std::string_view method = "GET";
  std::string_view path = "/";
  std::string_view content_type;   // of the body
  std::string_view authorization;  // never put into the compression table (RFC 7541 section 7.1.3)
  std::string_view prefer;
  std::string body;
  std::chrono::milliseconds timeout{30'000};
};

struct http2_response {
  transport_error error = transport_error::none;
  int status = 0;  // 0 with an error
  std::optional<std::int64_t> retry_after_s;
  std::string body;  // at most fleet_limits::response_body_bytes_max
};

/// Called once a request, on the loop's thread, never from within `request`.
using response_handler = std::function<void(http2_response&&)>;

class connection_observer {
 public:
  virtual ~connection_observer() = default;
  virtual void on_open(http2_connection& connection) = 0;
  /// An open connection was lost, or one could not be opened. It opens itself again.
  virtual void on_lost(http2_connection& connection) = 0;
};

struct client_tls_options {
  std::string ca_file;    // PEM; empty: the system's certificate authorities
  bool insecure = false;  // accept any certificate
  bool resume = false;    // offer the newest resumption ticket on each later connection
};

struct client_options {
  endpoint server;
  client_tls_options tls;
  std::uint64_t seed = 1;  // of the jitter
  std::size_t handshakes_in_flight = fleet_limits::handshakes_in_flight_max;
};

/// What many connections to one server share: the context of HTTP/2 and TLS, a read buffer, the
/// queue of connections that are to be opened. One thread, that of the loop. Outlives its
/// connections; borrows the loop.
class http2_client {
 public:
  /// The error is a sentence.
  static result<std::unique_ptr<http2_client>, std::string> make(event_loop& loop,
                                                                 client_options options);
  ~http2_client();
  http2_client(const http2_client&) = delete;
  http2_client& operator=(const http2_client&) = delete;

  [[nodiscard]] event_loop& loop() noexcept { return loop_; }
  [[nodiscard]] const endpoint& server() const noexcept { return options_.server; }
  /// A sentence on the newest connection that failed; empty when none has.
  [[nodiscard]] const std::string& last_failure() const noexcept { return last_failure_; }
  [[nodiscard]] std::size_t handshakes_in_flight() const noexcept { return handshakes_; }
  [[nodiscard]] std::uint64_t connections_lost() const noexcept { return lost_; }

 private:
  friend class http2_connection;
  http2_client(event_loop& loop, client_options options,
               std::unique_ptr<sdk::http2::client_context> context);

  void enqueue(http2_connection* connection);
  void handshake_over();  // a place has become free
  void start_queued();
  void sweep();  // deadlines, once in 250 ms
  void schedule_sweep();

  event_loop& loop_;
  client_options options_;
  std::unique_ptr<sdk::http2::client_context> context_;
  std::vector<char> read_buffer_;
  std::deque<http2_connection*> waiting_;
  std::vector<http2_connection*> connections_;
  std::size_t handshakes_ = 0;
  bool starting_ = false;
  std::uint64_t lost_ = 0;
  std::string last_failure_;
  std::mt19937_64 random_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // timers outlive the client
};

}  // namespace watchkeeper::fleet
