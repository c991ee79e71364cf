#include "tools/fleet/http2_connection.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <utility>

namespace watchkeeper::fleet {
namespace {

using core_state = sdk::http2::connection::state;

struct fleet_exchange final : sdk::http2::exchange {
  response_handler done;
  event_loop::time_point deadline;
};

transport_error transport_error_of(sdk::http2::exchange_error error) noexcept {
  switch (error) {
    case sdk::http2::exchange_error::none:
      return transport_error::none;
    case sdk::http2::exchange_error::lost:
      return transport_error::connection_lost;
    case sdk::http2::exchange_error::cancelled:
      return transport_error::timed_out;
    case sdk::http2::exchange_error::reset:
    case sdk::http2::exchange_error::refused:
      break;
  }
  return transport_error::stream_refused;
}

}  // namespace

http2_connection::http2_connection(http2_client& client, std::size_t index,
                                   connection_observer* observer)
    : client_(client),
      observer_(observer),
      index_(index),
      connection_(*client.context_),
      reconnect_(fleet_limits::reconnect_base.count(), fleet_limits::reconnect_cap.count()) {
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
  state_ = state::opening;
  deadline_ = client_.loop_.now() + fleet_limits::handshake_timeout;
  if (!connection_.connect(client_.options_.server.address)) return lose(failure_of_connection());
  client_.loop_.watch(connection_.descriptor(), EPOLLIN | EPOLLOUT, this);
  watches_writes_ = true;
}

bool http2_connection::request(http2_request&& what, response_handler done) {
  if (room() == 0) return false;
  auto made = std::make_unique<fleet_exchange>();
  made->body = std::move(what.body);
  made->done = std::move(done);
  made->deadline = client_.loop_.now() + what.timeout;
  sdk::http2::request_fields fields;
  fields.method = what.method;
  fields.path = what.path;
  fields.content_type = what.content_type;
  fields.authorization = what.authorization;
  fields.prefer = what.prefer;
  if (connection_.submit(std::move(made), fields)) return false;
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
  if (connection_.current() != core_state::closed) update_state(connection_.flush());
}

void http2_connection::on_io(std::uint32_t events) {
  if (connection_.current() == core_state::closed) return;
  bool good = true;
  if (state_ == state::opening || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
    good = connection_.advance(client_.read_buffer_);
  if (good && (events & EPOLLOUT) != 0) good = connection_.flush();
  update_state(good);
  // Acknowledgements and window updates go out with what the turn has gathered.
  if (connection_.wants_flush()) ask_for_flush();
}

/// After each call of the connection: what it has changed.
void http2_connection::update_state(bool good) {
  if (!good) return lose(failure_of_connection());
  watch_writes();
  if (state_ == state::opening && connection_.current() == core_state::open) {
    state_ = state::open;
    reconnect_.reset();
    client_.handshake_over();
    if (observer_ != nullptr) observer_->on_open(*this);
  }
  deliver_finished();
  if (connection_.is_draining() && connection_.in_flight().empty() && state_ == state::open)
    return lose("the server said goodbye (GOAWAY)");
}

void http2_connection::watch_writes() {
  if (connection_.wants_write() == watches_writes_) return;
  watches_writes_ = connection_.wants_write();
  client_.loop_.rewatch(connection_.descriptor(), watches_writes_ ? EPOLLIN | EPOLLOUT : EPOLLIN,
                        this);
}

void http2_connection::deliver_finished() {
  while (auto next = connection_.take_finished()) {
    auto& of = static_cast<fleet_exchange&>(*next);
    http2_response response;
    response.error = transport_error_of(of.error);
    response.status = of.status;
    response.retry_after_s = of.retry_after_s;
    response.body = std::move(of.response_body);
    of.done(std::move(response));
  }
}

void http2_connection::expire(event_loop::time_point now) {
  if (state_ == state::opening) {
    if (now >= deadline_)
      lose(fmt::format("{} did not respond as an HTTP/2 server within {} s",
                       client_.options_.server.authority,
                       fleet_limits::handshake_timeout.count() / 1000));
    return;
  }
  bool reset = false;
  for (const auto& each : connection_.in_flight()) {
    if (now < static_cast<const fleet_exchange&>(*each).deadline) continue;
    connection_.cancel(*each);
    reset = true;
  }
  if (reset) update_state(connection_.flush());
}

std::string http2_connection::failure_of_connection() const {
  const auto& failure = connection_.failure();
  return connection_.is_certificate_error()
             ? failure + "; give --ca FILE with its authority, or --insecure to accept any"
             : failure;
}

void http2_connection::lose(std::string reason) {
  const bool had_place = state_ == state::opening;
  client_.last_failure_ = std::move(reason);
  if (state_ == state::open) ++client_.lost_;
  connection_.close(false);
  state_ = state::backing_off;
  if (had_place) client_.handshake_over();
  deliver_finished();
  if (observer_ != nullptr) observer_->on_lost(*this);
  const std::chrono::milliseconds pause{reconnect_.next_ms(client_.random_())};
  client_.loop_.at(client_.loop_.now() + pause, [this, alive = alive_] {
    if (*alive && state_ == state::backing_off) open();
  });
}

void http2_connection::close() noexcept {
  const bool had_place = state_ == state::opening;
  if (state_ == state::queued) std::erase(client_.waiting_, this);
  connection_.close(state_ == state::open);
  state_ = state::closed;
  while (connection_.take_finished()) {
  }
  if (had_place) client_.handshake_over();
}

}  // namespace watchkeeper::fleet
