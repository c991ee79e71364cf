#include "net/http2/connection_state.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "net/http2/callbacks.hpp"

namespace watchkeeper::net {
namespace {

constexpr std::uint8_t drain_ping[8] = {'d', 'r', 'a', 'i', 'n', 0, 0, 0};

}  // namespace

http2_connection_state::http2_connection_state(worker_state& worker, std::uint64_t connection_id,
                                               const peer_address& peer)
    : worker_(worker),
      memory_(worker.pages),
      connection_id_(connection_id),
      peer_(peer),
      created_at_(worker.now),
      idle_since_(worker.now) {
  if (nghttp2_session_server_new3(&session_, shared_session_callbacks(), this,
                                  shared_session_options(), memory_.functions()) != 0)
    throw std::bad_alloc();
  const std::array<nghttp2_settings_entry, 4> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, worker.options.concurrent_streams_max},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, bounds::header_list_bytes_max},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, bounds::stream_window_bytes},
      // With RFC 7540's priorities nghttp2 would keep every closed stream, up to the number of
      // concurrent ones, for the sake of the dependency tree: 30 KB a connection.
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  if (nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) != 0 ||
      nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                            bounds::connection_window_bytes) != 0) {
    nghttp2_session_del(session_);
    throw std::bad_alloc();
  }
}

http2_connection_state::~http2_connection_state() {
  aborted_ = true;  // no callback of the library may start anything
  while (streams_ != nullptr) discard(streams_);
  if (authority_ != nullptr) nghttp2_rcbuf_decref(authority_);
  nghttp2_session_del(session_);
}

