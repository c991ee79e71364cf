#include "net/connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/io_thread.hpp"

namespace watchkeeper::net {
namespace {

using waiting = boost::asio::posix::descriptor_base;

}  // namespace

connection::connection(io_thread& owner, std::uint64_t id, reactor_descriptor&& descriptor,
                       const peer_address& peer, SSL_CTX* context)
    : owner_(owner),
      id_(id),
      peer_(peer),
      descriptor_(std::move(descriptor)),
      transport_(descriptor_.native_handle(), context),
      state_since_(owner.state().now),
      output_moved_at_(owner.state().now) {}

connection::~connection() {
  cut();
  if (http2_) http2_.reset();  // notifies the sink of streams that are gone
}

void connection::start() {
  shake_hands();
}

void connection::on_ready(bool to_write) {
  (to_write ? waits_to_write_ : waits_to_read_) = false;
  switch (state_) {
    case state::handshake:
      shake_hands();
      break;
    case state::open:
      if (to_write && blocked_ && write_unsent()) owner_.flush_soon(*this);
      if (!to_write && state_ == state::open) read_some();
      break;
    case state::lingering:
      if (!to_write) drop_input();
      break;
    case state::dead:
      break;
  }
}

void connection::shake_hands() {
  const auto result = transport_.handshake();
  count_traffic();
  switch (result) {
    case transport::status::wants_read:
      return wait(false);
    case transport::status::wants_write:
      return wait(true);
    case transport::status::done:
      return open_http2();
    default:
      break;
  }
  owner_.state().count.handshakes_failed.add(1);
  linger();  // so that the alert reaches the client
}

void connection::open_http2() {
  auto& worker = owner_.state();
  if (transport_.is_tls())
    (transport_.resumed() ? worker.count.handshakes_resumed : worker.count.handshakes_full).add(1);
  state_ = state::open;
  state_since_ = worker.now;
  http2_.emplace(worker, id_, peer_);
  owner_.flush_soon(*this);
  if (owner_.draining()) http2_->drain();
  read_some();
}

void connection::read_some() {
  const auto buffer = owner_.read_buffer();
  // Half a TLS record is pending as well, and nothing can be done with it before the other half is
  // there: what a read wants is waited for.
  bool more = false;
  for (int i = 0; i < bounds::reads_per_event_max; ++i) {
    const auto got = transport_.read(buffer);
    more = got.what == transport::status::done && transport_.has_pending();
    if (got.what == transport::status::wants_read) break;
    if (got.what == transport::status::wants_write) {
      wait(true);
      break;
    }
    if (got.what != transport::status::done) {
      count_traffic();
      return cut();
    }
    if (!http2_->receive(buffer.first(got.bytes))) {
      ends_when_sent_ = true;
      break;
    }
    // A full buffer is the only other reason to look again: the reactor reports the rest.
    if (!more && got.bytes < buffer.size()) break;
  }
  count_traffic();
  owner_.flush_soon(*this);
  if (ends_when_sent_) return;
  if (more)
    owner_.read_again_soon(*this);
  else
    wait(false);
}

void connection::apply(response_event&& message) {
  if (!http2_ || state_ != state::open) {
    owner_.state().count.responses_dropped.add(1);
  } else if (!http2_->apply(std::move(message))) {
    cut();
  } else {
    owner_.flush_soon(*this);
  }
}

void connection::flush() {
  if (state_ != state::open || blocked_) return;
  const auto buffer = owner_.output_buffer();
  std::size_t used = 0;
  for (;;) {
    bool failed = false;
    auto frame = http2_->next_frame(failed);
    if (failed) return cut();
    if (frame.empty()) break;
    while (!frame.empty()) {
      const auto part = std::min(frame.size(), buffer.size() - used);
      std::memcpy(buffer.data() + used, frame.data(), part);
      used += part;
      frame = frame.subspan(part);
      if (used < buffer.size()) continue;
      used = 0;
      if (!write(buffer)) {
        // The frame is cut in two; its rest has to follow before anything else.
        if (state_ == state::open)
          unsent_.append(reinterpret_cast<const char*>(frame.data()), frame.size());
        return count_traffic();
      }
    }
  }
  const bool all_sent = used == 0 || write(buffer.first(used));
  count_traffic();
  if (all_sent && http2_->finished()) linger();
}

bool connection::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const auto result = transport_.write(bytes);
    if (result.what != transport::status::done) return keep_unsent(bytes, result.what);
    bytes = bytes.subspan(result.bytes);
  }
  return true;
}

