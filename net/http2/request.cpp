#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "net/http2/connection_state.hpp"
#include "net/shared/problem_response.hpp"

namespace watchkeeper::net {
namespace {

std::string_view text_of(nghttp2_rcbuf* buffer) noexcept {
  const auto bytes = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

http_method method_of(std::string_view name) noexcept {
  for (auto method : {http_method::post, http_method::get, http_method::put, http_method::patch,
                      http_method::del, http_method::head, http_method::options})
    if (name == name_of(method)) return method;
  return http_method::other;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

/// Fields that only some requests have.
struct rare_field {
  std::string_view name;
  request_field which;
};
constexpr std::array rare_fields{
    rare_field{"origin", request_field::origin},
    rare_field{"access-control-request-method", request_field::access_control_request_method},
    rare_field{"if-none-match", request_field::if_none_match},
    rare_field{"if-modified-since", request_field::if_modified_since},
    rare_field{"range", request_field::range},
    rare_field{"if-range", request_field::if_range},
    rare_field{"cookie", request_field::cookie},
    rare_field{"x-watchkeeper-csrf", request_field::csrf},
    rare_field{"last-event-id", request_field::last_event_id},
    rare_field{"accept-encoding", request_field::accept_encoding},
};

void add_rare_field(http_request& request, request_field which, std::string_view text) {
  for (auto& [present, joined] : request.others)
    if (present == which) {
      joined += which == request_field::cookie ? "; " : ", ";
      joined += text;
      return;
    }
  request.others.emplace_back(which, text);
}

/// Ignores a field that nobody asks for. The size of a name decides most comparisons.
void add_field(http_request& request, std::string_view name, std::string_view text) {
  if (name == "authorization") return static_cast<void>(request.authorization.assign(text));
  if (name == "content-type") return static_cast<void>(request.content_type.assign(text));
  if (name == "prefer") {  // a list, which may come in several fields (RFC 7240 section 2)
    if (!request.prefer.empty()) request.prefer += ", ";
    request.prefer += text;
    return;
  }
  for (const auto& each : rare_fields)
    if (each.name == name) return add_rare_field(request, each.which, text);
}

}  // namespace

int http2_connection_state::take_field(http2_stream& stream, std::string_view name,
                                       nghttp2_rcbuf* value) {
  const auto text = text_of(value);
  if (name.starts_with(':'))
    take_pseudo_field(stream, name, value);
  else if (name == "host")
    stream.host_differs |= authority_ != nullptr && !equal_ignoring_case(text, text_of(authority_));
  else if (name == "content-length")  // digits only: nghttp2 saw to that
    std::from_chars(text.data(), text.data() + text.size(), stream.content_length);
  else
    add_field(stream.request, name, text);
  return 0;
}

void http2_connection_state::take_pseudo_field(http2_stream& stream, std::string_view name,
                                               nghttp2_rcbuf* value) {
  const auto text = text_of(value);
  auto& request = stream.request;
  if (name == ":path") {
    const auto mark = text.find('?');
    request.path.assign(text.substr(0, mark));
    if (mark != std::string_view::npos) request.query.assign(text.substr(mark + 1));
  } else if (name == ":method") {
    request.method = method_of(text);
    stream.is_head = request.method == http_method::head;
    stream.is_connect = text == "CONNECT";
  } else if (name == ":authority" && authority_ == nullptr) {
    nghttp2_rcbuf_incref(value);
    authority_ = value;
    // User information (RFC 9113 section 8.3.1) is what phishing hides a name behind.
    stream.bad_authority = text.find('@') != std::string_view::npos;
  }
}

void http2_connection_state::end_header_block() noexcept {
  block_since_.reset();
  block_bytes_ = 0;
  block_fields_ = 0;
  block_id_ = 0;
  block_stream_ = nullptr;
  if (authority_ != nullptr) nghttp2_rcbuf_decref(authority_);
  authority_ = nullptr;
}

response_address http2_connection_state::address_of(const http2_stream& stream) const noexcept {
  return {connection_id_, worker_.index, stream.id};
}

void http2_connection_state::finish_headers(http2_stream& stream, bool ended) {
  stream.remote_ended = ended;
  auto& request = stream.request;
  request.peer = peer_;
  request.respond_to = address_of(stream);
  worker_.count.requests.add(1);
  stream.common_fields = worker_.sink.common_fields(request);
  if (stream.oversized_headers) return submit_too_large_headers(stream);
  if (stream.is_connect) {
    auto refusal = make_problem(problem::method_not_allowed, "this is no proxy", worker_.wall_now);
    refusal.headers.emplace_back("allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    return submit(stream, std::move(refusal), true);
  }
  if (stream.bad_authority)
    return submit_problem(stream, problem::malformed_request, ":authority names a user");
  if (stream.host_differs)
    return submit_problem(stream, problem::malformed_request, "host is not :authority");
  const auto policy = worker_.sink.policy_of(request.method, request.path);
  stream.body_bytes_max = policy.bytes_max;
  if (policy.mode == body_mode::streamed) {
    stream.streamed = true;
    if (!ended) stream.last_input_at = worker_.now;
    deliver(stream);
    if (ended) worker_.sink.on_data(address_of(stream), {}, true);
    return;
  }
  if (ended) return deliver(stream);
  if (stream.content_length > static_cast<std::int64_t>(policy.bytes_max))
    return submit_problem(stream, problem::payload_too_large, "the body is too long");
  if (stream.content_length > 0)
    request.body.reserve(
        std::min(static_cast<std::size_t>(stream.content_length), bounds::body_reserve_bytes_max));
  stream.body_deadline = worker_.now + worker_.options.body_timeout_ms;
}

int http2_connection_state::on_data(std::int32_t stream_id, std::string_view bytes) {
  payload_bytes_ += bytes.size();
  auto* stream = find(stream_id);
  if (stream == nullptr || stream->ended || (stream->streamed && !stream->last_input_at)) {
    // Refused, or responded early: what still comes is dropped. Only the connection gets its window
    // back, so the stream cannot bring more than one window.
    return nghttp2_session_consume_connection(session_, bytes.size()) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  if (stream->streamed) {
    stream->unconsumed += bytes.size();
    stream->last_input_at = worker_.now;
    worker_.sink.on_data(address_of(*stream), bytes, false);
    return 0;
  }
  take_whole(*stream, bytes);
  const int consumed = stream->ended ? nghttp2_session_consume_connection(session_, bytes.size())
                                     : nghttp2_session_consume(session_, stream_id, bytes.size());
  return consumed == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

void http2_connection_state::take_whole(http2_stream& stream, std::string_view bytes) {
  if (bytes.size() > stream.body_bytes_max - stream.buffered) {
    refund(stream);
    return submit_problem(stream, problem::payload_too_large, "the body is too long");
  }
  if (bodies_bytes_ + bytes.size() > bounds::connection_bodies_bytes_max ||
      worker_.bodies_bytes + bytes.size() > bounds::thread_bodies_bytes_max) {
    refund(stream);
    return submit_problem(stream, problem::overloaded, "too many bodies are in flight");
  }
  stream.request.body.append(bytes);
  stream.buffered += bytes.size();
  bodies_bytes_ += bytes.size();
  worker_.bodies_bytes += bytes.size();
}

/// The body is no longer ours to account for: delivered, refused or gone.
void http2_connection_state::refund(http2_stream& stream) noexcept {
  bodies_bytes_ -= stream.buffered;
  worker_.bodies_bytes -= stream.buffered;
  stream.buffered = 0;
  stream.body_deadline.reset();
}

void http2_connection_state::finish_body(http2_stream& stream) {
  if (stream.remote_ended) return;
  stream.remote_ended = true;
  if (stream.ended) return;  // refused, or responded early
  if (!stream.streamed) return deliver(stream);
  if (std::exchange(stream.last_input_at, std::nullopt))
    worker_.sink.on_data(address_of(stream), {}, true);
}

void http2_connection_state::deliver(http2_stream& stream) {
  refund(stream);
  stream.delivered = true;
  worker_.handed_over = true;
  auto request = std::exchange(stream.request, {});  // the sink need not take all of it
  worker_.sink.on_request(std::move(request));
}

}  // namespace watchkeeper::net
