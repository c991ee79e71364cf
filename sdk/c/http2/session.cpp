#include "sdk/c/http2/session.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

namespace watchkeeper::sdk::http2 {

std::optional<std::int64_t> read_retry_after(std::string_view value) noexcept {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (value.size() > 9 || error != std::errc{} || end != value.data() + value.size() ||
      seconds < 0 || value.starts_with('-'))
    return std::nullopt;
  return seconds;
}

/// What nghttp2 calls. A stream that ends is moved to `finished_`, so that the owner of the session
/// hears of it when nghttp2 is at rest.
struct session_events {
  static exchange* exchange_of(nghttp2_session* state, std::int32_t stream) {
    return static_cast<exchange*>(nghttp2_session_get_stream_user_data(state, stream));
  }

  static int on_header(nghttp2_session* state, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_bytes, const std::uint8_t* value, std::size_t value_bytes,
                       std::uint8_t, void*) {
    auto* of = exchange_of(state, frame->hd.stream_id);
    if (of == nullptr) return 0;
    const std::string_view field{reinterpret_cast<const char*>(name), name_bytes};
    const std::string_view text{reinterpret_cast<const char*>(value), value_bytes};
    if (field == ":status") std::from_chars(text.data(), text.data() + text.size(), of->status);
    if (field == "retry-after") of->retry_after_s = read_retry_after(text);
    return 0;
  }