bool connection::keep_unsent(std::span<const std::uint8_t> rest, transport::status why) {
  if (why != transport::status::wants_write && why != transport::status::wants_read) {
    cut();
    return false;
  }
  unsent_.assign(reinterpret_cast<const char*>(rest.data()), rest.size());
  unsent_offset_ = 0;
  blocked_ = true;
  output_moved_at_ = owner_.state().now;
  wait(true);
  return false;
}

bool connection::write_unsent() {
  while (unsent_offset_ < unsent_.size()) {
    const auto result =
        transport_.write({reinterpret_cast<const std::uint8_t*>(unsent_.data()) + unsent_offset_,
                          unsent_.size() - unsent_offset_});
    if (result.what == transport::status::wants_write ||
        result.what == transport::status::wants_read) {
      count_traffic();
      wait(true);
      return false;
    }
    if (result.what != transport::status::done) {
      cut();
      return false;
    }
    unsent_offset_ += result.bytes;
    output_moved_at_ = owner_.state().now;
  }
  unsent_ = {};  // gives the memory back
  unsent_offset_ = 0;
  blocked_ = false;
  count_traffic();
  return true;
}

void connection::sweep() {
  auto& worker = owner_.state();
  const auto age = worker.now - state_since_;
  switch (state_) {
    case state::handshake:
      if (age > worker.options.handshake_timeout_ms) {
        worker.count.handshakes_failed.add(1);
        cut();
      }
      return;
    case state::open: {
      // Whom we end we do not wait for long.
      const auto patience = ends_when_sent_
                                ? std::min(bounds::linger_ms, worker.options.write_timeout_ms)
                                : worker.options.write_timeout_ms;
      if (blocked_ && worker.now - output_moved_at_ > patience) return cut();
      http2_->sweep();
      return owner_.flush_soon(*this);
    }
    case state::lingering:
      if (age > bounds::linger_ms) cut();
      return;
    case state::dead:
      return;
  }
}

void connection::drain() {
  if (state_ == state::handshake) return cut();
  if (state_ != state::open) return;
  http2_->drain();
  owner_.flush_soon(*this);
}

void connection::linger() noexcept {
  // Closing with unread input would make the kernel discard what the client has not read yet.
  state_ = state::lingering;
  state_since_ = owner_.state().now;
  transport_.finish();
  count_traffic();
  try {
    if (http2_) http2_.reset();
    wait(false);
  } catch (...) {
    cut();
  }
}

void connection::drop_input() {
  const auto buffer = owner_.read_buffer();
  const auto got = ::recv(descriptor_.native_handle(), buffer.data(), buffer.size(), 0);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return cut();
  if (got > 0) {
    owner_.state().count.bytes_received.add(static_cast<std::uint64_t>(got));
    dropped_bytes_ += static_cast<std::size_t>(got);
    if (dropped_bytes_ > bounds::linger_bytes_max) return cut();
  }
  wait(false);
}

void connection::cut() noexcept {
  if (state_ == state::dead) return;
  count_traffic();
  state_ = state::dead;
  boost::system::error_code ignored;
  descriptor_.close(ignored);
  owner_.bury(*this);
}

void connection::count_traffic() noexcept {
  const auto news = transport_.take_traffic();
  owner_.state().count.bytes_received.add(news.received);
  owner_.state().count.bytes_sent.add(news.sent);
}

void connection::wait(bool to_write) {
  bool& waits = to_write ? waits_to_write_ : waits_to_read_;
  if (waits || state_ == state::dead) return;
  waits = true;
  descriptor_.async_wait(to_write ? waiting::wait_write : waiting::wait_read,
                         [owner = &owner_, id = id_, to_write](boost::system::error_code error) {
                           if (!error) owner->on_ready(id, to_write);
                         });
}

}  // namespace watchkeeper::net
