#include "tests/net/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>

namespace watchkeeper::net::test {
namespace {

int connect_to(std::uint16_t port, const char* from = nullptr) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  const bool is_bound =
      from == nullptr || (::inet_pton(AF_INET, from, &own.sin_addr) == 1 &&
                          ::bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof own) == 0);
  if (fd < 0 || !is_bound || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    throw std::runtime_error("connect");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval limit{wait_max_ms / 1000, 0};  // a write that blocks for longer fails the test
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return fd;
}

void put_integer(std::string& out, std::uint8_t first, unsigned prefix_bits, std::size_t value) {
  const std::size_t limit = (std::size_t{1} << prefix_bits) - 1;
  if (value < limit) {
    out += static_cast<char>(first | value);
    return;
  }
  out += static_cast<char>(first | limit);
  value -= limit;
  while (value >= 128) {
    out += static_cast<char>(value % 128 + 128);
    value /= 128;
  }
  out += static_cast<char>(value);
}

}  // namespace

std::string be32(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
  return out;
}

raw_client raw_client::connect_h2c(std::uint16_t port, const char* from) {
  raw_client made;
  made.fd_ = connect_to(port, from);
  nghttp2_hd_inflate_new(&made.inflater_);
  made.established_ = true;
  return made;
}

raw_client raw_client::connect_tls(std::uint16_t port, const tls_settings& settings) {
  raw_client made;
  made.fd_ = connect_to(port);
  nghttp2_hd_inflate_new(&made.inflater_);
  made.context_ = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(made.context_, 0);                       // lets it offer TLS 1.1
  SSL_CTX_set_session_cache_mode(made.context_, SSL_SESS_CACHE_OFF);  // it would end them
  if (settings.version_max != 0) {
    SSL_CTX_set_min_proto_version(made.context_, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(made.context_, settings.version_max);
    SSL_CTX_set_cipher_list(made.context_, "ALL:@SECLEVEL=0");
  }
  made.ssl_ = SSL_new(made.context_);
  if (!settings.alpn.empty())
    SSL_set_alpn_protos(made.ssl_, reinterpret_cast<const unsigned char*>(settings.alpn.data()),
                        static_cast<unsigned>(settings.alpn.size()));
  if (settings.resume != nullptr) SSL_set_session(made.ssl_, settings.resume);
  SSL_set_fd(made.ssl_, made.fd_);
  const timeval limit{wait_max_ms / 1000, 0};
  ::setsockopt(made.fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ERR_clear_error();
  made.established_ = SSL_connect(made.ssl_) == 1;
  if (!made.established_) made.handshake_error_ = ERR_GET_REASON(ERR_peek_error());
  ERR_clear_error();
  return made;
}

raw_client::raw_client(raw_client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      context_(std::exchange(other.context_, nullptr)),
      ssl_(std::exchange(other.ssl_, nullptr)),
      inflater_(std::exchange(other.inflater_, nullptr)),
      established_(other.established_),
      ended_(other.ended_),
      sent_bytes_(other.sent_bytes_),
      handshake_error_(other.handshake_error_),
      buffered_(std::move(other.buffered_)),
      responses_(std::move(other.responses_)),
      goaway_(other.goaway_) {}

raw_client::~raw_client() {
  close();
}

void raw_client::close() {
  if (ssl_ != nullptr) {
    // Without this OpenSSL takes the session for a broken one and forbids its resumption.
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(std::exchange(ssl_, nullptr));
  }
  if (context_ != nullptr) SSL_CTX_free(std::exchange(context_, nullptr));
  if (inflater_ != nullptr) nghttp2_hd_inflate_del(std::exchange(inflater_, nullptr));
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

bool raw_client::send_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ssl_ != nullptr
                          ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                          : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      ERR_clear_error();
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
    sent_bytes_ += static_cast<std::uint64_t>(sent);
  }
  return true;
}

bool raw_client::send_frame(std::uint8_t type, std::uint8_t flags, std::int32_t stream,
                            std::string_view payload) {
  std::string frame = be32(static_cast<std::uint32_t>(payload.size())).substr(1);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  frame += be32(static_cast<std::uint32_t>(stream));
  frame += payload;
  return send_bytes(frame);
}

void raw_client::greet(const std::string& settings_payload) {
  send_bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  send_frame(NGHTTP2_SETTINGS, 0, 0, settings_payload);
}

bool raw_client::greet_and_wait() {
  greet();
  for (;;) {
    const auto frame = read_frame();
    if (!frame) return false;
    if (frame->type == NGHTTP2_SETTINGS && (frame->flags & NGHTTP2_FLAG_ACK) != 0) return true;
  }
}

std::string raw_client::encode(const field_list& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += '\0';  // literal, not indexed, new name (RFC 7541 section 6.2.2)
    put_integer(out, 0, 7, name.size());
    out += name;
    put_integer(out, 0, 7, value.size());
    out += value;
  }
  return out;
}

bool raw_client::send_headers(std::int32_t stream, const field_list& fields, bool end_stream) {
  std::string block = encode(fields);
  constexpr std::size_t piece = 16384;
  auto flags = static_cast<std::uint8_t>(end_stream ? NGHTTP2_FLAG_END_STREAM : 0);
  std::uint8_t type = NGHTTP2_HEADERS;
  while (block.size() > piece) {
    if (!send_frame(type, flags, stream, block.substr(0, piece))) return false;
    block.erase(0, piece);
    type = NGHTTP2_CONTINUATION;
    flags = 0;
  }
  return send_frame(type, static_cast<std::uint8_t>(flags | NGHTTP2_FLAG_END_HEADERS), stream,
                    block);
}

bool raw_client::send_data(std::int32_t stream, std::string_view bytes, bool end_stream) {
  do {
    const auto part = bytes.substr(0, 16384);
    bytes.remove_prefix(part.size());
    const bool last = end_stream && bytes.empty();
    if (!send_frame(NGHTTP2_DATA, last ? NGHTTP2_FLAG_END_STREAM : 0, stream, part)) return false;
  } while (!bytes.empty());
  return true;
}

bool raw_client::request(std::int32_t stream, const std::string& method, const std::string& path,
                         bool end, const field_list& more) {
  field_list fields{
      {":method", method}, {":scheme", "http"}, {":path", path}, {":authority", "localhost"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return send_headers(stream, fields, end);
}

bool raw_client::fill(int timeout_ms) {
  if (ended_ || fd_ < 0) return false;
  if (ssl_ == nullptr || SSL_pending(ssl_) == 0) {
    pollfd waiting{fd_, POLLIN, 0};
    if (::poll(&waiting, 1, timeout_ms) <= 0) return false;
  }
  char bytes[16384];
  const auto got =
      ssl_ != nullptr ? SSL_read(ssl_, bytes, sizeof bytes) : ::recv(fd_, bytes, sizeof bytes, 0);
  if (got <= 0) {
    // A ticket alone makes SSL_read come back with nothing to give.
    if (ssl_ != nullptr && SSL_get_error(ssl_, static_cast<int>(got)) == SSL_ERROR_WANT_READ)
      return true;
    ERR_clear_error();
    ended_ = true;
    return false;
  }
  buffered_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

std::optional<raw_frame> raw_client::read_frame(int timeout_ms) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(buffered_[i]); };
  for (;;) {
    if (buffered_.size() >= 9) {
      const std::size_t length = std::size_t{byte(0)} << 16 | std::size_t{byte(1)} << 8 | byte(2);
      if (buffered_.size() >= 9 + length) {
        raw_frame frame{
            byte(3), byte(4),
            static_cast<std::int32_t>(std::uint32_t{byte(5)} << 24 | std::uint32_t{byte(6)} << 16 |
                                      std::uint32_t{byte(7)} << 8 | byte(8)),
            buffered_.substr(9, length)};
        buffered_.erase(0, 9 + length);
        digest(frame);
        return frame;
      }
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !fill(static_cast<int>(left.count()))) return std::nullopt;
  }
}

void raw_client::digest(const raw_frame& frame) {
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i)
      value = value << 8 | static_cast<std::uint8_t>(frame.payload.at(at + i));
    return value;
  };
  switch (frame.type) {
    case NGHTTP2_HEADERS: {
      auto& response = responses_[frame.stream];
      const auto* in = reinterpret_cast<const std::uint8_t*>(frame.payload.data());
      std::size_t size = frame.payload.size();
      for (;;) {
        nghttp2_nv field;
        int flags = 0;
        const auto used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, in, size, 1);
        if (used < 0) throw std::runtime_error("bad header block");
        in += used;
        size -= static_cast<std::size_t>(used);
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
          response.fields[{reinterpret_cast<char*>(field.name), field.namelen}] = {
              reinterpret_cast<char*>(field.value), field.valuelen};
        if (flags & NGHTTP2_HD_INFLATE_FINAL) break;
      }
      nghttp2_hd_inflate_end_headers(inflater_);
      response.ended |= (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
      break;
    }
    case NGHTTP2_DATA:
      responses_[frame.stream].body += frame.payload;
      responses_[frame.stream].ended |= (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
      break;
    case NGHTTP2_RST_STREAM:
      responses_[frame.stream].reset = number(0);
      break;
    case NGHTTP2_GOAWAY:
      goaway_ = number(4);
      break;
    case NGHTTP2_SETTINGS:
      if (acknowledges && (frame.flags & NGHTTP2_FLAG_ACK) == 0)
        send_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "");
      break;
    case NGHTTP2_PING:
      if (acknowledges && (frame.flags & NGHTTP2_FLAG_ACK) == 0)
        send_frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, frame.payload);
      break;
    default:
      break;
  }
}

raw_response raw_client::read_response(std::int32_t stream, int timeout_ms) {
  return read_body(stream, std::string::npos, timeout_ms);
}

bool raw_client::ping(const std::function<void(const raw_frame&)>& see) {
  constexpr std::string_view payload = "roundtrp";
  send_frame(NGHTTP2_PING, 0, 0, payload);
  for (;;) {
    const auto frame = read_frame();
    if (!frame) return false;
    if (frame->type == NGHTTP2_PING && (frame->flags & NGHTTP2_FLAG_ACK) != 0 &&
        frame->payload == payload)
      return true;
    if (see) see(*frame);
  }
}

raw_response raw_client::read_body(std::int32_t stream, std::size_t bytes, int timeout_ms) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!responses_[stream].ended && !responses_[stream].reset &&
         responses_[stream].body.size() < bytes) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !read_frame(static_cast<int>(left.count()))) break;
  }
  return responses_[stream];
}

raw_client::ending raw_client::read_to_end(int timeout_ms) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !read_frame(static_cast<int>(left.count()))) break;
  }
  return {ended_, goaway_};
}

}  // namespace watchkeeper::net::test
