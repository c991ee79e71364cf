// What a hostile client gets: an end, soon, while others are served.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <ctime>
#include <utility>
#include <vector>

#include "net/http2/frame_flood_limiter.hpp"
#include "net/http2/frame_walker.hpp"
#include "net/server.hpp"
#include "net/shared/bounds.hpp"
#include "tests/net/raw_client.hpp"
#include "tests/net/test_server.hpp"

using watchkeeper::mono_ms;
using namespace watchkeeper::net;
using namespace watchkeeper::net::test;

namespace {

/// Sends `once` up to 20,000 times; the server has to end the connection with `code`.
template <class Once>
void check_punished(Once once, std::uint32_t code = NGHTTP2_ENHANCE_YOUR_CALM) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "POST", "/hold", false);
  int sent = 0;
  while (sent < 20'000 && once(client, sent)) ++sent;
  const auto ending = client.read_to_end();
  BOOST_TEST(ending.closed);
  // The end may overtake the GOAWAY when the client is still writing.
  if (ending.goaway) BOOST_TEST(*ending.goaway == code);
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.connections_punished == 1u; }));
  auto other = raw_client::connect_h2c(s.running.h2c_port());
  other.greet();
  other.request(1, "GET", "/echo", true);
  BOOST_TEST(other.read_response(1).status() == "200");
}

/// Leaves the process so many free descriptors.
class few_descriptors {
 public:
  explicit few_descriptors(std::size_t left) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    auto low = before_;
    low.rlim_cur = 256;
    ::setrlimit(RLIMIT_NOFILE, &low);
    for (int fd; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) opened_.push_back(fd);
    for (std::size_t i = 0; i < left && !opened_.empty(); ++i) {
      ::close(opened_.back());
      opened_.pop_back();
    }
  }
  ~few_descriptors() {
    for (const int fd : opened_) ::close(fd);
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }
  few_descriptors(const few_descriptors&) = delete;
  few_descriptors& operator=(const few_descriptors&) = delete;

 private:
  rlimit before_{};
  std::vector<int> opened_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(abuse_test)

BOOST_AUTO_TEST_CASE(rapid_reset) {
  check_punished([](raw_client& c, int i) {
    const int stream = 3 + 2 * i;
    return c.request(stream, "GET", "/hold", true) &&
           c.send_frame(NGHTTP2_RST_STREAM, 0, stream, be32(NGHTTP2_CANCEL));
  });
}

BOOST_AUTO_TEST_CASE(made_you_reset) {
  // A window that overflows is a stream error: the server resets its own stream.
  check_punished([](raw_client& c, int i) {
    const int stream = 3 + 2 * i;
    return c.request(stream, "POST", "/hold", true) &&
           c.send_frame(NGHTTP2_WINDOW_UPDATE, 0, stream, be32(0x7fff'ffff));
  });
}

BOOST_AUTO_TEST_CASE(empty_data) {
  check_punished([](raw_client& c, int) { return c.send_frame(NGHTTP2_DATA, 0, 1, ""); });
}

BOOST_AUTO_TEST_CASE(padding_only_data) {
  check_punished([](raw_client& c, int) {
    return c.send_frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, std::string("\x02\0\0", 3));
  });
}

BOOST_AUTO_TEST_CASE(ping) {
  check_punished([](raw_client& c, int) { return c.send_frame(NGHTTP2_PING, 0, 0, "12345678"); });
}

BOOST_AUTO_TEST_CASE(settings) {
  check_punished([](raw_client& c, int) { return c.send_frame(NGHTTP2_SETTINGS, 0, 0, ""); });
}

BOOST_AUTO_TEST_CASE(window_update) {
  check_punished(
      [](raw_client& c, int) { return c.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, be32(1)); });
}

BOOST_AUTO_TEST_CASE(priority) {
  check_punished([](raw_client& c, int i) {
    return c.send_frame(NGHTTP2_PRIORITY, 0, 3 + 2 * i, be32(0) + '\x10');
  });
}

BOOST_AUTO_TEST_CASE(unknown_frames) {
  check_punished([](raw_client& c, int) { return c.send_frame(0x77, 0, 0, ""); });
}

