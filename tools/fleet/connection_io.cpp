// The bytes of http2_connection: between the socket, TLS and the nghttp2 session.

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "tools/fleet/http2_connection.hpp"
#include "tools/fleet/http2_stream.hpp"

namespace watchkeeper::fleet {

void http2_connection::read_all() {
  auto& buffer = client_.read_buffer_;
  // As many rounds as one turn may spend on one connection; epoll is level-triggered, so what is
  // left in the socket comes back, and what OpenSSL holds is asked for.
  for (int round = 0; round < 16 || (ssl_ && SSL_pending(ssl_.get()) > 0); ++round) {
    ssize_t bytes;
    if (ssl_) {
      ERR_clear_error();
      bytes = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
      if (bytes <= 0) {
        const int why = SSL_get_error(ssl_.get(), static_cast<int>(bytes));
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) break;
        return fail(why == SSL_ERROR_ZERO_RETURN ? "the server closed the connection"
                                                 : "the connection was lost");
      }
    } else {
      bytes = recv(descriptor_, buffer.data(), buffer.size(), 0);
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
      if (bytes <= 0)
        return fail(
            bytes < 0 ? fmt::format("the connection was lost: {}", std::strerror(errno))
            : state_ == state::greeting
                ? fmt::format("{} closed the connection without answering as HTTP/2; if it speaks "
                              "TLS, the URL must begin with https://",
                              client_.options_.server.authority)
                : std::string{"the server closed the connection"});
      plain_.down += static_cast<std::uint64_t>(bytes);
    }
    const auto taken =
        nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(buffer.data()),
                                 static_cast<std::size_t>(bytes));
    if (taken < 0)
      return fail(fmt::format("{} does not speak HTTP/2: {}", client_.options_.server.authority,
                              nghttp2_strerror(static_cast<int>(taken))));
    if (opened_now_) tell_opened();
    finish_streams();
    if (session_ == nullptr) return;  // a handler closed the connection
    if (!ssl_ && static_cast<std::size_t>(bytes) < buffer.size()) break;
  }
  if (draining_ && streams_.empty()) return fail("the server said goodbye (GOAWAY)");
  if (nghttp2_session_want_write(session_) != 0)
    ask_for_flush();
  else if (nghttp2_session_want_read(session_) == 0)
    fail("the HTTP/2 session has ended");
}

bool http2_connection::gather_output() {
  while (output_.size() < fleet_limits::output_bytes_pending_max) {
    const std::uint8_t* data = nullptr;
    const auto bytes = nghttp2_session_mem_send(session_, &data);
    if (bytes < 0) return false;
    if (bytes == 0) break;
    output_.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(bytes));
  }
  return true;
}

http2_connection::io_status http2_connection::write_pending() {
  while (output_sent_ < output_.size()) {
    const char* data = output_.data() + output_sent_;
    const auto left = output_.size() - output_sent_;
    ssize_t bytes;
    if (ssl_) {
      ERR_clear_error();
      bytes = SSL_write(ssl_.get(), data, static_cast<int>(left));
      if (bytes <= 0) {
        const int why = SSL_get_error(ssl_.get(), static_cast<int>(bytes));
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? io_status::again
                                                                         : io_status::failed;
      }
    } else {
      bytes = send(descriptor_, data, left, MSG_NOSIGNAL);
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? io_status::again : io_status::failed;
      plain_.up += static_cast<std::uint64_t>(bytes);
    }
    output_sent_ += static_cast<std::size_t>(bytes);
  }
  output_.clear();
  output_sent_ = 0;
  // An idle connection should not hold on to the room that a burst took.
  if (output_.capacity() > 4096) output_.shrink_to_fit();
  return io_status::done;
}

void http2_connection::flush() {
  auto status = io_status::done;
  do {
    if (output_.empty() && !gather_output()) return fail("the HTTP/2 session failed");
    if (output_.empty()) break;
    status = write_pending();
  } while (status == io_status::done);
  if (status == io_status::failed) return fail("the connection was lost while writing");
  const bool write = status == io_status::again;
  if (write != wants_write_) {
    wants_write_ = write;
    client_.loop_.rewatch(descriptor_, write ? EPOLLIN | EPOLLOUT : EPOLLIN, this);
  }
  // Streams that we reset, or that GOAWAY left unsent, end while the session writes.
  finish_streams();
}

byte_count http2_connection::bytes_of_this_socket() const noexcept {
  if (!ssl_) return plain_;
  return {BIO_number_written(SSL_get_wbio(ssl_.get())), BIO_number_read(SSL_get_rbio(ssl_.get()))};
}

byte_count http2_connection::bytes() const noexcept {
  const auto here = bytes_of_this_socket();
  return {earlier_.up + here.up, earlier_.down + here.down};
}

}  // namespace watchkeeper::fleet
