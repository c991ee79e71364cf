#include "sdk/c/http2_transport.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/c/limits.hpp"
#include "sdk/c/socket_bio.hpp"

namespace watchkeeper::sdk {
namespace {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using bio_method = std::unique_ptr<BIO_METHOD, freed_by<BIO_meth_free>>;
using tls_context = std::unique_ptr<SSL_CTX, freed_by<SSL_CTX_free>>;
using tls_connection = std::unique_ptr<SSL, freed_by<SSL_free>>;
using tls_ticket = std::unique_ptr<SSL_SESSION, freed_by<SSL_SESSION_free>>;
using http2_session = std::unique_ptr<nghttp2_session, freed_by<nghttp2_session_del>>;

constexpr std::size_t addresses_max = 8;
constexpr std::int64_t connect_timeout_ms = 5'000;  // then the next address is tried

struct address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

/// The request under way; the body is sent from here.
struct exchange {
  std::uint64_t id = 0;
  std::string method, path, content_type, prefer, cache_control, body;
  std::size_t body_sent = 0;
  std::int32_t stream = 0;
  bool submitted = false;  // bytes of it may have left
  bool done = false;
  std::uint32_t reset = NGHTTP2_NO_ERROR;
  bool unprocessed = false;  // the gateway said that it did not look at it
  http_response response;
};

class connection_transport final : public transport {
 public:
  explicit connection_transport(http2_options options) : options_(std::move(options)) {}
  ~connection_transport() override { disconnect(true); }

  bool send(const transport_request& request, transport_events& events) override;
  void cancel(std::uint64_t id) override;
  void poll(std::int64_t now_ms, transport_events& events) override;
  std::int64_t next_due_ms(std::int64_t now_ms) override;
  int descriptor(short& events) override;
  std::uint64_t bytes_up() const override { return up_ + bytes_of_socket(true); }
  std::uint64_t bytes_down() const override { return down_ + bytes_of_socket(false); }

 private:
  enum class state : std::uint8_t { closed, connecting, handshaking, open };

  void advance(std::int64_t now_ms, transport_events& events);
  bool resolve();
  void connect_next(std::int64_t now_ms);
  void connect_on();
  void shake_hands();
  bool make_context();
  void begin_session();
  void submit();
  void read_some();
  void write_some();
  void settle(transport_events& events);
  void lose(std::string why) { failure_ = failure_.empty() ? std::move(why) : failure_; }
  void disconnect(bool politely) noexcept;
  std::uint64_t bytes_of_socket(bool up) const noexcept;

  static int keep_ticket(SSL* ssl, SSL_SESSION* ticket);
  static int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                       const std::uint8_t*, std::size_t, std::uint8_t, void*);
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t*, std::size_t,
                     void*);
  static int on_close(nghttp2_session*, std::int32_t, std::uint32_t, void*);
  static int on_frame(nghttp2_session*, const nghttp2_frame*, void*);

  http2_options options_;
  bio_method method_;
  tls_context context_;
  tls_ticket ticket_;
  std::vector<address> addresses_;
  std::size_t next_address_ = 0;
  state state_ = state::closed;
  int socket_ = -1;
  tls_connection ssl_;
  http2_session session_;
  std::string output_;
  bool wants_write_ = false;
  bool goodbye_ = false;
  bool proven_ = false;  // it has carried a response
  std::int64_t connect_deadline_ms_ = 0;
  std::int64_t used_ms_ = 0;
  std::optional<exchange> exchange_;
  std::string failure_;
  std::uint64_t up_ = 0, down_ = 0;              // of connections closed since
  std::uint64_t plain_up_ = 0, plain_down_ = 0;  // of this one without TLS
};

std::string openssl_says() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "the connection was closed" : reason;
}

// -- The way to an open connection.