BOOST_AUTO_TEST_CASE(a_skipped_stream_cannot_be_opened_later) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/echo", true);
  client.request(7, "GET", "/echo", true);
  BOOST_TEST(client.read_response(7).status() == "200");
  client.request(5, "GET", "/echo", true);
  const auto ending = client.read_to_end();
  BOOST_TEST(ending.closed);
  BOOST_TEST(ending.goaway.value_or(99) == static_cast<std::uint32_t>(NGHTTP2_PROTOCOL_ERROR));
}

BOOST_AUTO_TEST_CASE(trailers_of_a_closed_stream_are_no_skipped_stream) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "POST", "/echo", false);
  client.send_data(1, "with ", false);
  client.send_data(1, "trailers", false);
  client.send_headers(1, {{"x-checksum", "1"}}, true);
  BOOST_TEST(client.read_response(1).body == "with trailers");
}

BOOST_AUTO_TEST_CASE(a_stream_that_the_client_ended_is_closed) {
  for (const bool by_reset : {false, true})
    for (const bool with_data : {false, true}) {
      test_server s(test_server::h2c_options());
      auto client = raw_client::connect_h2c(s.running.h2c_port());
      client.greet();
      if (by_reset) {
        client.request(1, "GET", "/hold", true);
        BOOST_REQUIRE(s.sink.wait_pending(1));
        client.send_frame(NGHTTP2_RST_STREAM, 0, 1, be32(NGHTTP2_CANCEL));
        BOOST_REQUIRE(eventually(s.running, [](const auto& n) { return n.streams_open == 0; }));
      } else {
        client.request(1, "GET", "/echo", true);
        BOOST_TEST(client.read_response(1).status() == "200");
      }
      if (with_data)
        client.send_data(1, "late", true);
      else
        client.request(1, "GET", "/echo", true);
      const auto ending = client.read_to_end();
      BOOST_TEST(ending.closed);
      BOOST_TEST(ending.goaway.value_or(99) == static_cast<std::uint32_t>(NGHTTP2_STREAM_CLOSED));
    }
}

BOOST_AUTO_TEST_CASE(late_frames_of_a_stream_that_we_ended_are_ignored) {
  test_server s(test_server::h2c_options());
  s.sink.body_bytes_max = 10;
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "POST", "/echo", false);
  client.send_data(1, "more than ten", false);
  BOOST_TEST(client.read_response(1).status() == "413");
  s.advance(bounds::early_response_ms + 1);
  BOOST_REQUIRE(s.running.statistics().streams_open == 0u);
  client.send_data(1, "late", false);
  client.send_headers(1, {{"x-late", "1"}}, true);
  client.request(3, "GET", "/echo", true);
  BOOST_TEST(client.read_response(3).status() == "200");
}

BOOST_AUTO_TEST_CASE(continuations_have_a_limit) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.send_frame(NGHTTP2_HEADERS, 0, 1, raw_client::encode({{":method", "GET"}}));
  for (int i = 0; i < 1000; ++i)
    if (!client.send_frame(NGHTTP2_CONTINUATION, 0, 1, "")) break;
  BOOST_TEST(client.read_to_end().closed);
}

BOOST_AUTO_TEST_CASE(other_protocols_are_turned_away) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.send_bytes("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto ending = client.read_to_end();
  BOOST_TEST(ending.closed);
  BOOST_TEST(ending.goaway.value_or(99) == static_cast<std::uint32_t>(NGHTTP2_PROTOCOL_ERROR));
}

