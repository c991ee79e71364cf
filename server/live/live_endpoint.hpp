#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "actors/live/feed.hpp"
#include "base/thread_safety.hpp"
#include "net/shared/http.hpp"

namespace watchkeeper::server {

/// GET /v1/live: gives each client a stream of the feed's events (text/event-stream, the HTML
/// standard, section 9.2). A client that does not read is cut off by the HTTP/2 layer, whose bound
/// is net::bounds::stream_output_bytes_max; nobody waits for it. Thread: any.
class live_endpoint {
 public:
  /// Both outlive it.
  live_endpoint(actors::live_feed& feed, net::response_port& responses)
      : feed_(feed), responses_(responses) {}

  /// The id of the login, if the request has the cookie of one.
  using login_id = std::optional<std::array<std::uint8_t, 16>>;
  /// Responds with a stream until `until_ms` (0: without end). The caller has authorized the
  /// request. False, and no response, if there are too many streams.
  [[nodiscard]] bool open(const net::http_request& request, const std::optional<module_id>& module,
                          wall_ms until_ms, const login_id& of = std::nullopt);
  /// Ends the stream that was opened by this request, if it is there.
  void end(const net::response_address& opened_by);
  /// Ends the streams that were opened with this login.
  void end_login(const std::array<std::uint8_t, 16>& ended);
  /// The client has gone.
  void on_gone(const net::response_address& from) noexcept;
  /// Ends all streams. Clients that come back are authorized again.
  void end_all() { feed_.end_all(); }

 private:
  using key = std::pair<std::uint64_t, std::int32_t>;
  static key key_of(const net::response_address& address) noexcept {
    return {address.connection, address.stream};
  }
  actors::live_feed& feed_;
  net::response_port& responses_;
  annotated_mutex mutex_;
  struct stream {
    std::uint64_t number = 0;  // the feed's
    login_id of;
  };
  std::map<key, stream> open_ GUARDED_BY(mutex_);
};

}  // namespace watchkeeper::server