bool connection_transport::resolve() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const auto port = std::to_string(options_.to.port);
  if (const int why = getaddrinfo(options_.to.host.c_str(), port.c_str(), &hints, &found);
      why != 0) {
    lose("the host " + options_.to.host + " is not known: " + gai_strerror(why));
    return false;
  }
  addresses_.clear();
  next_address_ = 0;
  for (auto* at = found; at != nullptr && addresses_.size() < addresses_max; at = at->ai_next) {
    address each;
    std::memcpy(&each.bytes, at->ai_addr, at->ai_addrlen);
    each.size = at->ai_addrlen;
    addresses_.push_back(each);
  }
  freeaddrinfo(found);
  return true;
}

void connection_transport::connect_next(std::int64_t now_ms) {
  std::string why = "no address";
  while (next_address_ < addresses_.size()) {
    const auto& to = addresses_[next_address_++];
    socket_ = ::socket(to.bytes.ss_family, SOCK_STREAM, 0);
    if (socket_ < 0) {
      why = std::strerror(errno);
      continue;
    }
    fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
    fcntl(socket_, F_SETFD, FD_CLOEXEC);
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to.bytes), to.size) == 0 ||
        errno == EINPROGRESS) {
      state_ = state::connecting;
      wants_write_ = true;
      connect_deadline_ms_ = now_ms + connect_timeout_ms;
      return;
    }
    why = std::strerror(errno);
    ::close(std::exchange(socket_, -1));
  }
  lose("cannot connect to " + options_.to.authority + ": " + why);
}

void connection_transport::connect_on() {
  pollfd probe{socket_, POLLOUT, 0};
  if (::poll(&probe, 1, 0) <= 0) return;
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    ::close(std::exchange(socket_, -1));
    state_ = state::closed;
    if (next_address_ >= addresses_.size())
      lose("cannot connect to " + options_.to.authority + ": " + std::strerror(error));
    return;
  }
  wants_write_ = false;
  if (!options_.to.tls) return begin_session();
  if (!context_ && !make_context()) return;
  ssl_.reset(SSL_new(context_.get()));
  BIO* bio = ssl_ ? make_socket_bio(method_.get(), socket_) : nullptr;
  if (bio == nullptr) return lose("no memory for TLS");
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_connect_state(ssl_.get());
  in6_addr number;
  const auto& host = options_.to.host;
  const bool numeric = inet_pton(AF_INET, host.c_str(), &number) == 1 ||
                       inet_pton(AF_INET6, host.c_str(), &number) == 1;
  // Without its name set a certificate for any other host would do.
  const bool is_named =
      numeric ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str()) == 1
              : SSL_set_tlsext_host_name(ssl_.get(), host.c_str()) == 1 &&
                    SSL_set1_host(ssl_.get(), host.c_str()) == 1;
  if (!is_named) return lose("the host's name cannot be verified");
  if (ticket_) SSL_set_session(ssl_.get(), ticket_.get());
  state_ = state::handshaking;
  shake_hands();
}

bool connection_transport::make_context() {
  method_.reset(make_socket_bio_method());
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (!context_ || !method_) {
    lose("no memory for TLS");
    return false;
  }
  auto* context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_ticket);
  static constexpr std::array<unsigned char, 3> alpn{2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context, alpn.data(), alpn.size());
  const bool loaded =
      options_.ca_path.empty()
          ? SSL_CTX_set_default_verify_paths(context) == 1
          : SSL_CTX_load_verify_locations(context, options_.ca_path.c_str(), nullptr) == 1;
  if (loaded) return true;
  lose("the file of authorities '" + options_.ca_path + "' cannot be used: " + openssl_says());
  context_.reset();
  return false;
}

int connection_transport::keep_ticket(SSL* ssl, SSL_SESSION* ticket) {
  static_cast<connection_transport*>(SSL_get_app_data(ssl))->ticket_.reset(ticket);
  return 1;  // the reference is ours now
}

