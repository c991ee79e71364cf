#include "tools/fleet/http2_client.hpp"

#include <utility>

#include "tools/fleet/http2_connection.hpp"

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
  sdk::http2::tls_options tls;
  tls.ca_path = options.tls.ca_file;
  tls.verify = !options.tls.insecure;
  tls.resume = options.tls.resume;
  std::string why;
  auto context = sdk::http2::client_context::make(options.server, tls,
                                                  fleet_limits::response_body_bytes_max, why);
  if (!context) return why;
  return std::unique_ptr<http2_client>{
      new http2_client(loop, std::move(options), std::move(context))};
}

http2_client::http2_client(event_loop& loop, client_options options,
                           std::unique_ptr<sdk::http2::client_context> context)
    : loop_(loop),
      options_(std::move(options)),
      context_(std::move(context)),
      // One TLS record and a bit; shared, since only one connection reads at a time.
      read_buffer_(32 * 1024),
      random_(options_.seed) {
  schedule_sweep();
}

http2_client::~http2_client() {
  *alive_ = false;
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
