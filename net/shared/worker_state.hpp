#pragma once

#include <atomic>
#include <cstdint>

#include "base/address_rate_limiter.hpp"
#include "base/clock.hpp"
#include "net/shared/http.hpp"
#include "net/shared/http_date.hpp"
#include "net/shared/page_pool.hpp"
#include "net/shared/server_options.hpp"

namespace watchkeeper::net {

/// Written by one thread, read by any: no locked instruction.
class single_writer_counter {
 public:
  void add(std::uint64_t n) noexcept { value_.store(read() + n, std::memory_order_relaxed); }
  void subtract(std::uint64_t n) noexcept { value_.store(read() - n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t read() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// The same fields as server_statistics, of one I/O thread.
struct worker_counters {
  single_writer_counter connections_open, connections_accepted, connections_refused,
      connections_punished, handshakes_failed, handshakes_full, handshakes_resumed, streams_open,
      requests, responses_dropped, bytes_received, bytes_sent;
};

/// What the connections of one I/O thread share. Thread: that one; the counters may be read by any.
struct worker_state {
  const server_options& options;
  request_sink& sink;
  const std::uint32_t index;
  mono_ms now{};                          // when the current event began
  wall_ms wall_now{};                     // likewise
  http_date date{};                       // of wall_now
  std::size_t bodies_bytes = 0;           // of incomplete whole bodies
  std::size_t unsent_response_bytes = 0;  // not sent yet
  bool handed_over =
      false;  // a request or a response, since the sink was last notified of the end of a round
  worker_counters count;
  page_pool pages;  // of the HTTP/2 connection states
  address_rate_limiter* punished_addresses =
      nullptr;  // notified of each connection that is punished
};

}  // namespace watchkeeper::net
