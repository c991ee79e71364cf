#include "sdk/c/http2/connection.hpp"

#include <utility>

#include "sdk/c/limits.hpp"

namespace watchkeeper::sdk::http2 {

bool connection::fail(std::string why) {
  close(false);
  failure_ = std::move(why);
  return false;
}

bool connection::connect(const socket_address& to) {
  failure_.clear();
  state_ = state::connecting;
  if (channel_.connect(to) != io_status::failed) return true;
  return fail("cannot connect to " + context_.server().authority + ": " + channel_.error());
}

bool connection::advance(std::span<char> buffer) {
  if (state_ == state::connecting && !finish_connect()) return false;
  if (state_ == state::handshaking && !shake_hands()) return false;
  return state_ < state::greeting || read(buffer);
}

bool connection::finish_connect() {
  const auto status = channel_.finish_connect();
  if (status == io_status::again) return true;
  const auto& server = context_.server();
  if (status != io_status::done)
    return fail("cannot connect to " + server.authority + ": " + channel_.error());
  if (context_.tls() == nullptr) return greet();
  if (!channel_.begin_tls(*context_.tls(), server.host))
    return fail("TLS cannot begin: no memory, or the name of the host cannot be verified");
  state_ = state::handshaking;
  return true;
}

bool connection::shake_hands() {
  switch (channel_.shake_hands()) {
    case io_status::again:
      return true;
    case io_status::done:
      return greet();
    case io_status::closed:
      return fail(context_.server().authority +
                  " does not speak HTTP/2 (it did not select h2 in the TLS handshake)");
    case io_status::failed:
      break;
  }
  context_.tls()->forget_ticket();
  return fail((channel_.is_certificate_error() ? "the gateway's certificate is not trusted: "
                                               : "the TLS handshake failed: ") +
              channel_.error());
}

bool connection::greet() {
  if (!session_.begin()) return fail("no memory for HTTP/2");
  state_ = state::greeting;
  return flush();
}

bool connection::read(std::span<char> buffer) {
  const auto& authority = context_.server().authority;
  // A bound on what one connection may take of a turn of the owner. The socket stays readable for
  // the rest; what TLS has decrypted is read in any case.
  for (int round = 0; round < sdk_limits::reads_per_turn_max || channel_.has_buffered(); ++round) {
    std::size_t bytes = 0;
    const auto status = channel_.read(buffer, bytes);
    if (status == io_status::again) break;
    if (status == io_status::closed && state_ == state::greeting && !channel_.has_tls())
      return fail(authority +
                  " closed the connection before it spoke HTTP/2; if it speaks TLS, the URL must "
                  "begin with https://");
    if (status == io_status::closed) return fail("the gateway closed the connection");
    if (status == io_status::failed) return fail("the connection was lost: " + channel_.error());
    if (!session_.receive(buffer.first(bytes)))
      return fail(authority + " does not speak HTTP/2: " + session_.error());
    if (session_.is_greeted()) state_ = state::open;
    if (!channel_.has_tls() && bytes < buffer.size()) break;
  }
  if (session_.is_over()) return fail("the HTTP/2 session has ended");
  return true;
}

bool connection::flush() {
  if (!session_.is_active()) return true;
  auto status = io_status::done;
  while (status == io_status::done) {
    if (output_.empty() && !session_.gather(output_, sdk_limits::connection_output_bytes_max))
      return fail("the HTTP/2 session failed");
    if (output_.empty()) return true;
    status = write_output();
  }
  if (status == io_status::again) return true;
  return fail("the connection was lost while writing: " + channel_.error());
}

io_status connection::write_output() {
  while (output_sent_ < output_.size()) {
    std::size_t bytes = 0;
    const auto status = channel_.write(std::string_view{output_}.substr(output_sent_), bytes);
    if (status != io_status::done) return status;
    output_sent_ += bytes;
  }
  output_.clear();
  output_sent_ = 0;
  // An idle connection does not hold on to the room that a burst took.
  if (output_.capacity() > 4096) output_.shrink_to_fit();
  return io_status::done;
}

std::unique_ptr<exchange> connection::submit(std::unique_ptr<exchange> made,
                                             const request_fields& fields) {
  if (state_ < state::greeting || session_.room() == 0) return made;
  return session_.submit(std::move(made), fields);
}

void connection::close(bool politely) noexcept {
  if (politely && session_.is_active() && output_.empty()) {
    session_.terminate();
    if (!session_.gather(output_, sdk_limits::connection_output_bytes_max) ||
        write_output() != io_status::done)
      politely = false;
  } else {
    politely = false;
  }
  session_.end();
  channel_.close(politely);
  output_ = {};
  output_sent_ = 0;
  state_ = state::closed;
}

}  // namespace watchkeeper::sdk::http2
