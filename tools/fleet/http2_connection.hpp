#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tools/fleet/http2_client.hpp"

struct nghttp2_session;

namespace watchkeeper::fleet {

struct client_stream;

/// Bytes on the socket, TLS and handshake included.
struct byte_count {
  std::uint64_t up = 0;
  std::uint64_t down = 0;
};

/// One connection. `open` it once: from then on it reopens itself after each loss, with full jitter
/// and a doubling delay, until `close`. Memory while idle: an nghttp2 session and an SSL without
/// buffers. What is requested in one turn of the loop is written at its end, in as few TLS records
/// as it fits.
class http2_connection final : public io_handler {
 public:
  /// `index` is the owner's, to tell connections apart. `observer` (may be null) outlives this.
  http2_connection(http2_client& client, std::size_t index, connection_observer* observer);
  ~http2_connection() override;
  http2_connection(const http2_connection&) = delete;
  http2_connection& operator=(const http2_connection&) = delete;

  void open();
  /// GOAWAY, close_notify, close; requests in flight end with connection_lost, without a call of
  /// their handlers. Not from within a handler of this connection.
  void close() noexcept;

  [[nodiscard]] std::size_t index() const noexcept { return index_; }
  [[nodiscard]] bool is_open() const noexcept { return state_ == state::open && !draining_; }
  [[nodiscard]] std::size_t in_flight() const noexcept { return streams_.size(); }
  /// How many more requests may be made now.
  [[nodiscard]] std::size_t room() const noexcept;
  /// False, without a call of the handler, when not open or without room.
  [[nodiscard]] bool request(http2_request&& what, response_handler done);
  /// Since construction, over all reconnects.
  [[nodiscard]] byte_count bytes() const noexcept;

  void on_io(std::uint32_t events) override;
  void on_turn_end() override;

 private:
  friend class http2_client;
  friend struct session_events;
  enum class state : std::uint8_t {
    closed,
    queued,
    connecting,
    handshaking,
    greeting,
    open,
    backing_off
  };
  enum class io_status : std::uint8_t { done, again, failed };

  void start_connecting();  // by the client, when a place is free
  void connected();
  void shake_hands();
  void start_session();
  void tell_opened();
  void fail(std::string reason);
  void tear_down() noexcept;
  void read_all();
  void flush();
  io_status write_pending();
  bool gather_output();
  void ask_for_flush();
  void finish_streams();
  void expire(event_loop::time_point now);
  [[nodiscard]] byte_count bytes_of_this_socket() const noexcept;

  http2_client& client_;
  connection_observer* observer_;
  std::size_t index_;
  state state_ = state::closed;
  bool draining_ = false;    // GOAWAY was received
  bool opened_now_ = false;  // the observer is still to be told
  bool flush_asked_ = false;
  bool wants_write_ = false;
  bool registered_ = false;
  int descriptor_ = -1;
  unsigned attempts_ = 0;
  std::unique_ptr<SSL, ssl_deleter> ssl_;
  nghttp2_session* session_ = nullptr;
  std::string output_;  // taken from the session, not yet taken by the socket
  std::size_t output_sent_ = 0;
  std::vector<std::unique_ptr<client_stream>> streams_;
  std::vector<std::unique_ptr<client_stream>> finished_;  // their handlers are still to be called
  event_loop::time_point deadline_;                       // of connecting and greeting
  byte_count earlier_;                                    // of sockets closed since
  byte_count plain_;                                      // of this socket without TLS
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // timers outlive the connection
};

}  // namespace watchkeeper::fleet
