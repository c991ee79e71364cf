#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "actors/shared/heartbeat.hpp"
#include "base/clock.hpp"
#include "base/thread_safety.hpp"
#include "net/shared/http.hpp"
#include "server/heartbeats/deferred_statistics.hpp"
#include "server/heartbeats/heartbeat_limits.hpp"
#include "server/heartbeats/heartbeat_stream.hpp"

namespace watchkeeper::server {

/// POST /v1/heartbeats and POST /v1/heartbeats/stream: takes tokens out of requests, hands them to
/// the actors, and writes the response when the last result of a request is there.
/// Requests with several tokens come from devices that buffered during an outage. At most
/// heartbeat_limits::deferred_heartbeats_in_flight_max of their tokens for each I/O thread are in
/// flight at once. Further requests are deferred, in their order, while single heartbeats pass; if
/// too many wait, or one waits too long, it is shed with `overloaded`.
/// Thread: requests on I/O threads, results on any. Never blocks. Borrows the response port.
class heartbeat_endpoint {
 public:
  /// Gathers the requests of the first `io_threads` I/O threads until their round ends; passes on
  /// those of other threads at once.
  heartbeat_endpoint(submit_function submit, net::response_port& responses, const time_source& time,
                     std::size_t io_threads);
  ~heartbeat_endpoint();

  /// Heartbeats that one I/O thread gathers in a round; a fuller round is passed on before its end.
  static constexpr std::size_t gathered_max = 64;

  // The method is POST.
  void on_request(net::http_request&& request) noexcept;
  void on_stream_opened(net::http_request&& request) noexcept;
  void on_stream_data(const net::response_address& from, std::string_view bytes,
                      bool last) noexcept;
  void on_stream_gone(const net::response_address& from) noexcept;
  /// Passes on what was gathered, and as many deferred heartbeats as there is room for, at most
  /// `deferred_heartbeats_in_flight_max` tokens: their responses bring the next round. Thread: that
  /// I/O thread.
  void on_round_end(std::uint32_t io_thread) noexcept;

  /// Any thread; the threads' figures are not of one moment.
  [[nodiscard]] deferred_statistics statistics() const noexcept;

  /// Ends the streams that are open, each after the results of what it holds. Any thread.
  void begin_drain();

 private:
  struct address_hash {
    std::size_t operator()(const net::response_address& a) const noexcept {
      return (a.connection * 0x9e3779b97f4a7c15ull) ^ static_cast<std::size_t>(a.stream);
    }
  };
  /// One request with several tokens.
  struct deferred_request {
    std::vector<actors::heartbeat_request> tokens;
    net::response_address respond_to;
    mono_ms since;
  };
  /// What came from one I/O thread in its round. Heartbeats that reach the actors together wake a
  /// thread once, where each by itself would wake it again and again.
  struct alignas(64) round {
    std::vector<actors::heartbeat_request> gathered;
    std::deque<deferred_request> deferred;
    // Of tokens in requests with several. Written by the I/O thread, but `in_flight`, which is
    // counted down anywhere.
    std::atomic<std::size_t> deferred_tokens{0};
    std::atomic<std::uint64_t> shed_tokens{0};
    std::atomic<std::size_t> in_flight{0};
    [[nodiscard]] bool has_room(std::size_t tokens) const noexcept {
      return in_flight.load(std::memory_order_acquire) + tokens <=
             heartbeat_limits::deferred_heartbeats_in_flight_max;
    }
  };
  void pass_on(std::span<actors::heartbeat_request> of_one_request, std::uint32_t io_thread);
  void pass_on_or_defer(std::vector<actors::heartbeat_request>&& of_one_request,
                        const net::response_address& respond_to);
  void shed(std::size_t tokens, const net::response_address& respond_to);
  std::shared_ptr<heartbeat_stream> stream_of(const net::response_address& from);
  [[nodiscard]] bool has_right_type(const net::http_request& request);

  submit_function submit_;
  net::response_port& responses_;
  const time_source& time_;
  std::vector<round> rounds_;  // each touched by its I/O thread only
  annotated_mutex streams_mutex_;
  bool draining_ GUARDED_BY(streams_mutex_) = false;
  // At most one entry a stream that the HTTP/2 layer holds open.
  std::unordered_map<net::response_address, std::shared_ptr<heartbeat_stream>, address_hash>
      streams_ GUARDED_BY(streams_mutex_);
};

}  // namespace watchkeeper::server
