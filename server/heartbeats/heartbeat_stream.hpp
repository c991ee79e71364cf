#pragma once

#include <array>
#include <bitset>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "actors/shared/heartbeat.hpp"
#include "base/thread_safety.hpp"
#include "net/shared/http.hpp"
#include "server/heartbeats/heartbeat_limits.hpp"

namespace watchkeeper::server {

/// Hands heartbeats to the actors. Takes them out of the span; any thread; never blocks.
using submit_function = std::function<void(std::span<actors::heartbeat_request>)>;

/// One POST /v1/heartbeats/stream: cuts the body into tokens, and writes a result line for each, in
/// order. At most heartbeat_limits::stream_tokens_in_flight_max tokens are in flight; what follows
/// waits in the stream's flow-control window, because bytes are only released when their result is
/// written. Thread: any; one lock. Its tokens in flight own it.
class heartbeat_stream final : public actors::heartbeat_listener,
                               public std::enable_shared_from_this<heartbeat_stream> {
 public:
  /// `submit` is the endpoint's, which outlives every stream.
  heartbeat_stream(const submit_function& submit, net::response_port& responses,
                   const net::response_address& to, const std::array<std::uint8_t, 16>& peer)
      : submit_(submit), responses_(responses), to_(to), peer_(peer) {}

  void on_data(std::string_view bytes, bool last);
  void on_gone();
  /// Takes no more tokens, and ends the response when those in flight have their results.
  void finish();
  void on_result(std::size_t slot, const actors::heartbeat_result& result) noexcept override;

 private:
  static constexpr std::size_t slots = heartbeat_limits::stream_tokens_in_flight_max;

  struct line {
    std::string text;       // a finished result, or empty while the token is in flight
    std::size_t bytes = 0;  // of the body, which are released with it
  };

  struct cut {
    std::string token;
    std::size_t bytes = 0;  // with its line end
  };

  /// `lock` holds mutex_; it is released while tokens are handed over.
  void take_lines(mutex_lock& lock) REQUIRES(mutex_);
  std::optional<cut> cut_line() REQUIRES(mutex_);
  void drop_overlong() REQUIRES(mutex_);
  void write_finished() REQUIRES(mutex_);

  const submit_function& submit_;
  net::response_port& responses_;
  const net::response_address to_;
  const std::array<std::uint8_t, 16> peer_;

  annotated_mutex mutex_;
  std::string unread_ GUARDED_BY(mutex_);             // bounded by the stream's window
  std::size_t read_ GUARDED_BY(mutex_) = 0;           // how much of it was cut into lines
  bool taking_ GUARDED_BY(mutex_) = false;            // a thread is in take_lines
  std::size_t skipped_bytes_ GUARDED_BY(mutex_) = 0;  // of a line that is too long, dropped already
  std::array<line, slots> lines_ GUARDED_BY(mutex_);
  std::size_t first_ GUARDED_BY(mutex_) = 0;  // slot of the oldest line in flight
  std::size_t in_flight_ GUARDED_BY(mutex_) = 0;
  bool body_ended_ GUARDED_BY(mutex_) = false;
  bool response_ended_ GUARDED_BY(mutex_) = false;
  bool gone_ GUARDED_BY(mutex_) = false;
};

}  // namespace watchkeeper::server
