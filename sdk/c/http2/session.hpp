#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/c/http2/client_context.hpp"
#include "sdk/c/http2/exchange.hpp"

struct nghttp2_session;
struct nghttp2_session_callbacks;

namespace watchkeeper::sdk::http2 {

/// The field `retry-after` as seconds: one to nine digits. A date (RFC 9110 section 10.2.3) is
/// empty, as nonsense is: the clock of the device, with which it would be compared, may be wrong.
std::optional<std::int64_t> read_retry_after(std::string_view value) noexcept;

/// The HTTP/2 state of one connection, by nghttp2: takes the bytes that came, gives the bytes to
/// send, and owns the exchanges. Calls nothing back. One thread. Borrows the context.
class session {
 public:
  explicit session(const client_context& context) : context_(context) {}
  ~session();
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  /// For a new connection; the preface and SETTINGS are then output. False if memory is short.
  bool begin();
  /// Ends the state of the connection. Exchanges in flight finish with `lost`.
  void end() noexcept;
  [[nodiscard]] bool is_active() const noexcept { return state_ != nullptr; }

  /// False if the bytes are not HTTP/2; `error` says why.
  bool receive(std::span<const char> bytes);
  /// Appends output until `out` has `bytes_max`. False if nghttp2 failed.
  bool gather(std::string& out, std::size_t bytes_max);
  [[nodiscard]] bool wants_write() const noexcept;
  /// Neither side has anything to say any more.
  [[nodiscard]] bool is_over() const noexcept;

  /// Null if the session has taken the exchange; otherwise gives it back.
  std::unique_ptr<exchange> submit(std::unique_ptr<exchange> made, const request_fields& fields);
  /// Resets the stream: the exchange finishes with `cancelled` while output is gathered.
  void cancel(exchange& of) noexcept;
  /// Says goodbye (GOAWAY) with the next output.
  void terminate() noexcept;
  /// The next exchange that has finished; null if there is none.
  [[nodiscard]] std::unique_ptr<exchange> take_finished();

  [[nodiscard]] std::span<const std::unique_ptr<exchange>> in_flight() const noexcept {
    return in_flight_;
  }
  /// How many more requests the gateway accepts now.
  [[nodiscard]] std::size_t room() const noexcept;
  /// The SETTINGS of the gateway have come.
  [[nodiscard]] bool is_greeted() const noexcept { return greeted_; }
  /// The gateway has said goodbye (GOAWAY): it accepts no further request.
  [[nodiscard]] bool is_draining() const noexcept { return draining_; }
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

  /// Sets the functions that nghttp2 calls.
  static void install(nghttp2_session_callbacks* callbacks);

 private:
  friend struct session_events;
  void finish(exchange& of, exchange_error error) noexcept;

  const client_context& context_;
  nghttp2_session* state_ = nullptr;
  bool greeted_ = false;
  bool draining_ = false;
  std::vector<std::unique_ptr<exchange>> in_flight_;
  std::vector<std::unique_ptr<exchange>> finished_;
  std::string error_;
};

}  // namespace watchkeeper::sdk::http2
