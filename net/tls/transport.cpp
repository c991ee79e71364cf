#include "net/tls/transport.hpp"

#include <openssl/err.h>
#include <sys/socket.h>

#include <cerrno>
#include <new>

namespace watchkeeper::net {

transport::transport(int descriptor, SSL_CTX* context) : descriptor_(descriptor) {
  if (context == nullptr) return;
  ssl_ = SSL_new(context);
  if (ssl_ == nullptr || SSL_set_fd(ssl_, descriptor) != 1) {
    SSL_free(ssl_);
    ERR_clear_error();
    throw std::bad_alloc();
  }
  SSL_set_accept_state(ssl_);
}

transport::~transport() {
  SSL_free(ssl_);
}

transport::status transport::translate(int result) noexcept {
  // The thread's error queue is empty before every call: whatever fills it is cleared here.
  const int error = SSL_get_error(ssl_, result);
  switch (error) {
    case SSL_ERROR_WANT_READ:
      return status::wants_read;
    case SSL_ERROR_WANT_WRITE:
      return status::wants_write;
    case SSL_ERROR_ZERO_RETURN:
      return status::closed;
    default:
      break;
  }
  broken_ = true;
  ERR_clear_error();
  return status::failed;
}

transport::status transport::handshake() noexcept {
  if (ssl_ == nullptr) return status::done;
  const int result = SSL_do_handshake(ssl_);
  return result == 1 ? status::done : translate(result);
}

bool transport::resumed() const noexcept {
  return ssl_ != nullptr && SSL_session_reused(ssl_) == 1;
}

transport::outcome transport::read(std::span<std::uint8_t> into) noexcept {
  if (ssl_ != nullptr) {
    const int result = SSL_read(ssl_, into.data(), static_cast<int>(into.size()));
    if (result > 0) return {status::done, static_cast<std::size_t>(result)};
    return {translate(result), 0};
  }
  const ssize_t result = ::recv(descriptor_, into.data(), into.size(), 0);
  if (result > 0) {
    total_.received += static_cast<std::uint64_t>(result);
    return {status::done, static_cast<std::size_t>(result)};
  }
  if (result == 0) return {status::closed, 0};
  if (errno == EAGAIN || errno == EINTR) return {status::wants_read, 0};
  return {status::failed, 0};
}

transport::outcome transport::write(std::span<const std::uint8_t> from) noexcept {
  if (from.empty()) return {};
  if (ssl_ != nullptr) {
    const int result = SSL_write(ssl_, from.data(), static_cast<int>(from.size()));
    if (result > 0) return {status::done, static_cast<std::size_t>(result)};
    return {translate(result), 0};
  }
  const ssize_t result = ::send(descriptor_, from.data(), from.size(), MSG_NOSIGNAL);
  if (result >= 0) {
    total_.sent += static_cast<std::uint64_t>(result);
    return {status::done, static_cast<std::size_t>(result)};
  }
  if (errno == EAGAIN || errno == EINTR) return {status::wants_write, 0};
  return {status::failed, 0};
}

bool transport::has_pending() const noexcept {
  return ssl_ != nullptr && SSL_has_pending(ssl_) == 1;
}

void transport::finish() noexcept {
  if (ssl_ != nullptr && !broken_ && SSL_is_init_finished(ssl_)) {
    SSL_shutdown(ssl_);
    ERR_clear_error();
  }
  ::shutdown(descriptor_, SHUT_WR);
}

transport::traffic transport::take_traffic() noexcept {
  if (ssl_ != nullptr) {
    BIO* bio = SSL_get_rbio(ssl_);  // SSL_set_fd made one for both directions
    total_ = {BIO_number_read(bio), BIO_number_written(bio)};
  }
  const traffic news{total_.received - given_.received, total_.sent - given_.sent};
  given_ = total_;
  return news;
}

}  // namespace watchkeeper::net
