#include "tools/fleet/http2_connection.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tools/fleet/http2_stream.hpp"
#include "tools/fleet/session_events.hpp"

namespace watchkeeper::fleet {

http2_connection::http2_connection(http2_client& client, std::size_t index,
                                   connection_observer* observer)
    : client_(client), observer_(observer), index_(index) {
  client_.connections_.push_back(this);
}

http2_connection::~http2_connection() {
  close();
  *alive_ = false;
  client_.loop_.forget_turn_end(this);
  std::erase(client_.connections_, this);
}

void http2_connection::open() {
  if (state_ != state::closed && state_ != state::backing_off) return;
  state_ = state::queued;
  client_.enqueue(this);
}

void http2_connection::start_connecting() {
  state_ = state::connecting;
  deadline_ = client_.loop_.now() + fleet_limits::handshake_timeout;
  const auto& to = client_.options_.server;
  descriptor_ = socket(to.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) return fail(fmt::format("no socket: {}", std::strerror(errno)));
  const int on = 1;
  setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto* address = reinterpret_cast<const sockaddr*>(&to.address);
  if (connect(descriptor_, address, to.address_bytes) != 0 && errno != EINPROGRESS)
    return fail(fmt::format("cannot connect to {}: {}", to.authority, std::strerror(errno)));
  client_.loop_.watch(descriptor_, EPOLLIN | EPOLLOUT, this);
  registered_ = true;
  wants_write_ = true;
}

void http2_connection::connected() {
  int error = 0;
  socklen_t bytes = sizeof error;
  getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &bytes);
  if (error != 0)
    return fail(fmt::format("cannot connect to {}: {}", client_.options_.server.authority,
                            std::strerror(error)));
  if (!client_.options_.server.tls) return start_session();
  ssl_ = client_.tls_->attach(descriptor_, client_.options_.server);
  if (!ssl_) return fail("no memory for a TLS connection");
  state_ = state::handshaking;
  shake_hands();
}

void http2_connection::shake_hands() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    const unsigned char* protocol = nullptr;
    unsigned bytes = 0;
    SSL_get0_alpn_selected(ssl_.get(), &protocol, &bytes);
    if (bytes != 2 || std::memcmp(protocol, "h2", 2) != 0)
      return fail(
          fmt::format("{} does not speak HTTP/2 (it did not select h2 in the TLS handshake)",
                      client_.options_.server.authority));
    return start_session();
  }
  const int why = SSL_get_error(ssl_.get(), done);
  if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
    return fail(client_tls::explain_failure(ssl_.get()));
  const bool write = why == SSL_ERROR_WANT_WRITE;
  if (write != wants_write_) {
    wants_write_ = write;
    client_.loop_.rewatch(descriptor_, write ? EPOLLIN | EPOLLOUT : EPOLLIN, this);
  }
}

