#include <algorithm>
#include <charconv>
#include <cstring>

#include "net/http2/connection_state.hpp"
#include "net/shared/problem_document.hpp"
#include "net/shared/problem_response.hpp"

namespace watchkeeper::net {
namespace {

/// Neither name nor value is copied: they live as long as the stream (or for ever), and nghttp2
/// reads them only when it sends the frame, which it does not do for a stream that has gone.
nghttp2_nv field(std::string_view name, std::string_view value, int flags = 0) noexcept {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(),
          static_cast<std::uint8_t>(NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE |
                                    flags)};
}

bool sendable(std::string_view name, std::string_view value) noexcept {
  return nghttp2_check_header_name(reinterpret_cast<const std::uint8_t*>(name.data()),
                                   name.size()) != 0 &&
         nghttp2_check_header_value(reinterpret_cast<const std::uint8_t*>(value.data()),
                                    value.size()) != 0;
}

bool has_no_content(int status) noexcept {
  return status == 204 || status == 304;
}

}  // namespace

ssize_t http2_connection_state::read_body(nghttp2_session*, std::int32_t, std::uint8_t* into,
                                          std::size_t size, std::uint32_t* flags,
                                          nghttp2_data_source* source, void* user) noexcept {
  auto& stream = *static_cast<http2_stream*>(source->ptr);
  auto& state = *static_cast<http2_connection_state*>(user);
  auto& body = stream.response.body;
  const auto count = std::min(size, body.size() - stream.sent);
  std::memcpy(into, body.data() + stream.sent, count);
  stream.sent += count;
  stream.output_moved_at = state.worker_.now;
  if (stream.sent == body.size()) {
    if (stream.ended) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else {
      if (body.capacity() > bounds::response_bytes_free)
        std::string().swap(body);  // it keeps no memory that is not accounted
      else
        body.clear();
      stream.sent = 0;
      state.account_response(stream);
      if (count == 0) {
        stream.deferred = true;
        if (stream.response.pulled) state.worker_.sink.on_drained(state.address_of(stream));
        return NGHTTP2_ERR_DEFERRED;
      }
    }
  }
  return static_cast<ssize_t>(count);
}

void http2_connection_state::submit(http2_stream& stream, http_response&& response, bool whole) {
  if (!stream.delivered) stream.request = {};  // refused here: nobody wants it
  if (response.body.size() > bounds::response_bytes_free && !has_room_for(response.body.size())) {
    response =
        make_problem(problem::overloaded, "too many responses wait to be read", worker_.wall_now);
    whole = true;
  }
  stream.response = std::move(response);
  account_response(stream);
  if (whole)
    stream.response_deadline = worker_.now + worker_.options.write_timeout_ms +
                               static_cast<std::int64_t>(stream.response.body.size()) * 1000 /
                                   bounds::response_bytes_per_s_min;
  stream.responded = true;
  stream.ended = whole;
  stream.output_moved_at = worker_.now;
  auto& queued = stream.response;
  if (queued.status < 200 || queued.status > 599) queued.status = 500;
  std::to_chars(stream.status_text.data(), stream.status_text.data() + 3, queued.status);

  std::array<nghttp2_nv, bounds::response_fields_max + bounds::common_fields_max + 5> fields;
  std::size_t count = 0;
  fields[count++] = field(":status", {stream.status_text.data(), stream.status_text.size()});
  fields[count++] = field("server", "watchkeeper");
  // Not indexed: a heartbeat every few seconds never finds it again, and the table costs memory on
  // both sides. The text may change before the frame is sent, by this thread, to a later date.
  fields[count++] =
      field("date", {worker_.date.data(), worker_.date.size()}, NGHTTP2_NV_FLAG_NO_INDEX);
  const bool no_content = has_no_content(queued.status);
  if (!no_content && !queued.content_type.empty() && sendable("content-type", queued.content_type))
    fields[count++] = field("content-type", queued.content_type);
  if (whole && !no_content) {
    auto* const begin = stream.length_text.data();
    const auto end =
        std::to_chars(begin, begin + stream.length_text.size(), queued.body.size()).ptr;
    fields[count++] = field("content-length", {begin, static_cast<std::size_t>(end - begin)});
  }
  if (stream.common_fields != nullptr)
    for (const auto& [name, value] : *stream.common_fields)
      if (count < bounds::common_fields_max + 5) fields[count++] = field(name, value);
  for (const auto& [name, value] : queued.headers)
    if (count < fields.size() && sendable(name, value)) fields[count++] = field(name, value);

  const bool bodyless = no_content || stream.is_head;
  if (bodyless) {
    stream.ended = true;
    queued.body.clear();
    account_response(stream);
  }
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = &http2_connection_state::read_body;
  const bool has_data = !bodyless && (!whole || !queued.body.empty());
  if (nghttp2_submit_response(session_, stream.id, fields.data(), count,
                              has_data ? &provider : nullptr) != 0)
    abort(NGHTTP2_INTERNAL_ERROR);
}

