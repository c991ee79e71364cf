#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/clock.hpp"
#include "net/shared/http.hpp"

namespace watchkeeper::net {

/// One request and its response. Owned by its http2_connection_state, whose streams form a list.
struct http2_stream {
  http_request request;                          // moved away on delivery; empty from then on
  http_response response;                        // its body is the queue of a streamed response
  const header_fields* common_fields = nullptr;  // of every response; the sink's
  http2_stream* previous = nullptr;
  http2_stream* next = nullptr;

  std::size_t body_bytes_max = 0;
  std::size_t buffered = 0;    // of a whole body, counted against the budgets
  std::size_t unconsumed = 0;  // of a streamed body: handed over, not yet consumed()
  std::size_t sent = 0;        // of response.body
  std::size_t accounted = 0;   // of response.body, against the budgets
  std::int64_t content_length = -1;
  std::optional<mono_ms> body_deadline;  // of a whole body that is not complete
  mono_ms output_moved_at;
  std::optional<mono_ms> response_deadline;  // of a whole response
  std::optional<mono_ms> last_input_at;      // of a streamed body that has not ended for the sink
  std::optional<mono_ms> reset_at;           // responded early: when to stop the client
  std::int32_t id = 0;

  // Request.
  bool is_head = false;
  bool is_connect = false;
  bool bad_authority = false;
  bool host_differs = false;
  bool oversized_headers = false;
  bool streamed = false;      // the sink gets the body as it comes, and is notified when we go
  bool delivered = false;     // the sink knows of it and owes a response
  bool remote_ended = false;  // END_STREAM was received

  // Response.
  bool responded = false;  // header fields were handed to nghttp2; nothing else may be
  bool ended = false;      // response.body holds the rest
  bool deferred = false;   // nghttp2 waits for more of response.body
  bool finished = false;   // END_STREAM was sent
  std::array<char, 3> status_text{};
  std::array<char, 20> length_text{};

  [[nodiscard]] bool has_output() const noexcept {
    return responded && !finished && (ended || sent < response.body.size());
  }
};

}  // namespace watchkeeper::net
