// Each deadline, to the millisecond: nothing happens at it, and what it is for happens just after
// it.
#include <boost/test/unit_test.hpp>
#include <future>
#include <utility>

#include "net/server.hpp"
#include "net/shared/bounds.hpp"
#include "tests/net/certificate.hpp"
#include "tests/net/raw_client.hpp"
#include "tests/net/test_server.hpp"

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

/// The server has taken all that `client`, its only one, has sent.
void check_taken(test_server& s, const raw_client& client) {
  BOOST_REQUIRE(eventually(s.running, [](const auto& n) { return n.connections_open == 1; }));
  BOOST_REQUIRE(s.wait_received(client.sent_bytes()));
}

/// Moves the clock to just after a deadline; nothing may have happened until then.
void pass_deadline(test_server& s, std::int64_t deadline_ms) {
  BOOST_TEST(s.is_quiet_for(deadline_ms));
  s.advance(1);
}

void check_end(raw_client& client, std::uint32_t code) {
  const auto ending = client.read_to_end();
  BOOST_TEST(ending.closed);
  BOOST_TEST(ending.goaway.value_or(99) == code);
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
  check_taken(s, silent);
  pass_deadline(s, short_ms);
  BOOST_TEST(silent.read_to_end().closed);
  BOOST_TEST(s.running.statistics().handshakes_failed == 1u);
}

BOOST_AUTO_TEST_CASE(preface) {
  test_server s(with([](auto& o) { o.header_timeout_ms = short_ms; }));
  auto silent = raw_client::connect_h2c(s.running.h2c_port());
  silent.acknowledges = false;
  check_taken(s, silent);
  pass_deadline(s, short_ms);
  check_end(silent, NGHTTP2_SETTINGS_TIMEOUT);
}

BOOST_AUTO_TEST_CASE(headers) {
  test_server s(with([](auto& o) { o.header_timeout_ms = short_ms; }));
  auto slow = raw_client::connect_h2c(s.running.h2c_port());
  slow.greet();
  slow.acknowledges = false;  // nothing may come between HEADERS and CONTINUATION
  slow.send_frame(NGHTTP2_HEADERS, 0, 1, raw_client::encode({{":method", "GET"}}));
  check_taken(s, slow);
  pass_deadline(s, short_ms);
  check_end(slow, NGHTTP2_ENHANCE_YOUR_CALM);
}

BOOST_AUTO_TEST_CASE(body) {
  test_server s(with([](auto& o) { o.body_timeout_ms = short_ms; }));
  auto slow = raw_client::connect_h2c(s.running.h2c_port());
  slow.greet();
  slow.request(1, "POST", "/echo", false);
  slow.send_data(1, "half", false);
  check_taken(s, slow);
  pass_deadline(s, short_ms);
  BOOST_TEST(slow.read_response(1).status() == "408");
  pass_deadline(s, bounds::early_response_ms);
  BOOST_TEST(s.running.statistics().streams_open == 0u);
  slow.request(3, "POST", "/echo", false);
  slow.send_data(3, "whole", true);
  BOOST_TEST(slow.read_response(3).body == "whole");
}

BOOST_AUTO_TEST_CASE(a_streamed_body_may_take_its_time) {
  test_server s(with([](auto& o) { o.body_timeout_ms = short_ms; }));
  auto slow = raw_client::connect_h2c(s.running.h2c_port());
  slow.greet();
  slow.request(1, "POST", "/stream", false);
  check_taken(s, slow);
  BOOST_TEST(s.is_quiet_for(3 * short_ms));
  slow.send_data(1, "late", true);
  BOOST_TEST(slow.read_response(1).body == "late");
}

BOOST_AUTO_TEST_CASE(idle) {
  test_server s(with([](auto& o) { o.idle_timeout_ms = short_ms; }));
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/hold", true);
  BOOST_REQUIRE(s.sink.wait_pending(1));
  BOOST_TEST(s.is_quiet_for(3 * short_ms));  // a stream is open: not idle
  s.sink.release();
  BOOST_TEST(client.read_response(1).body == "released");
  pass_deadline(s, short_ms);
  check_end(client, NGHTTP2_NO_ERROR);
}