BOOST_AUTO_TEST_CASE(who_writes_on_after_the_end_is_cut_off) {
  test_server s(test_server::h2c_options());
  const std::string piece(64 * 1024, 'x');
  const auto write_on = [&](std::size_t most_bytes) {
    auto client = raw_client::connect_h2c(s.running.h2c_port());
    client.send_bytes("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    std::size_t sent_bytes = 0;
    while (sent_bytes < most_bytes && client.send_bytes(piece)) sent_bytes += piece.size();
    return std::pair(sent_bytes, client.read_to_end());
  };
  // What may still have been on its way costs nobody the reason.
  const auto [late_bytes, late_end] = write_on(bounds::linger_bytes_max / 2);
  BOOST_TEST(late_bytes == bounds::linger_bytes_max / 2);
  BOOST_TEST(late_end.goaway.has_value());
  // The kernel's buffers take some more. The time to linger does not pass here.
  const auto [endless_bytes, ended] = write_on(256 * 1024 * 1024);
  BOOST_TEST(endless_bytes < 32u * 1024 * 1024);
  BOOST_TEST(ended.closed);
}

BOOST_AUTO_TEST_CASE(connections_per_address) {
  auto options = test_server::h2c_options();
  options.connections_per_address_max = 2;
  test_server s(options);
  auto one = raw_client::connect_h2c(s.running.h2c_port());
  auto two = raw_client::connect_h2c(s.running.h2c_port());
  one.greet();
  two.greet();
  two.request(1, "GET", "/echo", true);
  BOOST_TEST(two.read_response(1).status() == "200");
  auto three = raw_client::connect_h2c(s.running.h2c_port());
  BOOST_TEST(three.read_to_end().closed);
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.connections_refused == 1u; }));
  one.close();
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.connections_open == 1; }));
  auto four = raw_client::connect_h2c(s.running.h2c_port());
  four.greet();
  four.request(1, "GET", "/echo", true);
  BOOST_TEST(four.read_response(1).status() == "200");
}

BOOST_AUTO_TEST_CASE(an_address_that_attacks_again_and_again_gets_no_new_connections_for_a_while) {
  auto options = test_server::h2c_options();
  options.address_punished = {.interval_us = 2'000'000, .burst = 3};
  test_server s(options);
  auto neighbour = raw_client::connect_h2c(s.running.h2c_port());  // is open already
  neighbour.greet();
  for (unsigned i = 1; i <= 3; ++i) {
    auto attacker = raw_client::connect_h2c(s.running.h2c_port());
    attacker.greet();
    for (int k = 0; k < 400; ++k) attacker.send_frame(NGHTTP2_PING, 0, 0, std::string(8, 'p'));
    BOOST_TEST(attacker.read_to_end().closed);
    BOOST_TEST(eventually(s.running, [&](const auto& n) { return n.connections_punished == i; }));
  }
  auto again = raw_client::connect_h2c(s.running.h2c_port());
  BOOST_TEST(again.read_to_end().closed);
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.connections_refused == 1u; }));
  neighbour.request(1, "GET", "/echo", true);
  BOOST_TEST(neighbour.read_response(1).status() == "200");
  auto elsewhere = raw_client::connect_h2c(s.running.h2c_port(), "127.0.0.2");
  elsewhere.greet();
  elsewhere.request(1, "GET", "/echo", true);
  BOOST_TEST(elsewhere.read_response(1).status() == "200");
  // For a while.
  s.advance(1999);
  auto early = raw_client::connect_h2c(s.running.h2c_port());
  BOOST_TEST(early.read_to_end().closed);
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.connections_refused == 2u; }));
  s.advance(1);
  auto later = raw_client::connect_h2c(s.running.h2c_port());
  later.greet();
  later.request(1, "GET", "/echo", true);
  BOOST_TEST(later.read_response(1).status() == "200");
}

BOOST_AUTO_TEST_CASE(a_chunk_that_is_very_small_passes_where_many_responses_wait) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  BOOST_REQUIRE(client.greet_and_wait());
  client.request(1, "POST", "/stream", false);
  constexpr std::int32_t most = bounds::connection_response_bytes_max / (1 << 20);
  for (std::int32_t i = 1; i <= most; ++i) client.request(1 + 2 * i, "GET", "/big", true);
  client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, be32(1 << 30));
  client.send_data(1, "a result", true);
  BOOST_TEST(client.read_response(1).body == "a result");
}

BOOST_AUTO_TEST_CASE(out_of_descriptors_new_clients_wait) {
  test_server s(test_server::h2c_options());  // raises the limit
  const few_descriptors left(3);
  auto one = raw_client::connect_h2c(s.running.h2c_port());  // two of them: both ends
  one.greet();
  one.request(1, "GET", "/echo", true);
  BOOST_TEST(one.read_response(1).status() == "200");
  auto two = raw_client::connect_h2c(s.running.h2c_port());  // the third; none to accept with
  two.greet();
  two.request(1, "GET", "/echo", true);
  const auto before = std::clock();
  BOOST_TEST(two.read_response(1, 500).status() == "");
  BOOST_TEST(std::clock() - before < CLOCKS_PER_SEC / 5);  // nobody spins
  one.request(3, "GET", "/echo", true);
  BOOST_TEST(one.read_response(3).status() == "200");
  one.close();
  BOOST_TEST(two.read_response(1).status() == "200");
}

