#include "sdk/c/http2/channel.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace watchkeeper::sdk::http2 {

io_status channel::connect(const socket_address& to) {
  error_.clear();
  is_certificate_error_ = false;
  socket_ = ::socket(to.bytes.ss_family, SOCK_STREAM, 0);
  if (socket_ < 0) return socket_status(false);
  fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
  fcntl(socket_, F_SETFD, FD_CLOEXEC);
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  wants_write_ = true;
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to.bytes), to.size) == 0 ||
      errno == EINPROGRESS)
    return io_status::again;
  return socket_status(false);
}

io_status channel::finish_connect() {
  pollfd ready{socket_, POLLOUT, 0};
  if (::poll(&ready, 1, 0) <= 0) return io_status::again;
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
  wants_write_ = false;
  if (error == 0) return io_status::done;
  error_ = std::strerror(error);
  return io_status::failed;
}

bool channel::begin_tls(const tls_context& context, const std::string& host) {
  ssl_ = context.attach(socket_, host);
  return ssl_ != nullptr;
}

io_status channel::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    wants_write_ = false;
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
    return size == 2 && std::memcmp(protocol, "h2", 2) == 0 ? io_status::done : io_status::closed;
  }
  const auto status = tls_status(result, false);
  if (status == io_status::again) return status;
  const auto verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK && SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE) {
    is_certificate_error_ = true;
    error_ = X509_verify_cert_error_string(verified);
  } else if (error_.empty()) {
    error_ = "the gateway closed the connection";
  }
  return io_status::failed;
}

/// A read leaves `wants_write_` alone: output may wait for the socket.
io_status channel::tls_status(int result, bool reading) {
  const int why = SSL_get_error(ssl_.get(), result);
  if (!reading) wants_write_ = why == SSL_ERROR_WANT_WRITE;
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return io_status::again;
  if (why == SSL_ERROR_ZERO_RETURN) return io_status::closed;
  error_ = take_openssl_error();
  return io_status::failed;
}

io_status channel::socket_status(bool reading) {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    if (!reading) wants_write_ = true;
    return io_status::again;
  }
  error_ = std::strerror(errno);
  return io_status::failed;
}

io_status channel::read(std::span<char> buffer, std::size_t& bytes) {
  if (ssl_) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (got <= 0) return tls_status(got, true);
    bytes = static_cast<std::size_t>(got);
    return io_status::done;
  }
  ssize_t got;
  do got = ::recv(socket_, buffer.data(), buffer.size(), 0);
  while (got < 0 && errno == EINTR);
  if (got == 0) return io_status::closed;
  if (got < 0) return socket_status(true);
  bytes = static_cast<std::size_t>(got);
  plain_.down += bytes;
  return io_status::done;
}

io_status channel::write(std::string_view data, std::size_t& bytes) {
  wants_write_ = false;
  if (ssl_) {
    ERR_clear_error();
    const int put = SSL_write(ssl_.get(), data.data(), static_cast<int>(data.size()));
    if (put <= 0) return tls_status(put, false);
    bytes = static_cast<std::size_t>(put);
    return io_status::done;
  }
  ssize_t put;
  do put = ::send(socket_, data.data(), data.size(), MSG_NOSIGNAL);
  while (put < 0 && errno == EINTR);
  if (put < 0) return socket_status(false);
  bytes = static_cast<std::size_t>(put);
  plain_.up += bytes;
  return io_status::done;
}

bool channel::has_buffered() const noexcept {
  return ssl_ && SSL_pending(ssl_.get()) > 0;
}

void channel::close(bool politely) noexcept {
  if (socket_ < 0) return;
  if (ssl_ && politely) SSL_shutdown(ssl_.get());
  const auto here = bytes_of_socket();
  earlier_.up += here.up;
  earlier_.down += here.down;
  plain_ = {};
  // Otherwise OpenSSL would declare the resumption ticket unusable.
  if (ssl_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  ssl_.reset();
  ::close(std::exchange(socket_, -1));
  wants_write_ = false;
}

byte_count channel::bytes_of_socket() const noexcept {
  if (!ssl_) return plain_;
  return {BIO_number_written(SSL_get_wbio(ssl_.get())), BIO_number_read(SSL_get_rbio(ssl_.get()))};
}

byte_count channel::bytes() const noexcept {
  const auto here = bytes_of_socket();
  return {earlier_.up + here.up, earlier_.down + here.down};
}

}  // namespace watchkeeper::sdk::http2