void http2_connection::start_session() {
  state_ = state::greeting;
  nghttp2_session_client_new2(&session_, client_.callbacks_, this, client_.settings_);
  if (session_ == nullptr) return fail("no memory for an HTTP/2 session");
  const std::array<nghttp2_settings_entry, 1> settings{{{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  flush();
}

void http2_connection::tell_opened() {
  opened_now_ = false;
  attempts_ = 0;
  client_.handshake_over();
  if (observer_ != nullptr) observer_->on_open(*this);
}

std::size_t http2_connection::room() const noexcept {
  if (!is_open()) return 0;
  const auto allowed =
      nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return allowed > streams_.size() ? allowed - streams_.size() : 0;
}

namespace {

nghttp2_nv field(std::string_view name, std::string_view value, std::uint8_t flags = 0) {
  // nghttp2 copies both; its type is not const for historical reasons only.
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
          value.size(), flags};
}

ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* out, std::size_t room,
                  std::uint32_t* flags, nghttp2_data_source* source, void*) {
  auto& stream = *static_cast<client_stream*>(source->ptr);
  const auto bytes = std::min(room, stream.body.size() - stream.body_sent);
  std::memcpy(out, stream.body.data() + stream.body_sent, bytes);
  stream.body_sent += bytes;
  if (stream.body_sent == stream.body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(bytes);
}

}  // namespace

bool http2_connection::request(http2_request&& what, response_handler done) {
  if (room() == 0) return false;
  const auto& server = client_.options_.server;
  std::array<nghttp2_nv, 8> fields;
  std::size_t count = 0;
  fields[count++] = field(":method", what.method);
  fields[count++] = field(":scheme", server.tls ? "https" : "http");
  fields[count++] = field(":authority", server.authority);
  fields[count++] = field(":path", what.path);
  if (!what.content_type.empty()) fields[count++] = field("content-type", what.content_type);
  if (!what.prefer.empty()) fields[count++] = field("prefer", what.prefer);
  if (!what.authorization.empty())
    fields[count++] = field("authorization", what.authorization, NGHTTP2_NV_FLAG_NO_INDEX);

  auto stream = std::make_unique<client_stream>();
  stream->body = std::move(what.body);
  stream->done = std::move(done);
  stream->deadline = client_.loop_.now() + what.timeout;
  stream->slot = streams_.size();
  nghttp2_data_provider body;
  body.source.ptr = stream.get();
  body.read_callback = read_body;
  stream->id = nghttp2_submit_request(session_, nullptr, fields.data(), count,
                                      stream->body.empty() ? nullptr : &body, stream.get());
  if (stream->id < 0) return false;  // out of stream ids or memory: as good as no room
  streams_.push_back(std::move(stream));
  ask_for_flush();
  return true;
}

void http2_connection::ask_for_flush() {
  if (flush_asked_) return;
  flush_asked_ = true;
  client_.loop_.at_turn_end(this);
}

void http2_connection::on_turn_end() {
  flush_asked_ = false;
  if (session_ != nullptr) flush();
}

void http2_connection::on_io(std::uint32_t events) {
  switch (state_) {
    case state::connecting:
      connected();
      break;
    case state::handshaking:
      shake_hands();
      break;
    case state::greeting:
    case state::open:
      if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_all();
      if (session_ != nullptr && (events & EPOLLOUT) != 0) flush();
      break;
    default:
      break;
  }
}

void http2_connection::finish_streams() {
  // A handler may finish more by closing this connection: taken one by one.
  while (!finished_.empty()) {
    auto stream = std::move(finished_.back());
    finished_.pop_back();
    stream->done(std::move(stream->response));
  }
}

void http2_connection::expire(event_loop::time_point now) {
  if (state_ == state::connecting || state_ == state::handshaking || state_ == state::greeting) {
    if (now >= deadline_)
      fail(fmt::format("{} did not answer as an HTTP/2 server within {} s",
                       client_.options_.server.authority,
                       fleet_limits::handshake_timeout.count() / 1000));
    return;
  }
  bool reset = false;
  for (const auto& stream : streams_) {
    if (now < stream->deadline || stream->response.error != transport_error::none) continue;
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    stream->response.error = transport_error::timed_out;
    reset = true;
  }
  if (reset) flush();
}

void http2_connection::fail(std::string reason) {
  const bool held_place =
      state_ == state::connecting || state_ == state::handshaking || state_ == state::greeting;
  client_.last_failure_ = std::move(reason);
  if (state_ == state::open) ++client_.lost_;
  tear_down();
  state_ = state::backing_off;
  if (held_place) client_.handshake_over();
  while (!streams_.empty()) {
    streams_.back()->response.error = transport_error::connection_lost;
    streams_.back()->response.status = 0;
    session_events::finish(*this, streams_.size() - 1);
  }
  finish_streams();
  if (observer_ != nullptr) observer_->on_lost(*this);
  client_.loop_.at(client_.loop_.now() + client_.backoff(attempts_++), [this, alive = alive_] {
    if (*alive && state_ == state::backing_off) open();
  });
}

void http2_connection::tear_down() noexcept {
  const auto here = bytes_of_this_socket();
  earlier_.up += here.up;
  earlier_.down += here.down;
  plain_ = {};
  if (session_ != nullptr) nghttp2_session_del(session_);
  session_ = nullptr;
  // Else OpenSSL would declare the session ticket unusable.
  if (ssl_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  ssl_.reset();
  if (registered_) client_.loop_.forget(descriptor_);
  registered_ = false;
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  output_.clear();
  output_sent_ = 0;
  draining_ = opened_now_ = wants_write_ = false;
}

void http2_connection::close() noexcept {
  const bool held_place =
      state_ == state::connecting || state_ == state::handshaking || state_ == state::greeting;
  if (state_ == state::open && session_ != nullptr && output_.empty()) {
    nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
    if (gather_output() && write_pending() == io_status::done && ssl_) SSL_shutdown(ssl_.get());
  }
  if (state_ == state::queued) std::erase(client_.waiting_, this);
  tear_down();
  state_ = state::closed;
  streams_.clear();
  finished_.clear();
  if (held_place) client_.handshake_over();
}

}  // namespace watchkeeper::fleet
