#include <boost/test/unit_test.hpp>
#include <chrono>

#include "net/server.hpp"
#include "tests/net/certificate.hpp"
#include "tests/net/raw_client.hpp"
#include "tests/net/test_sink.hpp"

using namespace watchkeeper::net;
using namespace watchkeeper::net::test;

namespace {

constexpr std::int64_t short_ms = 200;

template <class Set>
server_options with(Set set) {
  auto options = test_server::h2c_options();
  set(options);
  return options;
}

/// Runs `wait`, which has to take about the short time: not less, and far from the default.
template <class Wait>
void check_takes_the_short_time(Wait wait) {
  const auto begun = std::chrono::steady_clock::now();
  wait();
  const auto took = std::chrono::steady_clock::now() - begun;
  BOOST_TEST(std::chrono::duration<double>(took).count() >= 0.15);
  BOOST_TEST(std::chrono::duration<double>(took).count() < 4.0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(deadline_test)

BOOST_AUTO_TEST_CASE(handshake) {
  temporary_directory directory;
  server_options options;
  options.tls_listen = "127.0.0.1:0";
  options.tls = make_certificate(directory, "one");
  options.handshake_timeout_ms = short_ms;
  test_server s(options);
  auto silent = raw_client::connect_h2c(s.running.tls_port());
  check_takes_the_short_time([&] { BOOST_TEST(silent.read_to_end().closed); });
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.handshakes_failed == 1u; }));
}

BOOST_AUTO_TEST_CASE(preface) {
  test_server s(with([](auto& o) { o.header_timeout_ms = short_ms; }));
  auto silent = raw_client::connect_h2c(s.running.h2c_port());
  silent.acknowledges = false;
  check_takes_the_short_time([&] {
    const auto ending = silent.read_to_end();
    BOOST_TEST(ending.closed);
    BOOST_TEST(ending.goaway.value_or(99) == static_cast<std::uint32_t>(NGHTTP2_SETTINGS_TIMEOUT));
  });
}

BOOST_AUTO_TEST_CASE(headers) {
  test_server s(with([](auto& o) { o.header_timeout_ms = short_ms; }));
  auto slow = raw_client::connect_h2c(s.running.h2c_port());
  slow.greet();
  slow.acknowledges = false;  // nothing may come between HEADERS and CONTINUATION
  slow.send_frame(NGHTTP2_HEADERS, 0, 1, raw_client::encode({{":method", "GET"}}));
  check_takes_the_short_time([&] {
    const auto ending = slow.read_to_end();
    BOOST_TEST(ending.closed);
    BOOST_TEST(ending.goaway.value_or(99) == static_cast<std::uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM));
  });
}

BOOST_AUTO_TEST_CASE(body) {
  test_server s(with([](auto& o) { o.body_timeout_ms = short_ms; }));
  auto slow = raw_client::connect_h2c(s.running.h2c_port());
  slow.greet();
  slow.request(1, "POST", "/echo", false);
  slow.send_data(1, "half", false);
  check_takes_the_short_time([&] { BOOST_TEST(slow.read_answer(1).status() == "408"); });
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.streams_open == 0; }));
  slow.request(3, "POST", "/echo", false);
  slow.send_data(3, "whole", true);
  BOOST_TEST(slow.read_answer(3).body == "whole");
}

BOOST_AUTO_TEST_CASE(a_streamed_body_may_take_its_time) {
  test_server s(with([](auto& o) { o.body_timeout_ms = short_ms; }));
  auto slow = raw_client::connect_h2c(s.running.h2c_port());
  slow.greet();
  slow.request(1, "POST", "/stream", false);
  BOOST_TEST(!slow.read_answer(1, 3 * short_ms).reset);
  slow.send_data(1, "late", true);
  BOOST_TEST(slow.read_answer(1).body == "late");
}

BOOST_AUTO_TEST_CASE(idle) {
  test_server s(with([](auto& o) { o.idle_timeout_ms = short_ms; }));
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/hold", true);
  BOOST_REQUIRE(s.sink.wait_held(1));
  BOOST_TEST(!client.read_to_end(3 * short_ms).closed);  // a stream is open: not idle
  s.sink.release();
  BOOST_TEST(client.read_answer(1).body == "released");
  check_takes_the_short_time([&] {
    const auto ending = client.read_to_end();
    BOOST_TEST(ending.closed);
    BOOST_TEST(ending.goaway.value_or(99) == static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
  });
}

BOOST_AUTO_TEST_CASE(a_closed_window) {
  test_server s(with([](auto& o) { o.write_timeout_ms = short_ms; }));
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/big", true);
  check_takes_the_short_time([&] {
    BOOST_TEST(client.read_answer(1).reset.value_or(99) ==
               static_cast<std::uint32_t>(NGHTTP2_CANCEL));
  });
}

BOOST_AUTO_TEST_CASE(a_byte_now_and_then) {
  test_server s(with([](auto& o) { o.write_timeout_ms = short_ms; }));
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet(std::string("\0\x04", 2) + be32(0));
  client.request(1, "GET", "/describe", true, {{"accept", std::string(400, 'a')}});
  raw_answer answer;
  check_takes_the_short_time([&] {
    for (int i = 0; i < 100 && !answer.reset; ++i) {
      client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, be32(1));
      answer = client.read_answer(1, short_ms / 8);
    }
  });
  BOOST_TEST(answer.reset.value_or(99) == static_cast<std::uint32_t>(NGHTTP2_CANCEL));
}

BOOST_AUTO_TEST_CASE(a_streamed_body_from_which_nothing_comes) {
  test_server s(with([](auto& o) { o.idle_timeout_ms = short_ms; }));
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "POST", "/stream", false);
  client.send_data(1, "one", false);
  client.read_answer(1, short_ms / 2);
  client.send_data(1, "two", false);
  raw_answer answer;
  check_takes_the_short_time([&] { answer = client.read_answer(1); });
  BOOST_TEST(answer.ended);  // as if the client had ended it
  BOOST_TEST(answer.body == "onetwo");
  client.send_data(1, "late", true);  // is passed over
  client.request(3, "POST", "/echo", false);
  client.send_data(3, "other", true);
  BOOST_TEST(client.read_answer(3).body == "other");
}

BOOST_AUTO_TEST_CASE(a_full_socket) {
  test_server s(with([](auto& o) { o.write_timeout_ms = short_ms; }));
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  const std::string window =
      std::string("\0\x04", 2) + be32(0x7fff'ffff);  // SETTINGS_INITIAL_WINDOW_SIZE
  client.greet(window);
  client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, be32(0x7fff'0000));
  for (int i = 0; i < 64; ++i) client.request(1 + 2 * i, "GET", "/big", true);
  // Reads nothing: the kernel's buffers fill.
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.requests == 64; }));
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.connections_open == 0; }));
}

BOOST_AUTO_TEST_SUITE_END()