BOOST_AUTO_TEST_CASE(a_closed_window) {
  test_server s(with([](auto& o) { o.write_timeout_ms = short_ms; }));
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/big", true);
  BOOST_TEST(client.read_body(1, 65'535).body.size() == 65'535u);
  pass_deadline(s, short_ms);
  BOOST_TEST(client.read_response(1).reset.value_or(99) ==
             static_cast<std::uint32_t>(NGHTTP2_CANCEL));
}

BOOST_AUTO_TEST_CASE(a_byte_now_and_then) {
  test_server s(with([](auto& o) { o.write_timeout_ms = short_ms; }));
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet(std::string("\0\x04", 2) + be32(0));
  client.request(1, "GET", "/describe", true, {{"prefer", std::string(400, 'a')}});
  auto next_byte = [&, bytes = std::size_t{0}]() mutable {
    client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, be32(1));
    return client.read_body(1, ++bytes);
  };
  const auto length = std::stoll(next_byte().fields.at("content-length"));
  // Each byte is progress, but a whole response has a deadline as well.
  auto left_ms = short_ms + length * 1000 / bounds::response_bytes_per_s_min;
  BOOST_REQUIRE(left_ms > 2 * short_ms);
  for (; left_ms > short_ms; left_ms -= short_ms) {
    BOOST_TEST(s.is_quiet_for(short_ms));
    BOOST_TEST(!next_byte().reset);
  }
  pass_deadline(s, left_ms);
  BOOST_TEST(client.read_response(1).reset.value_or(99) ==
             static_cast<std::uint32_t>(NGHTTP2_CANCEL));
}

BOOST_AUTO_TEST_CASE(a_streamed_body_from_which_nothing_comes) {
  test_server s(with([](auto& o) { o.idle_timeout_ms = short_ms; }));
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "POST", "/stream", false);
  client.send_data(1, "one", false);
  BOOST_TEST(client.read_body(1, 3).body == "one");
  BOOST_TEST(s.is_quiet_for(short_ms));
  client.send_data(1, "two", false);  // starts the time again
  BOOST_TEST(client.read_body(1, 6).body == "onetwo");
  pass_deadline(s, short_ms);
  const auto response = client.read_response(1);
  BOOST_TEST(response.ended);  // as if the client had ended it
  BOOST_TEST(response.body == "onetwo");
  client.send_data(1, "late", true);  // is passed over
  client.request(3, "POST", "/echo", false);
  client.send_data(3, "other", true);
  BOOST_TEST(client.read_response(3).body == "other");
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
  auto sent_before = s.running.statistics().bytes_sent;
  s.advance(short_ms);
  BOOST_TEST(s.running.statistics().connections_open == 1u);
  s.advance(1);
  // The kernel may have made room of its own accord meanwhile. Then the time begins again.
  while (s.running.statistics().connections_open != 0) {
    const auto sent = s.running.statistics().bytes_sent;
    BOOST_REQUIRE(sent > std::exchange(sent_before, sent));
    s.advance(short_ms + 1);
  }
}

BOOST_AUTO_TEST_CASE(an_end_that_the_client_does_not_take) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.send_bytes("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  BOOST_TEST(client.read_to_end().closed);  // and leaves its side open
  BOOST_TEST(s.is_quiet_for(bounds::linger_ms));
  BOOST_TEST(s.running.statistics().connections_open == 1u);
  s.advance(1);
  BOOST_TEST(s.running.statistics().connections_open == 0u);
}

BOOST_AUTO_TEST_CASE(a_notice_of_a_drain_that_is_not_acknowledged) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  BOOST_REQUIRE(client.greet_and_wait());
  client.acknowledges = false;
  auto drained = std::async(std::launch::async, [&] { return s.running.drain(wait_max); });
  for (auto frame = client.read_frame(); frame && frame->type != NGHTTP2_GOAWAY;)
    frame = client.read_frame();
  // A request that was on its way is still served.
  client.request(1, "GET", "/echo", true);
  BOOST_TEST(client.read_response(1).status() == "200");
  pass_deadline(s, bounds::drain_notice_ms);
  check_end(client, NGHTTP2_NO_ERROR);
  client.close();
  BOOST_TEST(drained.get());
}

BOOST_AUTO_TEST_SUITE_END()
