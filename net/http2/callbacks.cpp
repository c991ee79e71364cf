#include "net/http2/callbacks.hpp"

#include <algorithm>
#include <memory>
#include <new>

#include "base/owned.hpp"
#include "net/http2/connection_state.hpp"

namespace watchkeeper::net {

/// From C to the connection state. No exception may pass through nghttp2: one (out of memory) ends
/// the connection.
struct http2_callbacks {
  template <class Body>
  static int guarded(void* user, Body body) noexcept {
    auto& state = *static_cast<http2_connection_state*>(user);
    if (state.aborted_) return NGHTTP2_ERR_CALLBACK_FAILURE;
    try {
      return body(state);
    } catch (...) {
      return state.abort(NGHTTP2_INTERNAL_ERROR);
    }
  }

  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* hd, void* user) {
    return guarded(user, [&](http2_connection_state& s) { return s.on_begin_frame(*hd); });
  }
  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return guarded(user, [&](http2_connection_state& s) { return s.on_begin_headers(*frame); });
  }
  static int header(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name,
                    nghttp2_rcbuf* value, std::uint8_t, void* user) {
    return guarded(user,
                   [&](http2_connection_state& s) { return s.on_header(*frame, name, value); });
  }
  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return guarded(user, [&](http2_connection_state& s) { return s.on_frame(*frame); });
  }
  static int data(nghttp2_session*, std::uint8_t, std::int32_t stream_id, const std::uint8_t* bytes,
                  std::size_t size, void* user) {
    return guarded(user, [&](http2_connection_state& s) {
      return s.on_data(stream_id, {reinterpret_cast<const char*>(bytes), size});
    });
  }
  static int invalid_frame(nghttp2_session*, const nghttp2_frame*, int, void* user) {
    return guarded(user, [&](http2_connection_state& s) { return s.on_invalid_frame(); });
  }
  // These two run while frames are sent, after an abort too: the GOAWAY has to get out.
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
    auto& state = *static_cast<http2_connection_state*>(user);
    if (!state.aborted_) state.on_frame_sent(*frame);
    return 0;
  }
  static int stream_closed(nghttp2_session*, std::int32_t stream_id, std::uint32_t,
                           void* user) noexcept {
    static_cast<http2_connection_state*>(user)->on_stream_closed(stream_id);
    return 0;
  }
};

const nghttp2_session_callbacks* shared_session_callbacks() {
  static const owned<nghttp2_session_callbacks, nghttp2_session_callbacks_del> shared([] {
    nghttp2_session_callbacks* made = nullptr;
    if (nghttp2_session_callbacks_new(&made) != 0) throw std::bad_alloc();
    using c = http2_callbacks;
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, c::begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, c::begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(made, c::header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, c::frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, c::data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, c::invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, c::frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, c::stream_closed);
    return made;
  }());
  return shared.get();
}

const nghttp2_option* shared_session_options() {
  static const owned<nghttp2_option, nghttp2_option_del> shared([] {
    nghttp2_option* made = nullptr;
    if (nghttp2_option_new(&made) != 0) throw std::bad_alloc();
    nghttp2_option_set_no_auto_window_update(made, 1);
    nghttp2_option_set_stream_reset_rate_limit(made, 100, 20);
    nghttp2_option_set_max_continuations(made, 4);
    nghttp2_option_set_max_outbound_ack(made, 100);
    nghttp2_option_set_max_settings(made, 16);
    nghttp2_option_set_max_send_header_block_length(made, 8 * 1024);
    nghttp2_option_set_max_deflate_dynamic_table_size(made, 4 * 1024);
    return made;
  }());
  return shared.get();
}

}  // namespace watchkeeper::net
