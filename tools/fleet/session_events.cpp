#include "tools/fleet/session_events.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "tools/fleet/http2_stream.hpp"

namespace watchkeeper::fleet {
namespace {

client_stream* stream_of(nghttp2_session* session, std::int32_t id) {
  return static_cast<client_stream*>(nghttp2_session_get_stream_user_data(session, id));
}

int on_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
              std::size_t name_bytes, const std::uint8_t* value, std::size_t value_bytes,
              std::uint8_t, void*) {
  auto* stream = stream_of(session, frame->hd.stream_id);
  if (stream == nullptr) return 0;
  const std::string_view key{reinterpret_cast<const char*>(name), name_bytes};
  const std::string_view text{reinterpret_cast<const char*>(value), value_bytes};
  if (key == ":status") {
    std::from_chars(text.data(), text.data() + text.size(), stream->response.status);
  } else if (key == "retry-after") {
    // The form with a date (RFC 9110 section 10.2.3) is not used by the gateway.
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error == std::errc{} && end == text.data() + text.size() && seconds >= 0)
      stream->response.retry_after_s = seconds;
  }
  return 0;
}

int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
            std::size_t bytes, void*) {
  if (auto* stream = stream_of(session, id)) {
    auto& body = stream->response.body;
    const auto room = fleet_limits::response_body_bytes_max - body.size();
    body.append(reinterpret_cast<const char*>(data), std::min(bytes, room));
  }
  return 0;
}

int on_stream_close(nghttp2_session* session, std::int32_t id, std::uint32_t error_code,
                    void* user_data) {
  auto* stream = stream_of(session, id);
  if (stream == nullptr) return 0;
  auto& response = stream->response;
  if (response.error == transport_error::none &&
      (error_code != NGHTTP2_NO_ERROR || response.status == 0)) {
    response.error =
        error_code == NGHTTP2_CANCEL ? transport_error::timed_out : transport_error::stream_refused;
    response.status = 0;
  }
  session_events::finish(*static_cast<http2_connection*>(user_data), stream->slot);
  return 0;
}

}  // namespace

void session_events::finish(http2_connection& connection, std::size_t slot) {
  auto& streams = connection.streams_;
  auto stream = std::move(streams[slot]);
  if (slot + 1 != streams.size()) {
    streams[slot] = std::move(streams.back());
    streams[slot]->slot = slot;
  }
  streams.pop_back();
  connection.finished_.push_back(std::move(stream));
}

void session_events::install(nghttp2_session_callbacks* callbacks) {
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
        auto& connection = *static_cast<http2_connection*>(user_data);
        if (frame->hd.type == NGHTTP2_GOAWAY) connection.draining_ = true;
        if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0 &&
            connection.state_ == http2_connection::state::greeting) {
          connection.state_ = http2_connection::state::open;
          connection.opened_now_ = true;
        }
        return 0;
      });
}

}  // namespace watchkeeper::fleet