void connection_transport::shake_hands() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
    if (size != 2 || std::memcmp(protocol, "h2", 2) != 0)
      return lose(options_.to.authority + " does not speak HTTP/2");
    return begin_session();
  }
  const int why = SSL_get_error(ssl_.get(), done);
  wants_write_ = why == SSL_ERROR_WANT_WRITE;
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return;
  ticket_.reset();
  const auto verified = SSL_get_verify_result(ssl_.get());
  lose(verified != X509_V_OK ? std::string{"the gateway's certificate is not trusted: "} +
                                   X509_verify_cert_error_string(verified)
                             : "the TLS handshake failed: " + openssl_says());
}

void connection_transport::begin_session() {
  nghttp2_session_callbacks* callbacks = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) return lose("no memory for HTTP/2");
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session* made = nullptr;
  const int failed = nghttp2_session_client_new(&made, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  if (failed != 0) return lose("no memory for HTTP/2");
  session_.reset(made);
  const std::array<nghttp2_settings_entry, 1> settings{{{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}}};
  nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  state_ = state::open;
}

// -- Requests.

nghttp2_nv field(std::string_view name, std::string_view value) {
  // nghttp2 copies both; its type is not const for historical reasons only.
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
          value.size(), NGHTTP2_NV_FLAG_NONE};
}

ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* out, std::size_t room,
                  std::uint32_t* flags, nghttp2_data_source* source, void*) {
  auto& of = *static_cast<exchange*>(source->ptr);
  const auto size = std::min(room, of.body.size() - of.body_sent);
  std::memcpy(out, of.body.data() + of.body_sent, size);
  of.body_sent += size;
  if (of.body_sent == of.body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(size);
}

void connection_transport::submit() {
  auto& of = *exchange_;
  std::array<nghttp2_nv, 7> fields;
  std::size_t count = 0;
  fields[count++] = field(":method", of.method);
  fields[count++] = field(":scheme", options_.to.tls ? "https" : "http");
  fields[count++] = field(":authority", options_.to.authority);
  fields[count++] = field(":path", of.path);
  if (!of.content_type.empty()) fields[count++] = field("content-type", of.content_type);
  if (!of.prefer.empty()) fields[count++] = field("prefer", of.prefer);
  if (!of.cache_control.empty()) fields[count++] = field("cache-control", of.cache_control);
  nghttp2_data_provider body;
  body.source.ptr = &of;
  body.read_callback = read_body;
  of.stream = nghttp2_submit_request(session_.get(), nullptr, fields.data(), count,
                                     of.body.empty() ? nullptr : &body, nullptr);
  if (of.stream < 0) return lose("the HTTP/2 session takes no request");
  of.submitted = true;
}

bool connection_transport::send(const transport_request& request, transport_events&) {
  if (exchange_) return false;
  exchange_.emplace();
  exchange_->id = request.id;
  exchange_->method = request.method;
  exchange_->path = request.path;
  if (request.content_type != nullptr) exchange_->content_type = request.content_type;
  if (request.prefer != nullptr) exchange_->prefer = request.prefer;
  if (request.cache_control != nullptr) exchange_->cache_control = request.cache_control;
  exchange_->body = request.body;
  return true;
}

void connection_transport::cancel(std::uint64_t id) {
  if (!exchange_ || exchange_->id != id) return;
  // A connection on which a response did not come in time is not used again.
  exchange_.reset();
  disconnect(false);
}

int connection_transport::on_header(nghttp2_session*, const nghttp2_frame* frame,
                                    const std::uint8_t* name, std::size_t name_size,
                                    const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                                    void* user) {
  auto& self = *static_cast<connection_transport*>(user);
  if (!self.exchange_ || frame->hd.stream_id != self.exchange_->stream) return 0;
  const std::string_view field{reinterpret_cast<const char*>(name), name_size};
  const std::string_view text{reinterpret_cast<const char*>(value), value_size};
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc{} && end == text.data() + text.size() && number >= 0;
  if (field == ":status" && whole) self.exchange_->response.status = static_cast<int>(number);
  if (field == "retry-after" && whole)
    self.exchange_->response.retry_after_ms =
        std::min<std::int64_t>(number, sdk_limits::retry_after_ms_max / 1000) * 1000;
  return 0;
}

int connection_transport::on_data(nghttp2_session*, std::uint8_t, std::int32_t stream,
                                  const std::uint8_t* data, std::size_t size, void* user) {
  auto& self = *static_cast<connection_transport*>(user);
  if (!self.exchange_ || stream != self.exchange_->stream) return 0;
  auto& response = self.exchange_->response;
  if (response.too_long) return 0;
  if (response.body.size() + size > sdk_limits::response_bytes_max) {
    response.too_long = true;
    response.body.clear();
    nghttp2_submit_rst_stream(self.session_.get(), NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    return 0;
  }
  response.body.append(reinterpret_cast<const char*>(data), size);
  return 0;
}

int connection_transport::on_close(nghttp2_session*, std::int32_t stream, std::uint32_t error,
                                   void* user) {
  auto& self = *static_cast<connection_transport*>(user);
  if (!self.exchange_ || stream != self.exchange_->stream) return 0;
  self.exchange_->done = true;
  self.exchange_->reset = error;
  if (error == NGHTTP2_REFUSED_STREAM) self.exchange_->unprocessed = true;
  return 0;
}

int connection_transport::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  auto& self = *static_cast<connection_transport*>(user);
  if (frame->hd.type == NGHTTP2_GOAWAY) self.goodbye_ = true;
  return 0;
}

// -- Bytes.

void connection_transport::read_some() {
  std::array<char, 4096> buffer;
  while (session_ && failure_.empty()) {
    ssize_t size;
    if (ssl_) {
      ERR_clear_error();
      size = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
      if (size <= 0) {
        const int why = SSL_get_error(ssl_.get(), static_cast<int>(size));
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return;
        return lose(why == SSL_ERROR_ZERO_RETURN ? "the gateway closed the connection"
                                                 : "the connection was lost: " + openssl_says());
      }
    } else {
      size = ::recv(socket_, buffer.data(), buffer.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (size <= 0) return lose("the gateway closed the connection");
      plain_down_ += static_cast<std::uint64_t>(size);
    }
    const auto taken = nghttp2_session_mem_recv(
        session_.get(), reinterpret_cast<const std::uint8_t*>(buffer.data()),
        static_cast<std::size_t>(size));
    if (taken < 0)
      return lose(options_.to.authority +
                  " does not speak HTTP/2: " + nghttp2_strerror(static_cast<int>(taken)));
  }
}

void connection_transport::write_some() {
  wants_write_ = false;
  while (session_ && failure_.empty()) {
    while (output_.size() < 32 * 1024) {
      const std::uint8_t* data = nullptr;
      const auto size = nghttp2_session_mem_send(session_.get(), &data);
      if (size < 0) return lose("the HTTP/2 session failed");
      if (size == 0) break;
      output_.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    }
    if (output_.empty()) return;
    ssize_t size;
    if (ssl_) {
      ERR_clear_error();
      size = SSL_write(ssl_.get(), output_.data(), static_cast<int>(output_.size()));
      if (size <= 0) {
        const int why = SSL_get_error(ssl_.get(), static_cast<int>(size));
        wants_write_ = why == SSL_ERROR_WANT_WRITE;
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return;
        return lose("the connection was lost: " + openssl_says());
      }
    } else {
      size = ::send(socket_, output_.data(), output_.size(), MSG_NOSIGNAL);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        wants_write_ = true;
        return;
      }
      if (size < 0) return lose(std::string{"the connection was lost: "} + std::strerror(errno));
      plain_up_ += static_cast<std::uint64_t>(size);
    }
    output_.erase(0, static_cast<std::size_t>(size));
  }
}

std::uint64_t connection_transport::bytes_of_socket(bool up) const noexcept {
  if (!ssl_) return up ? plain_up_ : plain_down_;
  return up ? BIO_number_written(SSL_get_wbio(ssl_.get()))
            : BIO_number_read(SSL_get_rbio(ssl_.get()));
}

void connection_transport::disconnect(bool politely) noexcept {
  if (politely && session_ && output_.empty()) {
    nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR);
    write_some();
    if (ssl_ && failure_.empty()) SSL_shutdown(ssl_.get());
  }
  up_ += bytes_of_socket(true);
  down_ += bytes_of_socket(false);
  plain_up_ = plain_down_ = 0;
  session_.reset();
  // Else OpenSSL would declare the session ticket unusable.
  if (ssl_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  ssl_.reset();
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  output_.clear();
  output_.shrink_to_fit();
  addresses_.clear();
  addresses_.shrink_to_fit();
  next_address_ = 0;
  state_ = state::closed;
  wants_write_ = goodbye_ = proven_ = false;
  failure_.clear();
}

// -- Driving it.

void connection_transport::advance(std::int64_t now_ms, transport_events& events) {
  for (int step = 0; step < 16; ++step) {
    const auto before = state_;
    if (state_ == state::closed) {
      if (!exchange_ || (addresses_.empty() && !resolve())) break;
      connect_next(now_ms);
    } else if (state_ == state::connecting) {
      connect_on();
      if (state_ == state::connecting && now_ms >= connect_deadline_ms_ &&
          next_address_ < addresses_.size()) {
        ::close(std::exchange(socket_, -1));
        state_ = state::closed;
      }
    } else if (state_ == state::handshaking) {
      shake_hands();
    } else {
      read_some();
      // Closed while nothing was under way: nobody has to be told of that.
      if (!failure_.empty() && proven_ && exchange_ && !exchange_->submitted) {
        disconnect(false);
        continue;
      }
      if (failure_.empty() && exchange_ && !exchange_->submitted && !goodbye_) submit();
      if (failure_.empty()) write_some();
      settle(events);
      // A gateway that says goodbye takes nothing new on this connection.
      if (goodbye_ && failure_.empty() && (!exchange_ || !exchange_->submitted)) disconnect(true);
      if (session_ && nghttp2_session_want_read(session_.get()) == 0 &&
          nghttp2_session_want_write(session_.get()) == 0)
        lose("the HTTP/2 session has ended");
    }
    if (!failure_.empty() || state_ == before) break;
  }
}

void connection_transport::settle(transport_events& events) {
  if (!exchange_ || !exchange_->done) return;
  auto over = std::move(*exchange_);
  exchange_.reset();
  proven_ = true;
  if (over.reset == NGHTTP2_NO_ERROR || over.response.too_long)
    events.on_response(over.id, std::move(over.response));
  else
    events.on_failure(over.id, !over.unprocessed, "the gateway reset the request");
}

void connection_transport::poll(std::int64_t now_ms, transport_events& events) {
  if (exchange_) used_ms_ = now_ms;
  advance(now_ms, events);
  if (!failure_.empty()) {
    auto why = std::exchange(failure_, std::string{});
    auto lost = std::exchange(exchange_, std::nullopt);
    disconnect(false);
    if (lost) events.on_failure(lost->id, lost->submitted, why);
  }
  if (!exchange_ && state_ != state::closed && now_ms - used_ms_ >= sdk_limits::idle_connection_ms)
    disconnect(true);
}

std::int64_t connection_transport::next_due_ms(std::int64_t now_ms) {
  if (exchange_ && (state_ == state::closed || (state_ == state::open && !exchange_->submitted)))
    return 0;
  if (state_ == state::connecting && next_address_ < addresses_.size())
    return std::max<std::int64_t>(0, connect_deadline_ms_ - now_ms);
  if (!exchange_ && state_ != state::closed)
    return std::max<std::int64_t>(0, used_ms_ + sdk_limits::idle_connection_ms - now_ms);
  return -1;
}

int connection_transport::descriptor(short& events) {
  events = static_cast<short>(socket_ < 0 ? 0 : POLLIN | (wants_write_ ? POLLOUT : 0));
  return socket_;
}

}  // namespace

std::unique_ptr<transport> make_http2_transport(http2_options options) {
  return std::make_unique<connection_transport>(std::move(options));
}

}  // namespace watchkeeper::sdk
