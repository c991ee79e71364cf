#include "tests/net/test_server.hpp"

#include <utility>

namespace watchkeeper::net::test {
namespace {

server_options with_time(server_options options, const time_source& time) {
  if (options.time == nullptr) options.time = &time;
  return options;
}

}  // namespace

server_options test_server::h2c_options() {
  server_options options;
  options.h2c_listen = "127.0.0.1:0";
  return options;
}

test_server::test_server(server_options options)
    : sink(clock), running(with_time(std::move(options), clock), sink) {
  sink.port = &running.responses();
  running.start();
}

void test_server::advance(std::int64_t interval_ms) {
  clock.advance(interval_ms);
  running.check_deadlines();
}

bool test_server::is_quiet_for(std::int64_t interval_ms) {
  running.check_deadlines();  // the events at hand are over then
  const auto before = running.statistics();
  advance(interval_ms);
  const auto after = running.statistics();
  return after.bytes_sent == before.bytes_sent && after.streams_open == before.streams_open &&
         after.connections_open == before.connections_open;
}

bool test_server::wait_received(std::uint64_t bytes) const {
  return eventually(running, [&](const auto& n) { return n.bytes_received >= bytes; });
}

}  // namespace watchkeeper::net::test
