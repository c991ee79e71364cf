#include "sdk/c/http2_transport.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "sdk/c/http2/connection.hpp"
#include "sdk/c/limits.hpp"

namespace watchkeeper::sdk {
namespace {

using http2::connection;

/// A request that waits for the connection.
struct waiting_request {
  std::string method, path, content_type, prefer, cache_control, body;
};

/// Opens the connection for the first request, tries the addresses of the host in turn, and closes
/// the connection after a time without a request.
class connection_transport final : public transport {
 public:
  explicit connection_transport(http2_options options) : options_(std::move(options)) {}
  ~connection_transport() override { disconnect(true); }

  bool send(const transport_request& request, transport_events& events) override;
  void cancel(std::uint64_t id) override;
  void poll(mono_ms now, transport_events& events) override;
  std::int64_t next_due_ms(mono_ms now) override;
  int descriptor(short& events) override;
  std::uint64_t bytes_up() const override { return earlier_.up + bytes().up; }
  std::uint64_t bytes_down() const override { return earlier_.down + bytes().down; }

 private:
  enum class progress : std::uint8_t { waits, goes_on, failed };

  progress step(mono_ms now, transport_events& events);
  progress connect(mono_ms now);
  progress exchange_bytes(transport_events& events);
  progress reconnect();
  bool make_context();
  void submit();
  void deliver(transport_events& events);
  void disconnect(bool politely) noexcept;
  progress fail(std::string why) {
    failure_ = std::move(why);
    return progress::failed;
  }
  [[nodiscard]] connection::state state() const noexcept {
    return connection_ ? connection_->current() : connection::state::closed;
  }
  [[nodiscard]] http2::byte_count bytes() const noexcept {
    return connection_ ? connection_->bytes() : http2::byte_count{};
  }

