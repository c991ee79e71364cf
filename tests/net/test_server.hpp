#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

#include "net/server.hpp"
#include "tests/base/manual_clock.hpp"
#include "tests/net/test_sink.hpp"
#include "tests/net/wait_max.hpp"

namespace watchkeeper::net::test {

/// A server on free ports of 127.0.0.1 with a sink; stopped by the destructor. Its time stands
/// still until the test moves it, unless the options name another source of time.
struct test_server {
  explicit test_server(server_options options);
  static server_options h2c_options();

  /// Moves the clock. What is due then, writes to sockets included, has been done on return.
  void advance(std::int64_t interval_ms);
  /// Moves the clock as well. True: nothing was due; the server sent nothing and closed nothing.
  /// Only after the server has taken what the clients sent.
  [[nodiscard]] bool is_quiet_for(std::int64_t interval_ms);
  /// Waits until so many bytes have come in all; false after wait_max.
  [[nodiscard]] bool wait_received(std::uint64_t bytes) const;

  manual_clock clock;
  test_sink sink;
  server running;
};

/// Waits until `condition` of the statistics holds; false after wait_max.
template <class Condition>
bool eventually(const server& from, Condition condition) {
  const auto until = std::chrono::steady_clock::now() + wait_max;
  while (!condition(from.statistics())) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace watchkeeper::net::test