BOOST_AUTO_TEST_CASE(connections_in_all) {
  auto options = test_server::h2c_options();
  options.connections_max = 1;
  test_server s(options);
  auto one = raw_client::connect_h2c(s.running.h2c_port());
  one.greet();
  one.request(1, "GET", "/echo", true);
  BOOST_TEST(one.read_response(1).status() == "200");
  auto two = raw_client::connect_h2c(s.running.h2c_port());
  BOOST_TEST(two.read_to_end().closed);
  one.request(3, "GET", "/echo", true);
  BOOST_TEST(one.read_response(3).status() == "200");
}

BOOST_AUTO_TEST_CASE(an_honest_client_is_never_punished) {
  // A day of one heartbeat in ten seconds and one ping a second.
  frame_flood_limiter guard;
  mono_ms now(1'000'000);
  bool fine = true;
  for (int second = 0; second < 86'400; ++second, now += 1000) {
    fine &= guard.charge(frame_flood_limiter::kind::ping, now) && guard.charge_bytes(17, 0, now);
    if (second % 10 != 0) continue;
    fine &= guard.charge(frame_flood_limiter::kind::window_update, now);
    fine &= guard.charge(frame_flood_limiter::kind::empty_data, now);
    fine &= guard.charge_bytes(700, 650, now);
  }
  BOOST_TEST(fine);
}

BOOST_AUTO_TEST_CASE(the_walker_sees_frames_in_pieces_of_any_size) {
  std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  for (int i = 0; i < 5; ++i) {
    bytes += be32(static_cast<std::uint32_t>(i * 7)).substr(1);
    bytes += static_cast<char>(i + 3);
    bytes += static_cast<char>(i);
    bytes += be32(1) + std::string(static_cast<std::size_t>(i * 7), 'p');
  }
  for (std::size_t piece = 1; piece < bytes.size(); ++piece) {
    frame_walker walker;
    std::string seen;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      const auto part = bytes.substr(at, piece);
      const bool went_on =
          walker.walk({reinterpret_cast<const std::uint8_t*>(part.data()), part.size()},
                      [&](const frame_head& head) {
                        seen += std::to_string(head.type) + "/" + std::to_string(head.flags) + "/" +
                                std::to_string(head.length) + " ";
                        return true;
                      });
      BOOST_REQUIRE(went_on);
    }
    BOOST_REQUIRE(seen == "3/0/0 4/1/7 5/2/14 6/3/21 7/4/28 ");
  }
}

BOOST_AUTO_TEST_CASE(buckets_fill_and_leak) {
  for (std::size_t k = 0; k < frame_flood_limiter::kinds; ++k) {
    frame_flood_limiter guard;
    const auto what = static_cast<frame_flood_limiter::kind>(k);
    const auto bucket = frame_flood_limiter::buckets[k];
    for (int i = 0; i < bucket.burst; ++i) BOOST_REQUIRE(guard.charge(what, mono_ms(5000)));
    BOOST_TEST(!guard.charge(what, mono_ms(5999)));
    for (int i = 0; i < bucket.per_second; ++i) BOOST_REQUIRE(guard.charge(what, mono_ms(6000)));
    BOOST_TEST(!guard.charge(what, mono_ms(6000)));
    guard.credit(what, 1);
    BOOST_TEST(guard.charge(what, mono_ms(6000)));
    BOOST_TEST(!guard.charge(what, mono_ms(6000)));
  }
  frame_flood_limiter guard;
  BOOST_TEST(guard.charge_bytes(frame_flood_limiter::overhead_bytes_max, 0, mono_ms(1000)));
  BOOST_TEST(!guard.charge_bytes(1, 0, mono_ms(1000)));
}

BOOST_AUTO_TEST_SUITE_END()
