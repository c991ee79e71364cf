#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sdk/c/http2/address.hpp"
#include "sdk/c/http2/tls.hpp"

namespace watchkeeper::sdk::http2 {

/// Bytes on the socket, TLS and its handshake included.
struct byte_count {
  std::uint64_t up = 0;
  std::uint64_t down = 0;
};

enum class io_status : std::uint8_t {
  done,
  again,   // nothing more for now: wait until the socket is ready
  closed,  // by the other side
  failed,  // see `error`
};

/// A non-blocking socket, with TLS or without. One thread. Borrows the TLS context.
class channel {
 public:
  channel() = default;
  ~channel() { close(false); }
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;

  /// Begins to connect; `again` while that goes on.
  io_status connect(const socket_address& to);
  /// After `connect`, when the socket is ready.
  io_status finish_connect();
  /// Begins TLS on the connected socket. False if memory is short.
  bool begin_tls(const tls_context& context, const std::string& host);
  /// `done`: the server has chosen HTTP/2. `closed`: it has chosen something else.
  io_status shake_hands();

  /// Reads into `buffer`; `bytes` is then their number.
  io_status read(std::span<char> buffer, std::size_t& bytes);
  io_status write(std::string_view data, std::size_t& bytes);
  /// TLS has decrypted bytes that the next `read` gives: the socket does not become ready for them.
  [[nodiscard]] bool has_buffered() const noexcept;

  /// `politely`: with the close_notify of TLS. No effect on a closed channel.
  void close(bool politely) noexcept;

  /// -1 if closed.
  [[nodiscard]] int descriptor() const noexcept { return socket_; }
  [[nodiscard]] bool has_tls() const noexcept { return ssl_ != nullptr; }
  /// The last `again` waits until the socket is writable.
  [[nodiscard]] bool wants_write() const noexcept { return wants_write_; }
  /// Of this channel since its construction, over all sockets.
  [[nodiscard]] byte_count bytes() const noexcept;
  /// Why the last function failed; empty if it did not say.
  [[nodiscard]] const std::string& error() const noexcept { return error_; }
  /// The handshake failed because the certificate is not trusted.
  [[nodiscard]] bool is_certificate_error() const noexcept { return is_certificate_error_; }

 private:
  io_status tls_status(int result, bool reading);
  io_status socket_status(bool reading);
  [[nodiscard]] byte_count bytes_of_socket() const noexcept;

  int socket_ = -1;
  ssl_ptr ssl_;
  bool wants_write_ = false;
  bool is_certificate_error_ = false;
  byte_count earlier_;  // of sockets closed since
  byte_count plain_;    // of this socket without TLS
  std::string error_;
};

}  // namespace watchkeeper::sdk::http2
