#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace watchkeeper::net {

/// The bytes of one connection: TLS straight on the descriptor, or cleartext. Never blocks, never
/// raises SIGPIPE in cleartext (the I/O threads block the signal for TLS). Thread: io_thread.
/// Borrows the descriptor; owns the TLS state.
class transport {
 public:
  enum class status : std::uint8_t {
    done,
    wants_read,   // when the descriptor is readable, try again
    wants_write,  // when it is writable, try again
    closed,       // by the peer
    failed,
  };
  struct outcome {
    status what = status::done;
    std::size_t bytes = 0;  // of `done`
  };

  /// TLS, server side; `context` null: cleartext. Throws std::bad_alloc.
  transport(int descriptor, SSL_CTX* context);
  ~transport();
  transport(const transport&) = delete;
  transport& operator=(const transport&) = delete;

  [[nodiscard]] bool is_tls() const noexcept { return ssl_ != nullptr; }
  [[nodiscard]] status handshake() noexcept;
  [[nodiscard]] bool resumed() const noexcept;
  [[nodiscard]] outcome read(std::span<std::uint8_t> into) noexcept;
  /// May write less than all. After `wants_…` the same bytes must be offered again, at the front.
  [[nodiscard]] outcome write(std::span<const std::uint8_t> from) noexcept;
  /// Bytes were taken off the socket that `read` has not given yet: the reactor will not report
  /// them.
  [[nodiscard]] bool has_pending() const noexcept;
  /// Tells the peer that nothing follows (close_notify, then FIN). Does not wait.
  void finish() noexcept;

  /// Bytes on the socket since the last call.
  struct traffic {
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
  };
  [[nodiscard]] traffic take_traffic() noexcept;

 private:
  [[nodiscard]] status translate(int result) noexcept;

  SSL* ssl_ = nullptr;
  int descriptor_;
  bool broken_ = false;  // after a fatal TLS error SSL_shutdown must not be called
  traffic total_;        // cleartext: so far; TLS: what take_traffic has given
  traffic given_;
};

}  // namespace watchkeeper::net
