#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/backoff.hpp"
#include "tools/fleet/http2_client.hpp"

namespace watchkeeper::fleet {

/// A connection on the event loop. `open` it once: after each loss it opens itself again, with a
/// backoff, until `close`. What is requested in one turn of the loop is written at its end, in as
/// few TLS records as it fits.
class http2_connection final : public io_handler {
 public:
  /// `index` is the owner's, to tell connections apart. `observer` (may be null) outlives this.
  http2_connection(http2_client& client, std::size_t index, connection_observer* observer);
  ~http2_connection() override;
  http2_connection(const http2_connection&) = delete;
  http2_connection& operator=(const http2_connection&) = delete;

  void open();
  /// Says goodbye and closes. Requests in flight end without a call of their handlers. Not from
  /// within a handler of this connection.
  void close() noexcept;

  [[nodiscard]] std::size_t index() const noexcept { return index_; }
  [[nodiscard]] bool is_open() const noexcept {
    return state_ == state::open && !connection_.is_draining();
  }
  [[nodiscard]] std::size_t in_flight() const noexcept { return connection_.in_flight().size(); }
  /// How many more requests may be made now.
  [[nodiscard]] std::size_t room() const noexcept { return is_open() ? connection_.room() : 0; }
  /// False, without a call of the handler, if the connection is not open or has no room.
  [[nodiscard]] bool request(http2_request&& what, response_handler done);
  /// Since construction, over all reconnects.
  [[nodiscard]] byte_count bytes() const noexcept { return connection_.bytes(); }

  void on_io(std::uint32_t events) override;
  void on_turn_end() override;

 private:
  friend class http2_client;
  enum class state : std::uint8_t {
    closed,
    queued,   // until the client has a place for a handshake
    opening,  // until the SETTINGS of the server have come
    open,
    backing_off
  };

  void start_connecting();  // by the client, when a place is free
  void update_state(bool good);
  void lose(std::string reason);
  void ask_for_flush();
  void watch_writes();
  void deliver_finished();
  void expire(event_loop::time_point now);
  [[nodiscard]] std::string failure_of_connection() const;

  http2_client& client_;
  connection_observer* observer_;
  std::size_t index_;
  sdk::http2::connection connection_;
  state state_ = state::closed;
  bool flush_asked_ = false;
  bool watches_writes_ = false;
  backoff reconnect_;
  event_loop::time_point deadline_;                             // of opening
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // timers outlive the connection
};

}  // namespace watchkeeper::fleet