bool http2_connection_state::receive(std::span<const std::uint8_t> bytes) noexcept {
  if (aborted_) return false;
  payload_bytes_ = 0;
  if (!walker_.walk(bytes, [&](const frame_head& frame) { return charge_frame(frame); })) {
    terminate();
    return false;
  }
  const auto result = nghttp2_session_mem_recv(session_, bytes.data(), bytes.size());
  if (result < 0 && !aborted_) {
    punished_ = result == NGHTTP2_ERR_FLOODED || result == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS ||
                result == NGHTTP2_ERR_TOO_MANY_SETTINGS;
    abort(punished_ ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
  }
  if (!aborted_ &&
      (!guard_.charge_bytes(bytes.size(), payload_bytes_, worker_.now) ||
       nghttp2_session_get_outbound_queue_size(session_) > bounds::outbound_frames_max)) {
    punished_ = true;
    abort(NGHTTP2_ENHANCE_YOUR_CALM);
  }
  if (!aborted_) return true;
  terminate();
  return false;
}

void http2_connection_state::terminate() noexcept {
  if (terminated_) return;
  terminated_ = true;
  if (punished_) {
    worker_.count.connections_punished.add(1);
    if (worker_.punished_addresses != nullptr)
      worker_.punished_addresses->failed(peer_.bytes, worker_.now);
  }
  // Should it fail there is nothing left to be said.
  static_cast<void>(nghttp2_session_terminate_session(session_, abort_code_));
}

std::span<const std::uint8_t> http2_connection_state::next_frame(bool& failed) noexcept {
  if (aborted_) terminate();
  const std::uint8_t* bytes = nullptr;
  const auto size = nghttp2_session_mem_send(session_, &bytes);
  failed = size < 0;
  all_sent_ = size == 0;
  if (size <= 0) return {};
  frame_sent_at_ = worker_.now;
  return {bytes, static_cast<std::size_t>(size)};
}

bool http2_connection_state::finished() const noexcept {
  return (terminated_ || nghttp2_session_want_read(session_) == 0) &&
         nghttp2_session_want_write(session_) == 0;
}

bool http2_connection_state::charge_frame(const frame_head& frame) noexcept {
  using kind = frame_flood_limiter::kind;
  // nghttp2 forgets closed streams here (see the constructor) and would ignore such a frame.
  if ((frame.type == NGHTTP2_DATA || frame.type == NGHTTP2_HEADERS) && frame.stream != 0 &&
      std::find(ended_.begin(), ended_.end(), frame.stream) != ended_.end()) {
    abort(NGHTTP2_STREAM_CLOSED);  // RFC 9113 section 5.1, closed
    return false;
  }
  // A stream number that was skipped is closed as well (section 5.1.1). The one of HEADERS is seen
  // to when nghttp2 begins the frame.
  if (frame.type == NGHTTP2_DATA && was_skipped(frame.stream)) {
    abort(NGHTTP2_PROTOCOL_ERROR);
    return false;
  }
  switch (frame.type) {
    case NGHTTP2_DATA:
      return frame.length != 0 || (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0 ||
             charge(kind::empty_data) == 0;
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
      payload_bytes_ += frame.length;
      return true;
    case NGHTTP2_PRIORITY:
      // Without RFC 7540's priorities nghttp2 looks at nothing but the length.
      if (frame.stream == 0) {
        abort(NGHTTP2_PROTOCOL_ERROR);  // RFC 9113 section 6.3
        return false;
      }
      return charge(kind::priority) == 0;
    case NGHTTP2_RST_STREAM:
      return charge(kind::reset_received) == 0;
    case NGHTTP2_SETTINGS:
      return charge(kind::settings) == 0;
    case NGHTTP2_PING:
      return charge(kind::ping) == 0;
    case NGHTTP2_WINDOW_UPDATE:
      return charge(kind::window_update) == 0;
    default:
      return charge(kind::other) == 0;
  }
}

int http2_connection_state::on_begin_frame(const nghttp2_frame_hd& frame) {
  if (frame.type == NGHTTP2_CONTINUATION) return 0;
  end_header_block();  // one that the library gave up on ends without another word
  if (frame.type != NGHTTP2_HEADERS) return 0;
  if (was_skipped(frame.stream_id)) return abort(NGHTTP2_PROTOCOL_ERROR);
  note_new_stream(frame.stream_id);
  return 0;
}

int http2_connection_state::on_begin_headers(const nghttp2_frame& frame) {
  block_since_ = worker_.now;
  block_id_ = frame.hd.stream_id;
  if (frame.headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  auto made = std::make_unique<http2_stream>();
  made->id = frame.hd.stream_id;
  if (nghttp2_session_set_stream_user_data(session_, made->id, made.get()) != 0)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  made->next = streams_;
  if (streams_ != nullptr) streams_->previous = made.get();
  streams_ = made.release();
  block_stream_ = streams_;
  worker_.count.streams_open.add(1);
  return 0;
}

int http2_connection_state::on_header(const nghttp2_frame&, nghttp2_rcbuf* name,
                                      nghttp2_rcbuf* value) {
  const auto key = nghttp2_rcbuf_get_buf(name);
  const auto text = nghttp2_rcbuf_get_buf(value);
  block_bytes_ += key.len + text.len + 32;  // RFC 9113 section 6.5.2
  ++block_fields_;
  if (block_bytes_ > bounds::header_list_bytes_cut || block_fields_ > bounds::header_fields_cut)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // resets the stream, skips the rest of the block
  const bool too_large =
      block_bytes_ > bounds::header_list_bytes_max || block_fields_ > bounds::header_fields_max;
  if (block_stream_ == nullptr) return too_large ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
  if (too_large) {
    block_stream_->oversized_headers = true;
    return 0;
  }
  return take_field(*block_stream_, {reinterpret_cast<const char*>(key.base), key.len}, value);
}

int http2_connection_state::on_frame(const nghttp2_frame& frame) {
  const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS: {
      end_header_block();
      auto* stream = find(frame.hd.stream_id);
      if (stream == nullptr) return 0;
      if (frame.headers.cat == NGHTTP2_HCAT_REQUEST)
        finish_headers(*stream, ends);
      else if (ends)
        finish_body(*stream);
      return 0;
    }
    case NGHTTP2_DATA: {
      // Padding alone costs us as much as an empty frame does.
      if (!ends && frame.hd.length != 0 && frame.hd.length <= frame.data.padlen)
        return charge(frame_flood_limiter::kind::empty_data);
      auto* stream = ends ? find(frame.hd.stream_id) : nullptr;
      if (stream != nullptr) finish_body(*stream);
      return 0;
    }
    case NGHTTP2_RST_STREAM:
      if (auto* stream = find(frame.hd.stream_id)) stream->remote_ended = true;
      return 0;
    case NGHTTP2_SETTINGS:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) == 0) settings_seen_ = true;
      return 0;
    case NGHTTP2_PING:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0 && drain_ == drain_stage::noticed &&
          std::memcmp(frame.ping.opaque_data, drain_ping, sizeof drain_ping) == 0)
        submit_last_goaway();
      return 0;
    default:
      return 0;
  }
}

