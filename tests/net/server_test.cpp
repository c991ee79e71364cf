// What an honest client may rely on.
#include "net/server.hpp"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <stdexcept>
#include <thread>

#include "net/shared/bounds.hpp"
#include "tests/net/raw_client.hpp"
#include "tests/net/test_server.hpp"

using namespace watchkeeper::net;
using namespace watchkeeper::net::test;

BOOST_AUTO_TEST_SUITE(server_test)

BOOST_AUTO_TEST_CASE(the_last_stream_gets_its_response_while_draining) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  auto idle = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  idle.greet();
  client.request(1, "GET", "/hold", true);
  BOOST_REQUIRE(s.sink.wait_pending(1));
  bool in_time = false;
  std::thread drainer([&] { in_time = s.running.drain(wait_max); });
  // The notice, which the client has not seen yet when it sends this, must not cost it a request.
  client.request(3, "GET", "/hold", true);
  const bool both = s.sink.wait_pending(2);
  const auto gone = idle.read_to_end();
  s.sink.release();
  const auto first = client.read_response(1);
  const auto late = client.read_response(3);
  const auto ending = client.read_to_end();
  s.advance(bounds::linger_ms + 1);
  drainer.join();
  BOOST_TEST(both);
  BOOST_TEST(gone.closed);
  BOOST_TEST(gone.goaway.value_or(99) == static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
  BOOST_TEST(first.body == "released");
  BOOST_TEST(late.body == "released");
  BOOST_TEST(ending.closed);
  BOOST_TEST(ending.goaway.value_or(99) == static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
  BOOST_TEST(in_time);
  BOOST_CHECK_THROW(raw_client::connect_h2c(s.running.h2c_port()), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(a_drain_cuts_at_its_deadline) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/hold", true);
  BOOST_REQUIRE(s.sink.wait_pending(1));
  BOOST_TEST(!s.running.drain(std::chrono::milliseconds(100)));
  BOOST_TEST(client.read_to_end().closed);
  BOOST_TEST(s.running.statistics().connections_open == 0u);
}

BOOST_AUTO_TEST_CASE(responses_from_many_threads_at_once) {
  auto options = test_server::h2c_options();
  options.io_threads = 2;
  test_server s(options);
  constexpr int connections = 8;
  constexpr int streams = 100;
  std::vector<raw_client> clients;
  for (int i = 0; i < connections; ++i) {
    clients.push_back(raw_client::connect_h2c(s.running.h2c_port()));
    clients.back().greet();
    for (int k = 0; k < streams; ++k) clients.back().request(1 + 2 * k, "GET", "/hold", true);
  }
  BOOST_REQUIRE(s.sink.wait_pending(connections * streams));
  const auto pending = s.sink.pending();
  std::vector<std::thread> repliers;
  for (std::size_t t = 0; t < 4; ++t)
    repliers.emplace_back([&, t] {
      for (std::size_t i = t; i < pending.size(); i += 4) {
        http_response response;
        response.body = std::to_string(pending[i].stream);
        s.running.responses().respond(pending[i], std::move(response));
      }
    });
  for (auto& each : repliers) each.join();
  for (auto& client : clients)
    for (int k = 0; k < streams; ++k) {
      const auto response = client.read_response(1 + 2 * k);
      BOOST_REQUIRE(response.body == std::to_string(1 + 2 * k));
    }
  BOOST_TEST(s.running.statistics().responses_dropped == 0u);
  BOOST_TEST(eventually(s.running, [&](const auto& n) {
    return n.requests == std::uint64_t{connections * streams};
  }));
}

BOOST_AUTO_TEST_CASE(five_hundred_connections) {
  auto options = test_server::h2c_options();
  options.io_threads = 2;
  test_server s(options);
  std::vector<raw_client> clients;
  for (int i = 0; i < 500; ++i) {
    clients.push_back(raw_client::connect_h2c(s.running.h2c_port()));
    clients.back().greet();
    clients.back().request(1, "POST", "/echo", false);
    clients.back().send_data(1, std::to_string(i), true);
  }
  for (int i = 0; i < 500; ++i)
    BOOST_REQUIRE(clients[static_cast<std::size_t>(i)].read_response(1).body == std::to_string(i));
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.connections_open == 500u; }));
  clients.clear();
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.connections_open == 0; }));
}

BOOST_AUTO_TEST_CASE(a_server_may_stop_with_everything_in_flight) {
  auto s = std::make_unique<test_server>(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s->running.h2c_port());
  client.greet();
  client.request(1, "GET", "/hold", true);
  client.request(3, "POST", "/stream", false);
  BOOST_REQUIRE(s->sink.wait_pending(1));
  BOOST_TEST(eventually(s->running, [](const auto& n) { return n.streams_open == 2; }));
  s.reset();
  BOOST_TEST(client.read_to_end().closed);
}

BOOST_AUTO_TEST_CASE(bad_settings_are_named) {
  manual_clock clock;
  test_sink sink(clock);
  const auto message_of = [&](server_options options) -> std::string {
    try {
      server(std::move(options), sink).start();
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "";
  };
  server_options options;
  options.h2c_listen = "nonsense";
  BOOST_TEST(message_of(options).find("h2c_listen \"nonsense\"") != std::string::npos);
  options.h2c_listen = "::1:80";
  BOOST_TEST(message_of(options).find("brackets") != std::string::npos);
  options.h2c_listen.clear();
  options.tls_listen = "127.0.0.1:0";
  options.tls = {"/nonexistent/certificate", "/nonexistent/key"};
  BOOST_TEST(message_of(options).find("/nonexistent/certificate") != std::string::npos);
  test_server first(test_server::h2c_options());
  options = {};
  options.h2c_listen = "127.0.0.1:" + std::to_string(first.running.h2c_port());
  BOOST_TEST(message_of(options).find("in use") != std::string::npos);
  options = {};
  options.io_threads = 0;
  BOOST_TEST(message_of(options).find("io_threads") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
