// Bodies that the sink takes or gives piece by piece.
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>

#include "net/shared/bounds.hpp"
#include "tests/net/raw_client.hpp"
#include "tests/net/test_server.hpp"

using namespace watchkeeper::net;
using namespace watchkeeper::net::test;

BOOST_AUTO_TEST_SUITE(streamed_body_test)

BOOST_AUTO_TEST_CASE(streams_echo_and_both_sides_may_end) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "POST", "/stream", false);
  std::string sent;
  for (int i = 0; i < 40; ++i) {  // several windows' worth: it is given back
    const std::string piece(8000, static_cast<char>('a' + i % 26));
    BOOST_REQUIRE(client.send_data(1, piece, i == 39));
    sent += piece;
    client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, be32(8000));
    client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, be32(8000));
    while (client.read_response(1, 0).body.size() < sent.size())
      if (!client.read_frame()) break;
  }
  const auto response = client.read_response(1);
  BOOST_TEST(response.ended);
  BOOST_TEST((response.body == sent));
  BOOST_TEST(s.sink.wait_gone(1));
}

BOOST_AUTO_TEST_CASE(chunks_of_several_threads_go_out_in_the_order_in_which_they_were_sent) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  for (std::int32_t id = 1; id < 40; id += 2) {
    client.request(id, "POST", "/turns", false);
    // In one event of the I/O thread: the other thread's chunk, then this one's, and the end.
    client.send_data(id, "another thread's ", false);
    client.send_data(id, "its own", true);
  }
  for (std::int32_t id = 1; id < 40; id += 2)
    BOOST_TEST(client.read_response(id).body == "another thread's its own");
  BOOST_TEST(s.running.statistics().responses_dropped == 0u);
}

BOOST_AUTO_TEST_CASE(a_pulled_response_asks_for_a_chunk_when_the_one_before_was_taken) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/pull", true);
  // The client's window holds one chunk but for a byte: no second one is made for it.
  const auto check_part = [&](std::size_t bytes, std::size_t chunks) {
    BOOST_TEST(client.read_body(1, bytes).body.size() == bytes);
    BOOST_TEST(client.ping());
    BOOST_TEST(client.read_body(1, 0).body.size() == bytes);
    BOOST_TEST(s.sink.pulled() == chunks);
  };
  check_part(65'535, 1);
  client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, be32(65'536));
  client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, be32(65'536));
  check_part(2 * 65'536 - 1, 2);
  client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, be32(1 << 20));
  client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, be32(1 << 20));
  const auto whole = client.read_response(1);
  BOOST_TEST(whole.ended);
  BOOST_TEST(whole.body.size() == 1u << 20);
  BOOST_TEST(s.sink.pulled() == 16u);
  std::string right;
  for (int i = 1; i <= 16; ++i) right += std::string(64 * 1024, static_cast<char>('a' + i));
  BOOST_TEST((whole.body == right));
}

BOOST_AUTO_TEST_CASE(an_unconsumed_stream_exhausts_its_window_only) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  BOOST_REQUIRE(client.greet_and_wait());
  client.request(1, "POST", "/stall", false);
  client.send_data(1, std::string(bounds::stream_window_bytes, 's'), false);
  BOOST_REQUIRE(s.sink.wait_stalled_bytes(bounds::stream_window_bytes));
  // No window came back, yet others are served.
  client.request(3, "POST", "/echo", false);
  client.send_data(3, "other", true);
  BOOST_TEST(client.read_response(3).body == "other");
  BOOST_TEST(client.ping([](const raw_frame& frame) {
    BOOST_TEST((frame.type != NGHTTP2_WINDOW_UPDATE || frame.stream != 1));
  }));
  s.sink.consume_stalled();
  bool returned = false;
  while (!returned) {
    const auto frame = client.read_frame();
    BOOST_REQUIRE(frame.has_value());
    returned = frame->type == NGHTTP2_WINDOW_UPDATE && frame->stream == 1;
  }
  client.send_data(1, "more", true);
  BOOST_TEST(client.read_response(1).body == "done");
}

BOOST_AUTO_TEST_CASE(a_client_that_sends_past_the_window_is_an_error) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  BOOST_REQUIRE(client.greet_and_wait());
  client.request(1, "POST", "/stall", false);
  client.send_data(1, std::string(bounds::stream_window_bytes + 1, 's'), false);
  BOOST_TEST(client.read_response(1).reset.value_or(99) ==
             static_cast<std::uint32_t>(NGHTTP2_FLOW_CONTROL_ERROR));
}

BOOST_AUTO_TEST_CASE(a_streamed_response_that_nobody_reads_is_reset) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/flood", true);  // 512 KiB against a window of 64 KiB
  const auto response = client.read_response(1);
  BOOST_TEST(response.reset.value_or(99) == static_cast<std::uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM));
  BOOST_TEST(s.sink.wait_gone(1));
}

BOOST_AUTO_TEST_SUITE_END()