void http2_connection_state::submit_problem(http2_stream& stream, problem what,
                                            std::string_view detail) {
  submit(stream, make_problem(what, detail, worker_.wall_now), true);
}

void http2_connection_state::submit_too_large_headers(http2_stream& stream) {
  static constexpr int status = 431;  // RFC 6585; the closed list of problems has none with it
  http_response response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body = problem_document(describe(problem::malformed_request).name,
                                   "The header fields are too large.", status,
                                   "at most 100 fields and 16 KiB", worker_.wall_now);
  submit(stream, std::move(response), true);
}

bool http2_connection_state::apply(response_event&& message) noexcept {
  try {
    auto* stream = aborted_ ? nullptr : find(message.to.stream);
    const bool begins = message.what == response_event::kind::respond ||
                        message.what == response_event::kind::begin;
    if (message.what == response_event::kind::consumed) {
      if (stream == nullptr) return true;
      const auto count = std::min(message.bytes, stream->unconsumed);
      stream->unconsumed -= count;
      return nghttp2_session_consume(session_, stream->id, count) == 0;
    }
    // Each delivered request has one response: a second one, a chunk before the head or behind the
    // end is an error of the sink that the client must not see.
    if (stream == nullptr || !stream->delivered || stream->responded == begins ||
        (!begins && stream->ended)) {
      worker_.count.responses_dropped.add(1);
      return true;
    }
    switch (message.what) {
      case response_event::kind::respond:
        submit(*stream, std::move(message.response), true);
        break;
      case response_event::kind::begin:
        submit(*stream, std::move(message.response), false);
        break;
      case response_event::kind::send:
        append(*stream, std::move(message.response.body), message.last);
        break;
      case response_event::kind::overflow:
        reset(*stream, NGHTTP2_ENHANCE_YOUR_CALM);
        break;
      case response_event::kind::consumed:
        break;
    }
    return true;
  } catch (...) {
    return false;
  }
}

bool http2_connection_state::has_room_for(std::size_t response_bytes) const noexcept {
  return unsent_response_bytes_ + response_bytes <= bounds::connection_response_bytes_max &&
         worker_.unsent_response_bytes + response_bytes <= bounds::thread_response_bytes_max;
}

void http2_connection_state::account_response(http2_stream& stream) noexcept {
  const auto size = stream.response.body.size();
  unsent_response_bytes_ += size - stream.accounted;  // modulo 2^64: it may have shrunk
  worker_.unsent_response_bytes += size - stream.accounted;
  stream.accounted = size;
}

void http2_connection_state::append(http2_stream& stream, std::string&& chunk, bool last) {
  auto& queue = stream.response.body;
  const auto waiting = queue.size() - stream.sent;
  const bool has_room =
      waiting + chunk.size() <= bounds::response_bytes_free ||
      (waiting + chunk.size() <= bounds::stream_output_bytes_max && has_room_for(chunk.size()));
  if (!has_room) {
    stream.ended = true;
    return reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
  }
  if (waiting == 0) {
    stream.output_moved_at = worker_.now;  // the time without progress starts now
    queue = std::move(chunk);
    stream.sent = 0;
  } else {
    if (stream.sent > queue.size() / 2) {
      queue.erase(0, stream.sent);
      stream.sent = 0;
    }
    queue += chunk;
  }
  stream.ended = last;
  account_response(stream);
  if (!stream.deferred) return;
  stream.deferred = false;
  if (nghttp2_session_resume_data(session_, stream.id) == NGHTTP2_ERR_NOMEM)
    abort(NGHTTP2_INTERNAL_ERROR);
}

void http2_connection_state::reset(http2_stream& stream, std::uint32_t code) noexcept {
  if (nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, code) != 0)
    abort(NGHTTP2_INTERNAL_ERROR);
}

}  // namespace watchkeeper::net