int http2_connection_state::on_frame_sent(const nghttp2_frame& frame) {
  const auto type = frame.hd.type;
  if (type == NGHTTP2_RST_STREAM) {
    if (!guard_.charge(frame_flood_limiter::kind::reset_sent, worker_.now)) {
      punished_ = true;
      abort(NGHTTP2_ENHANCE_YOUR_CALM);
    }
    return 0;
  }
  if (type != NGHTTP2_DATA && type != NGHTTP2_HEADERS) return 0;
  // Clients return the window of what we send: some of them twice for every 4 KiB.
  if (type == NGHTTP2_DATA) guard_.credit(frame_flood_limiter::kind::window_update, 8);
  if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  auto* stream = find(frame.hd.stream_id);
  if (stream == nullptr) return 0;
  stream->finished = true;
  // Responded to before the body's end: RFC 9113 section 8.1 asks the client to stop sending.
  if (!stream->remote_ended) stream->reset_at = worker_.now + bounds::early_response_ms;
  return 0;
}

int http2_connection_state::on_invalid_frame() {
  end_header_block();
  return 0;  // a reset that comes of it is counted when it is sent
}

void http2_connection_state::on_stream_closed(std::int32_t stream_id) {
  if (block_id_ == stream_id) end_header_block();
  auto* stream = find(stream_id);
  if (stream == nullptr) return;
  static_cast<void>(nghttp2_session_set_stream_user_data(session_, stream_id, nullptr));
  // What the sink had not consumed of this body must not stay missing from the connection's window.
  if (stream->unconsumed > 0 && !aborted_)
    static_cast<void>(nghttp2_session_consume_connection(session_, stream->unconsumed));
  if (stream->remote_ended) {
    ended_[ended_next_] = stream_id;
    ended_next_ = static_cast<std::uint8_t>((ended_next_ + 1) % ended_.size());
  }
  discard(stream);
  if (streams_ == nullptr) idle_since_ = worker_.now;
}

void http2_connection_state::discard(http2_stream* stream) noexcept {
  const std::unique_ptr<http2_stream> owned(stream);
  (stream->previous != nullptr ? stream->previous->next : streams_) = stream->next;
  if (stream->next != nullptr) stream->next->previous = stream->previous;
  refund(*stream);
  unsent_response_bytes_ -= stream->accounted;
  worker_.unsent_response_bytes -= stream->accounted;
  worker_.count.streams_open.subtract(1);
  if (stream->streamed && stream->delivered) worker_.sink.on_gone(address_of(*stream));
}

http2_stream* http2_connection_state::find(std::int32_t stream_id) const noexcept {
  return static_cast<http2_stream*>(nghttp2_session_get_stream_user_data(session_, stream_id));
}

int http2_connection_state::charge(frame_flood_limiter::kind what) noexcept {
  if (guard_.charge(what, worker_.now)) return 0;
  punished_ = true;
  return abort(NGHTTP2_ENHANCE_YOUR_CALM);
}

