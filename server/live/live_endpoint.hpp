#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "actors/live/feed.hpp"
#include "net/shared/http.hpp"

namespace watchkeeper::server {

/// GET /v1/live: gives each client a stream of the feed's events (text/event-stream, the HTML
/// standard, section 9.2). A client that does not read is cut off by the HTTP/2 layer, whose bound
/// is net::bounds::stream_output_bytes_max; nobody waits for it. Thread: any.
class live_endpoint {
 public:
  static constexpr std::string_view path = "/v1/live";

  /// Both outlive it.
  live_endpoint(actors::live_feed& feed, net::reply_port& replies)
      : feed_(feed), replies_(replies) {}

  /// The id of a login to the console, where one was let in by a cookie.
  using login_id = std::optional<std::array<std::uint8_t, 16>>;
  /// Answers the request, which was let in: with a stream until `until_ms` (0: without end); false
  /// when there are too many already, and nothing was answered.
  [[nodiscard]] bool open(const net::http_request& request, const std::optional<module_id>& module,
                          unix_ms until_ms, const login_id& of = std::nullopt);
  /// Ends the streams that were opened with this login: it was ended.
  void end_login(const std::array<std::uint8_t, 16>& ended);
  /// The client has gone.
  void on_gone(const net::reply_address& from) noexcept;
  /// Ends all streams; the clients come back, and are then asked again who they are.
  void end_all() { feed_.end_all(); }

 private:
  using key = std::pair<std::uint64_t, std::int32_t>;
  static key key_of(const net::reply_address& address) noexcept {
    return {address.connection, address.stream};
  }
  actors::live_feed& feed_;
  net::reply_port& replies_;
  std::mutex mutex_;
  struct stream {
    std::uint64_t number = 0;  // the feed's
    login_id of;
  };
  std::map<key, stream> open_;  // guarded by mutex_
};

}  // namespace watchkeeper::server
