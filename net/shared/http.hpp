#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The seam between the HTTP/2 layer and what responds to requests: neither includes the other.
namespace watchkeeper::net {

enum class http_method : std::uint8_t { get, head, post, put, patch, del, options, other };
std::string_view name_of(http_method method) noexcept;

/// IPv6, or IPv4 mapped into it.
struct peer_address {
  std::array<std::uint8_t, 16> bytes{};
  friend bool operator==(const peer_address&, const peer_address&) = default;
};
std::string to_string(const peer_address& address);

/// Where a response goes. A value: stays valid, and harmless, when the connection has gone.
struct response_address {
  std::uint64_t connection = 0;  // unique in the process, never used again
  std::uint32_t io_thread = 0;
  std::int32_t stream = 0;
  friend bool operator==(const response_address&, const response_address&) = default;
};

/// Fields that only some requests have.
enum class request_field : std::uint8_t {
  origin,
  access_control_request_method,
  if_none_match,
  if_modified_since,
  range,
  if_range,
  cookie,  // crumbs of several fields are joined by "; " (RFC 9113, section 8.2.3)
  csrf,    // x-watchkeeper-csrf
  last_event_id,
  accept_encoding,
};

struct http_request {
  http_method method = http_method::get;
  std::string path;   // as sent, percent-encoding included, without the query
  std::string query;  // without the '?'
  std::string authorization;
  std::string content_type;
  std::string prefer;
  std::string body;
  std::vector<std::pair<request_field, std::string>> others;
  peer_address peer;
  response_address respond_to;

  /// Empty: the request has no such field. One that came several times is joined by ", ";
  /// cookie by "; ".
  [[nodiscard]] std::string_view field(request_field which) const noexcept {
    for (const auto& [name, value] : others)
      if (name == which) return value;
    return {};
  }
};

using header_fields = std::vector<std::pair<std::string, std::string>>;  // lower-case names

struct http_response {
  int status = 200;
  std::string content_type;  // empty: no content
  std::string body;
  header_fields headers;
  bool pulled = false;  // of `begin`: request_sink::on_drained asks for each chunk
};

/// Takes responses from any thread and sends them on the I/O thread of the connection. Responses to
/// connections or streams that are gone are dropped.
class response_port {
 public:
  virtual ~response_port() = default;
  /// The whole response. Exactly one for each request that was delivered.
  virtual void respond(const response_address& to, http_response&& response) noexcept = 0;
  /// For a streamed request: header fields now, `chunk`s later; `last` ends the response.
  virtual void begin(const response_address& to, http_response&& head) noexcept = 0;
  virtual void send(const response_address& to, std::string&& chunk, bool last) noexcept = 0;
  /// Flow control of a streamed request: `bytes` of its body were dealt with, more may come.
  virtual void consumed(const response_address& to, std::size_t bytes) noexcept = 0;
};

enum class body_mode : std::uint8_t { whole, streamed };

/// What the HTTP/2 layer hands requests to. Called on I/O threads; must not block or throw.
class request_sink {
 public:
  virtual ~request_sink() = default;

  struct body_policy {
    body_mode mode = body_mode::whole;
    std::size_t bytes_max = 0;  // of a whole body; the HTTP/2 layer responds 413 to a longer one
  };
  virtual body_policy policy_of(http_method method, std::string_view path) noexcept = 0;

  /// Fields that every response to this request gets beside its own, also one of the HTTP/2 layer;
  /// null: none. Asked once its header fields are there. What it points to outlives the server.
  virtual const header_fields* common_fields(const http_request&) noexcept { return nullptr; }

  /// A whole request, or (streamed) its header fields with an empty body.
  virtual void on_request(http_request&& request) noexcept = 0;
  /// Streamed requests only: the next piece of the body; `last` when the client has ended it.
  virtual void on_data(const response_address& from, std::string_view bytes,
                       bool last) noexcept = 0;
  /// Of a response begun as `pulled`: all of it so far is on its way, the next chunk is welcome.
  /// Once after `begin`, and once after each chunk but the last.
  virtual void on_drained(const response_address&) noexcept {}
  /// Streamed requests only: the stream or its connection has gone; nothing follows.
  virtual void on_gone(const response_address& from) noexcept = 0;

  /// After requests were handed over, or responses written: whatever else was ready at `io_thread`
  /// at that moment has been handed over as well, unless that takes more than 2 ms
  /// (bounds::round_ms_max). A sink may keep requests until then, to pass them on together, or
  /// until others have their responses.
  virtual void on_round_end(std::uint32_t /*io_thread*/) noexcept {}
};

}  // namespace watchkeeper::net