int http2_connection_state::abort(std::uint32_t code) noexcept {
  if (!aborted_) {
    aborted_ = true;
    abort_code_ = code;
  }
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

bool http2_connection_state::was_skipped(std::int32_t stream_id) const noexcept {
  if (stream_id >= highest_stream_) return false;
  for (std::size_t i = 0; i < skipped_count_; ++i)
    if (skipped_[i].from <= stream_id && stream_id <= skipped_[i].to) return true;
  return false;
}

void http2_connection_state::note_new_stream(std::int32_t stream_id) noexcept {
  if (stream_id <= highest_stream_ || stream_id % 2 == 0) return;
  const std::int32_t expected = highest_stream_ + 2;
  highest_stream_ = stream_id;
  if (stream_id == expected) return;
  // Of a client that keeps leaving gaps the oldest are forgotten: nghttp2 then ignores such a
  // frame.
  if (skipped_count_ == skipped_.size()) {
    std::move(skipped_.begin() + 1, skipped_.end(), skipped_.begin());
    --skipped_count_;
  }
  skipped_[skipped_count_++] = {expected, stream_id - 2};
}

void http2_connection_state::sweep() noexcept {
  if (aborted_) return;
  const auto& options = worker_.options;
  const auto now = worker_.now;
  const auto end = [&](std::uint32_t code) { static_cast<void>(abort(code)); };
  if (all_sent_ && frame_sent_at_ && now - *frame_sent_at_ > bounds::frame_buffer_idle_ms) {
    memory_.give_back();
    frame_sent_at_.reset();
  }
  if (!settings_seen_ && now - created_at_ > options.header_timeout_ms)
    return end(NGHTTP2_SETTINGS_TIMEOUT);
  if (block_since_ && now - *block_since_ > options.header_timeout_ms)
    return end(NGHTTP2_ENHANCE_YOUR_CALM);
  if (streams_ == nullptr && now - idle_since_ > options.idle_timeout_ms)
    return end(NGHTTP2_NO_ERROR);
  if (drain_ == drain_stage::noticed && now - notice_sent_at_ > bounds::drain_notice_ms)
    submit_last_goaway();
  try {
    for (auto* stream = streams_; stream != nullptr; stream = stream->next) {
      if (stream->body_deadline && now > *stream->body_deadline) {
        refund(*stream);
        submit_problem(*stream, problem::request_timeout, "the body did not come in time");
      } else if (stream->reset_at && now > *stream->reset_at) {
        stream->reset_at.reset();
        reset(*stream, NGHTTP2_NO_ERROR);
      } else if (stream->has_output() &&
                 (now - stream->output_moved_at > options.write_timeout_ms ||
                  (stream->response_deadline && now > *stream->response_deadline))) {
        stream->output_moved_at = now;
        stream->response_deadline.reset();
        reset(*stream, NGHTTP2_CANCEL);
      } else if (stream->last_input_at && now - *stream->last_input_at > options.idle_timeout_ms) {
        // As if the client had ended it: what is in flight still gets its response.
        stream->last_input_at.reset();
        worker_.sink.on_data(address_of(*stream), {}, true);
      }
    }
  } catch (...) {
    end(NGHTTP2_INTERNAL_ERROR);
  }
}

void http2_connection_state::drain() noexcept {
  if (aborted_ || drain_ != drain_stage::none) return;
  drain_ = drain_stage::noticed;
  notice_sent_at_ = worker_.now;
  if (nghttp2_submit_shutdown_notice(session_) != 0 ||
      nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, drain_ping) != 0)
    submit_last_goaway();
}

void http2_connection_state::submit_last_goaway() noexcept {
  drain_ = drain_stage::refusing;
  const auto last = nghttp2_session_get_last_proc_stream_id(session_);
  if (nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0) != 0)
    abort(NGHTTP2_INTERNAL_ERROR);
}

}  // namespace watchkeeper::net