  static int on_data(nghttp2_session* state, std::uint8_t, std::int32_t stream,
                     const std::uint8_t* data, std::size_t bytes, void* user) {
    auto* of = exchange_of(state, stream);
    if (of == nullptr || of->too_long) return 0;
    const auto room =
        static_cast<session*>(user)->context_.response_bytes_max() - of->response_body.size();
    try {
      of->response_body.append(reinterpret_cast<const char*>(data), std::min(bytes, room));
    } catch (...) {  // out of memory: no exception may pass through nghttp2
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (bytes <= room) return 0;
    of->too_long = true;
    nghttp2_submit_rst_stream(state, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    return 0;
  }

  static int on_stream_close(nghttp2_session* state, std::int32_t stream, std::uint32_t error_code,
                             void* user) {
    auto* of = exchange_of(state, stream);
    if (of == nullptr) return 0;
    auto error = of->error;  // `cancelled`, or none so far
    if (error == exchange_error::none && !of->too_long &&
        (error_code != NGHTTP2_NO_ERROR || of->status == 0))
      error =
          error_code == NGHTTP2_REFUSED_STREAM ? exchange_error::refused : exchange_error::reset;
    static_cast<session*>(user)->finish(*of, error);
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& self = *static_cast<session*>(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) self.draining_ = true;
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
      self.greeted_ = true;
    return 0;
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* out, std::size_t room,
                           std::uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& of = *static_cast<exchange*>(source->ptr);
    const auto bytes = std::min(room, of.body.size() - of.body_sent);
    std::memcpy(out, of.body.data() + of.body_sent, bytes);
    of.body_sent += bytes;
    if (of.body_sent == of.body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(bytes);
  }
};

void session::install(nghttp2_session_callbacks* callbacks) {
  nghttp2_session_callbacks_set_on_header_callback(callbacks, session_events::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, session_events::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks,
                                                         session_events::on_stream_close);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, session_events::on_frame);
}

session::~session() {
  nghttp2_session_del(state_);
}

bool session::begin() {
  greeted_ = draining_ = false;
  error_.clear();
  if (nghttp2_session_client_new2(&state_, context_.callbacks(), this, context_.settings()) != 0)
    return false;
  const std::array<nghttp2_settings_entry, 1> settings{{{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}}};
  return nghttp2_submit_settings(state_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0;
}

void session::end() noexcept {
  nghttp2_session_del(std::exchange(state_, nullptr));
  while (!in_flight_.empty()) finish(*in_flight_.back(), exchange_error::lost);
}

void session::finish(exchange& of, exchange_error error) noexcept {
  of.error = error;
  if (error != exchange_error::none) of.status = 0;
  const auto slot = of.slot;
  finished_.push_back(std::move(in_flight_[slot]));
  if (slot + 1 != in_flight_.size()) {
    in_flight_[slot] = std::move(in_flight_.back());
    in_flight_[slot]->slot = slot;
  }
  in_flight_.pop_back();
}

std::unique_ptr<exchange> session::take_finished() {
  if (finished_.empty()) return nullptr;
  auto taken = std::move(finished_.back());
  finished_.pop_back();
  return taken;
}

bool session::receive(std::span<const char> bytes) {
  const auto taken = nghttp2_session_mem_recv(
      state_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0) error_ = nghttp2_strerror(static_cast<int>(taken));
  return taken >= 0;
}

bool session::gather(std::string& out, std::size_t bytes_max) {
  while (out.size() < bytes_max) {
    const std::uint8_t* data = nullptr;
    const auto bytes = nghttp2_session_mem_send(state_, &data);
    if (bytes < 0) return false;
    if (bytes == 0) break;
    out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(bytes));
  }
  return true;
}

bool session::wants_write() const noexcept {
  return state_ != nullptr && nghttp2_session_want_write(state_) != 0;
}

bool session::is_over() const noexcept {
  return nghttp2_session_want_read(state_) == 0 && nghttp2_session_want_write(state_) == 0;
}

namespace {

nghttp2_nv field(std::string_view name, std::string_view value, std::uint8_t flags = 0) {
  // nghttp2 copies both; its type is not const for historical reasons only.
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
          value.size(), flags};
}

/// reserve() to the size alone would move the elements with each request.
void make_room(std::vector<std::unique_ptr<exchange>>& list, std::size_t size) {
  if (list.capacity() < size) list.reserve(std::max(size, 2 * list.capacity()));
}

}  // namespace

std::unique_ptr<exchange> session::submit(std::unique_ptr<exchange> made,
                                          const request_fields& fields) {
  const auto& server = context_.server();
  std::array<nghttp2_nv, 8> list;
  std::size_t count = 0;
  const auto add = [&](std::string_view name, std::string_view value, std::uint8_t flags = 0) {
    if (!value.empty()) list[count++] = field(name, value, flags);
  };
  add(":method", fields.method);
  add(":scheme", server.tls ? "https" : "http");
  add(":authority", server.authority);
  add(":path", fields.path);
  add("content-type", fields.content_type);
  add("prefer", fields.prefer);
  add("cache-control", fields.cache_control);
  add("authorization", fields.authorization, NGHTTP2_NV_FLAG_NO_INDEX);

  // Room for every exchange to finish: `finish` runs inside nghttp2 and must not throw.
  make_room(in_flight_, in_flight_.size() + 1);
  make_room(finished_, finished_.size() + in_flight_.size() + 1);

  nghttp2_data_provider body;
  body.source.ptr = made.get();
  body.read_callback = session_events::read_body;
  made->stream = nghttp2_submit_request(state_, nullptr, list.data(), count,
                                        made->body.empty() ? nullptr : &body, made.get());
  if (made->stream < 0) return made;  // out of stream ids or memory
  made->slot = in_flight_.size();
  in_flight_.push_back(std::move(made));
  return nullptr;
}

void session::cancel(exchange& of) noexcept {
  if (of.error != exchange_error::none) return;
  of.error = exchange_error::cancelled;
  nghttp2_submit_rst_stream(state_, NGHTTP2_FLAG_NONE, of.stream, NGHTTP2_CANCEL);
}

void session::terminate() noexcept {
  nghttp2_session_terminate_session(state_, NGHTTP2_NO_ERROR);
}

std::size_t session::room() const noexcept {
  if (state_ == nullptr || draining_) return 0;
  const auto allowed =
      nghttp2_session_get_remote_settings(state_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return allowed > in_flight_.size() ? allowed - in_flight_.size() : 0;
}

}  // namespace watchkeeper::sdk::http2
