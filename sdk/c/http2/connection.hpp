#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "sdk/c/http2/channel.hpp"
#include "sdk/c/http2/session.hpp"

namespace watchkeeper::sdk::http2 {

/// One client connection: TCP, TLS, HTTP/2. It never blocks and calls nothing back: its owner calls
/// `advance` when the descriptor is ready, `flush` after requests, and `take_finished` after both.
/// After a failure it is closed, `failure` says why, and `connect` begins anew. Timeouts, retries
/// and the look-up of names are the owner's.
///
/// Memory: while idle an nghttp2 session and an SSL without buffers; while closed nearly none.
/// One thread. Borrows the context.
class connection {
 public:
  enum class state : std::uint8_t {
    closed,
    connecting,
    handshaking,
    greeting,  // requests may be submitted; the SETTINGS of the gateway have not come
    open,
  };

  explicit connection(const client_context& context) : context_(context), session_(context) {}
  ~connection() { close(false); }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  /// Precondition: closed. False after a failure.
  bool connect(const socket_address& to);
  /// Does what the socket allows: connects, shakes hands, reads. `buffer` is for the bytes of the
  /// call only; its size bounds a read. False after a failure.
  bool advance(std::span<char> buffer);
  /// Writes what the session has to send. False after a failure.
  bool flush();
  /// There is output for `flush`.
  [[nodiscard]] bool wants_flush() const noexcept {
    return session_.wants_write() || !output_.empty();
  }

  /// Null if the connection has taken the exchange, which `flush` then sends; otherwise gives it
  /// back: not open, draining, without room, or out of stream ids.
  std::unique_ptr<exchange> submit(std::unique_ptr<exchange> made, const request_fields& fields);
  /// Of one in flight. `flush` then sends the reset, and the exchange finishes with `cancelled`.
  void cancel(exchange& of) noexcept { session_.cancel(of); }
  /// The next exchange that has finished; null if there is none.
  [[nodiscard]] std::unique_ptr<exchange> take_finished() { return session_.take_finished(); }

  /// `politely`: says goodbye first, if the socket takes it at once. Exchanges in flight finish
  /// with `lost`.
  void close(bool politely) noexcept;

  [[nodiscard]] state current() const noexcept { return state_; }
  [[nodiscard]] bool is_draining() const noexcept { return session_.is_draining(); }
  [[nodiscard]] std::span<const std::unique_ptr<exchange>> in_flight() const noexcept {
    return session_.in_flight();
  }
  [[nodiscard]] std::size_t room() const noexcept { return session_.room(); }
  /// -1 if closed. Always wait until it is readable, and if `wants_write` until it is writable.
  [[nodiscard]] int descriptor() const noexcept { return channel_.descriptor(); }
  [[nodiscard]] bool wants_write() const noexcept { return channel_.wants_write(); }
  [[nodiscard]] byte_count bytes() const noexcept { return channel_.bytes(); }
  /// A sentence on the last failure.
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
  /// The last failure is a certificate that is not trusted.
  [[nodiscard]] bool is_certificate_error() const noexcept {
    return channel_.is_certificate_error();
  }

 private:
  bool finish_connect();
  bool shake_hands();
  bool greet();
  bool read(std::span<char> buffer);
  io_status write_output();
  bool fail(std::string why);

  const client_context& context_;
  channel channel_;
  session session_;
  state state_ = state::closed;
  std::string output_;  // of the session, from `output_sent_` on not yet taken by the socket
  std::size_t output_sent_ = 0;
  std::string failure_;
};

}  // namespace watchkeeper::sdk::http2