  http2_options options_;
  std::unique_ptr<http2::client_context> context_;
  std::vector<http2::socket_address> addresses_;
  std::size_t next_address_ = 0;
  std::optional<connection> connection_;
  bool proven_ = false;  // the connection has carried a response
  mono_ms connect_deadline_;
  mono_ms used_at_;
  std::optional<std::uint64_t> id_;  // of the request in flight
  std::optional<waiting_request> waiting_;
  std::string failure_;
  http2::byte_count earlier_;  // of connections closed since
};

bool connection_transport::send(const transport_request& request, transport_events&) {
  if (id_) return false;
  const auto text = [](const char* of) { return of == nullptr ? std::string{} : std::string{of}; };
  id_ = request.id;
  waiting_ = waiting_request{request.method,
                             request.path,
                             text(request.content_type),
                             text(request.prefer),
                             text(request.cache_control),
                             std::string{request.body}};
  return true;
}

void connection_transport::cancel(std::uint64_t id) {
  if (id_ != id) return;
  id_.reset();
  waiting_.reset();
  // A connection on which a response did not come in time is not used again.
  disconnect(false);
}

bool connection_transport::make_context() {
  if (context_) return true;
  http2::tls_options tls;
  tls.ca_path = options_.ca_path;
  context_ =
      http2::client_context::make(options_.to, tls, sdk_limits::response_bytes_max, failure_);
  return context_ != nullptr;
}

connection_transport::progress connection_transport::connect(mono_ms now) {
  if (!make_context()) return progress::failed;
  if (addresses_.empty()) {
    addresses_ = http2::resolve(options_.to.host, options_.to.port, failure_);
    next_address_ = 0;
    if (addresses_.empty()) return progress::failed;
  }
  if (!connection_) connection_.emplace(*context_);
  while (next_address_ < addresses_.size())
    if (connection_->connect(addresses_[next_address_++])) {
      connect_deadline_ = now + sdk_limits::connect_timeout_ms;
      return progress::goes_on;
    }
  return fail(connection_->failure());
}

connection_transport::progress connection_transport::step(mono_ms now, transport_events& events) {
  const auto before = state();
  if (before == connection::state::closed) return waiting_ ? connect(now) : progress::waits;
  if (before >= connection::state::greeting) return exchange_bytes(events);
  std::array<char, 4096> buffer;
  const bool good = connection_->advance(buffer);
  const bool has_next = next_address_ < addresses_.size();
  if (before == connection::state::connecting && has_next) {
    if (!good) return progress::goes_on;
    if (state() == before && now >= connect_deadline_) {
      connection_->close(false);
      return progress::goes_on;
    }
  }
  if (!good) return fail(connection_->failure());
  return state() == before ? progress::waits : progress::goes_on;
}

connection_transport::progress connection_transport::exchange_bytes(transport_events& events) {
  std::array<char, 4096> buffer;
  bool good = connection_->advance(buffer);
  // The connection ended while nothing was in flight: the request takes a new one.
  if (!good && proven_ && waiting_) return reconnect();
  if (good && waiting_ && !connection_->is_draining()) submit();
  if (good) good = connection_->flush();
  deliver(events);
  if (!good) return fail(connection_->failure());
  // After GOAWAY the gateway accepts nothing new on this connection.
  if (connection_->is_draining() && connection_->in_flight().empty()) {
    disconnect(true);
    return waiting_ ? progress::goes_on : progress::waits;
  }
  return progress::waits;
}

connection_transport::progress connection_transport::reconnect() {
  disconnect(false);
  return progress::goes_on;
}

void connection_transport::submit() {
  auto made = std::make_unique<http2::exchange>();
  made->body = std::move(waiting_->body);
  http2::request_fields fields;
  fields.method = waiting_->method;
  fields.path = waiting_->path;
  fields.content_type = waiting_->content_type;
  fields.prefer = waiting_->prefer;
  fields.cache_control = waiting_->cache_control;
  if (auto refused = connection_->submit(std::move(made), fields))
    waiting_->body = std::move(refused->body);
  else
    waiting_.reset();
}

/// A request whose connection was lost is left to `poll`, which knows why.
void connection_transport::deliver(transport_events& events) {
  const auto done = connection_->take_finished();
  if (!done || !id_ || done->error == http2::exchange_error::lost) return;
  const auto id = *std::exchange(id_, std::nullopt);
  proven_ = true;
  if (done->error != http2::exchange_error::none) {
    const bool sent = done->error != http2::exchange_error::refused;
    events.on_failure(id, sent, "the gateway reset the request");
    return;
  }
  http_response made;
  made.status = done->status;
  if (done->retry_after_s)
    made.retry_after_ms =
        std::min(*done->retry_after_s, sdk_limits::retry_after_ms_max / 1000) * 1000;
  made.too_long = done->too_long;
  if (!made.too_long) made.body = std::move(done->response_body);
  events.on_response(id, std::move(made));
}

void connection_transport::disconnect(bool politely) noexcept {
  if (connection_) {
    connection_->close(politely);
    earlier_.up += connection_->bytes().up;
    earlier_.down += connection_->bytes().down;
  }
  connection_.reset();
  addresses_ = {};
  next_address_ = 0;
  proven_ = false;
}

void connection_transport::poll(mono_ms now, transport_events& events) {
  if (id_) used_at_ = now;
  auto made = progress::goes_on;
  for (int steps = 0; steps < 16 && made == progress::goes_on; ++steps) made = step(now, events);
  if (made == progress::failed) {
    const auto why = std::exchange(failure_, std::string{});
    const auto id = std::exchange(id_, std::nullopt);
    const bool sent = !std::exchange(waiting_, std::nullopt);
    disconnect(false);
    if (id) events.on_failure(*id, sent, why);
  }
  if (!id_ && state() != connection::state::closed &&
      now - used_at_ >= sdk_limits::idle_connection_ms)
    disconnect(true);
}

std::int64_t connection_transport::next_due_ms(mono_ms now) {
  const auto at = state();
  if (waiting_ && (at == connection::state::closed || connection_->room() > 0)) return 0;
  if (at == connection::state::connecting && next_address_ < addresses_.size())
    return std::max<std::int64_t>(0, connect_deadline_ - now);
  if (!id_ && at != connection::state::closed)
    return std::max<std::int64_t>(0, used_at_ + sdk_limits::idle_connection_ms - now);
  return -1;
}

int connection_transport::descriptor(short& events) {
  const int socket = connection_ ? connection_->descriptor() : -1;
  events = static_cast<short>(socket < 0 ? 0 : POLLIN | (connection_->wants_write() ? POLLOUT : 0));
  return socket;
}

}  // namespace

std::unique_ptr<transport> make_http2_transport(http2_options options) {
  return std::make_unique<connection_transport>(std::move(options));
}

}  // namespace watchkeeper::sdk
