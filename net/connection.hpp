#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "net/http2/connection_state.hpp"
#include "net/tls/transport.hpp"

namespace watchkeeper::net {

class io_thread;

/// One client: its descriptor, TLS, HTTP/2, and the deadlines outside HTTP/2 (handshake, output,
/// lingering). Owned by its io_thread, which calls every member, and never from inside another
/// member. No fixed buffers: it reads into the thread's and keeps bytes of its own only while the
/// socket takes none.
class connection {
 public:
  using reactor_descriptor =
      boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

  /// `context` null: cleartext. Throws std::bad_alloc.
  connection(io_thread& owner, std::uint64_t id, reactor_descriptor&& descriptor,
             const peer_address& peer, SSL_CTX* context);
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  void start();
  void on_ready(bool to_write);
  void apply(response_event&& message);
  /// Sends what there is to send; ends the connection when nothing else will come.
  void flush();
  void sweep();
  void drain();
  /// Ends it at once. It is destroyed by the owner a little later.
  void cut() noexcept;

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] const peer_address& peer() const noexcept { return peer_; }
  bool queued = false;  // in the owner's list of connections to flush

 private:
  enum class state : std::uint8_t { handshake, open, lingering, dead };

  void shake_hands();
  void open_http2();
  void read_some();
  void linger() noexcept;
  void drop_input();
  /// Writes, and keeps what the socket does not take. False: blocked or dead.
  bool write(std::span<const std::uint8_t> bytes);
  bool keep_unsent(std::span<const std::uint8_t> rest, transport::status why);
  bool write_unsent();
  void count_traffic() noexcept;
  void wait(bool to_write);

  io_thread& owner_;
  std::uint64_t id_;
  peer_address peer_;
  reactor_descriptor descriptor_;
  transport transport_;
  std::optional<http2_connection_state> http2_;
  std::string unsent_;  // output that the socket did not take
  std::size_t unsent_offset_ = 0;
  mono_ms state_since_;
  mono_ms output_moved_at_;        // when output last moved
  std::size_t dropped_bytes_ = 0;  // what came while lingering
  state state_ = state::handshake;
  bool waits_to_read_ = false;
  bool waits_to_write_ = false;
  bool blocked_ = false;  // unsent_ is not empty
  bool ends_when_sent_ = false;
};

}  // namespace watchkeeper::net
