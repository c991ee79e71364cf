#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "net/shared/http.hpp"
#include "net/shared/server_options.hpp"
#include "net/shared/server_statistics.hpp"

namespace watchkeeper::net {

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
  [[nodiscard]] response_port& responses() noexcept;
  /// The ports really bound (for port 0). 0: not listening.
  [[nodiscard]] std::uint16_t tls_port() const noexcept;
  [[nodiscard]] std::uint16_t h2c_port() const noexcept;
  [[nodiscard]] server_statistics statistics() const;

  /// Loads certificate, key and ticket keys anew for connections to come; on an error nothing
  /// changes, and it is the reason. Any thread.
  [[nodiscard]] result<ok_t, std::string> reload_tls(const tls_files& files);

  /// Has each I/O thread look at the deadlines of all its connections now, and waits until each
  /// has. They do so by themselves as time passes: this is for an owner whose `options.time` jumps.
  /// Between start() and stop(); any thread but I/O ones.
  void check_deadlines();

  /// Stops accepting, sends GOAWAY, lets requests in flight get their responses, closes. Returns
  /// true when every connection closed before the deadline; the others are then cut. Any thread but
  /// I/O ones.
  bool drain(std::chrono::milliseconds deadline);
  /// Ends the I/O threads; what is left of connections is cut. After it the sink is notified of
  /// nothing. Once, or more often; any thread but I/O ones.
  void stop() noexcept;

 private:
  struct implementation;
  std::unique_ptr<implementation> implementation_;
};

}  // namespace watchkeeper::net
