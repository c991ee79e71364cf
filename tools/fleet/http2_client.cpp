#include "tools/fleet/http2_client.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

#include "tools/fleet/http2_connection.hpp"
#include "tools/fleet/session_events.hpp"

namespace watchkeeper::fleet {

std::string_view describe(transport_error error) noexcept {
  switch (error) {
    case transport_error::none:
      return "none";
    case transport_error::connection_lost:
      return "connection-lost";
    case transport_error::stream_refused:
      return "stream-refused";
    case transport_error::timed_out:
      return "timed-out";
  }
  return "unknown";
}

result<std::unique_ptr<http2_client>, std::string> http2_client::make(event_loop& loop,
                                                                      client_options options) {
  std::unique_ptr<client_tls> tls;
  if (options.server.tls) {
    auto made = client_tls::make(options.tls);
    if (!made) return made.error();
    tls = std::move(made).value();
  }
  std::unique_ptr<http2_client> client{new http2_client(loop, std::move(options))};
  client->tls_ = std::move(tls);
  return client;
}

http2_client::http2_client(event_loop& loop, client_options options)
    : loop_(loop),
      options_(std::move(options)),
      // One TLS record and a bit; shared, since only one connection reads at a time.
      read_buffer_(32 * 1024),
      random_(options_.seed) {
  nghttp2_session_callbacks_new(&callbacks_);
  session_events::install(callbacks_);
  nghttp2_option_new(&settings_);
  // Closed streams and priorities are of no use to a client of ours, and cost memory.
  nghttp2_option_set_no_closed_streams(settings_, 1);
  nghttp2_option_set_peer_max_concurrent_streams(settings_, 100);
  schedule_sweep();
}

http2_client::~http2_client() {
  *alive_ = false;
  nghttp2_session_callbacks_del(callbacks_);
  nghttp2_option_del(settings_);
}

void http2_client::enqueue(http2_connection* connection) {
  waiting_.push_back(connection);
  start_queued();
}

void http2_client::handshake_over() {
  --handshakes_;
  start_queued();
}

void http2_client::start_queued() {
  // A connection refused at once gives its place back from within: the loop takes it, not a deeper
  // call.
  if (starting_) return;
  starting_ = true;
  while (handshakes_ < options_.handshakes_in_flight && !waiting_.empty()) {
    auto* next = waiting_.front();
    waiting_.pop_front();
    ++handshakes_;
    next->start_connecting();
  }
  starting_ = false;
}

std::chrono::milliseconds http2_client::backoff(unsigned attempt) {
  const auto ceiling =
      std::min(fleet_limits::reconnect_cap,
               fleet_limits::reconnect_base * (std::int64_t{1} << std::min(attempt, 10u)));
  return std::chrono::milliseconds{
      std::uniform_int_distribution<std::int64_t>(0, ceiling.count())(random_)};
}

void http2_client::schedule_sweep() {
  loop_.at(event_loop::clock::now() + std::chrono::milliseconds(250), [this, alive = alive_] {
    if (!*alive) return;
    sweep();
    schedule_sweep();
  });
}

void http2_client::sweep() {
  // By index: an expired request's handler may make connections.
  for (std::size_t i = 0; i < connections_.size(); ++i) connections_[i]->expire(loop_.now());
}

}  // namespace watchkeeper::fleet
