// What an honest client may rely on.
#include "net/server.hpp"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <stdexcept>
#include <thread>

#include "net/shared/bounds.hpp"
#include "tests/net/certificate.hpp"
#include "tests/net/raw_client.hpp"
#include "tests/net/test_server.hpp"

using namespace watchkeeper::net;
using namespace watchkeeper::net::test;

BOOST_AUTO_TEST_SUITE(server_test)

BOOST_AUTO_TEST_CASE(fields_and_body_reach_the_sink) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "POST", "/describe?a=b&c=%20?", false,
                 {{"authorization", "Bearer x"},
                  {"content-type", "application/jose"},
                  {"prefer", "return=minimal"},
                  {"prefer", "wait=5"},
                  {"host", "LOCALHOST"},
                  {"x-ignored", "y"}});
  client.send_data(1, "hello ", false);
  client.send_data(1, "world", true);
  const auto response = client.read_response(1);
  BOOST_TEST(response.status() == "200");
  BOOST_TEST(
      response.body ==
      "POST\n/describe\na=b&c=%20?\nBearer x\napplication/jose\nreturn=minimal, wait=5\n127.0.0.1\n"
      "hello world");
  BOOST_TEST(response.fields.at("server") == "watchkeeper");
  BOOST_TEST(response.fields.at("date").size() == 29u);
  BOOST_TEST(response.fields.at("date").ends_with(" GMT"));
  BOOST_TEST(response.fields.at("content-type") == "text/plain");
  BOOST_TEST(response.fields.at("content-length") == std::to_string(response.body.size()));
  BOOST_TEST(response.fields.at("x-more") == "yes");
}

BOOST_AUTO_TEST_CASE(fields_that_are_rare_reach_the_sink) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/describe", true,
                 {{"origin", "https://a"},
                  {"access-control-request-method", "POST"},
                  {"if-none-match", "\"x\""},
                  {"if-modified-since", "then"},
                  {"range", "bytes=0-1"},
                  {"cookie", "a=1"},
                  {"x-watchkeeper-csrf", "c"},
                  {"last-event-id", "7"},
                  {"accept-encoding", "br, gzip"},
                  {"cookie", "b=2"},
                  {"if-range", "\"y\""},
                  {"if-none-match", "\"z\""}});
  const auto body = client.read_response(1).body;
  BOOST_TEST(body.substr(body.find("127.0.0.1\n")) ==
             "127.0.0.1\n\n0=https://a\n1=POST\n2=\"x\", \"z\"\n3=then\n4=bytes=0-1\n6=a=1; "
             "b=2\n7=c\n8=7\n9=br, gzip\n"
             "5=\"y\"");
}

BOOST_AUTO_TEST_CASE(common_fields_are_on_every_response_also_of_this_layer) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/shared", true);
  auto response = client.read_response(1);
  BOOST_TEST(response.status() == "404");
  BOOST_TEST(response.fields.at("x-common") == "yes");
  client.request(3, "POST", "/shared", false, {{"content-length", "10000000"}});
  response = client.read_response(3);
  BOOST_TEST(response.status() == "413");
  BOOST_TEST(response.fields.at("x-common") == "yes");
  client.request(5, "GET", "/status/200", true);
  BOOST_TEST(client.read_response(5).fields.count("x-common") == 0u);
}

BOOST_AUTO_TEST_CASE(a_round_ends_after_the_requests_that_were_there_together) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  BOOST_REQUIRE(client.greet_and_wait());
  constexpr std::int32_t last = 15;
  std::string together;
  for (std::int32_t stream = 1; stream <= last; stream += 2) {
    const auto block = raw_client::encode({{":method", "GET"},
                                           {":scheme", "http"},
                                           {":authority", "localhost"},
                                           {":path", "/round"}});
    together += be32(static_cast<std::uint32_t>(block.size())).substr(1);
    together += "\x01\x05";  // HEADERS; END_STREAM and END_HEADERS
    together += be32(static_cast<std::uint32_t>(stream)) + block;
  }
  BOOST_REQUIRE(client.send_bytes(together));
  for (std::int32_t stream = 1; stream <= last; stream += 2) {
    const auto response = client.read_response(stream);
    BOOST_TEST(response.status() == "200");
    BOOST_TEST(response.body == "8");
  }
  client.request(last + 2, "GET", "/round", true);
  BOOST_TEST(client.read_response(last + 2).body == "1");
}

BOOST_AUTO_TEST_CASE(a_round_does_not_wait_for_all_that_one_look_brings) {
  test_server s(test_server::h2c_options());
  std::vector<raw_client> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(raw_client::connect_h2c(s.running.h2c_port()));
    BOOST_REQUIRE(clients.back().greet_and_wait());
  }
  // While the first keeps the I/O thread, the others' requests come: the next look brings them all.
  clients[0].request(1, "GET", "/busy", true);
  BOOST_REQUIRE(s.sink.wait_busy());
  clients[1].request(1, "GET", "/late", true);
  clients[2].request(1, "GET", "/round", true);
  clients[3].request(1, "GET", "/round", true);
  s.sink.let_go();
  BOOST_TEST(clients[2].read_response(1).body == "1");
  BOOST_TEST(clients[3].read_response(1).body == "1");
  BOOST_TEST(clients[1].read_response(1).body == "late");
}

BOOST_AUTO_TEST_CASE(a_response_from_another_thread_brings_a_round) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  BOOST_REQUIRE(client.greet_and_wait());
  client.request(1, "GET", "/hold", true);
  BOOST_REQUIRE(s.sink.wait_pending(1));
  client.request(3, "GET", "/round", true);
  BOOST_TEST(client.read_response(3).status() == "200");
  const auto before = s.sink.rounds();
  s.sink.release();
  BOOST_TEST(client.read_response(1).status() == "200");
  BOOST_TEST(s.sink.wait_rounds(before + 1));
}

BOOST_AUTO_TEST_CASE(responses_without_content) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/status/204", true);
  const auto none = client.read_response(1);
  BOOST_TEST(none.status() == "204");
  BOOST_TEST(none.body.empty());
  BOOST_TEST(none.fields.count("content-length") == 0u);
  BOOST_TEST(none.fields.count("content-type") == 0u);
  client.request(3, "HEAD", "/big", true);
  const auto head = client.read_response(3);
  BOOST_TEST(head.status() == "200");
  BOOST_TEST(head.body.empty());
  BOOST_TEST(head.fields.at("content-length") == std::to_string(1 << 20));
  client.request(5, "GET", "/status/99", true);
  BOOST_TEST(client.read_response(5).status() == "500");
  client.request(7, "POST", "/echo", true);
  const auto empty = client.read_response(7);
  BOOST_TEST(empty.status() == "200");
  BOOST_TEST(empty.fields.at("content-length") == "0");
}

BOOST_AUTO_TEST_CASE(a_large_response_waits_for_the_clients_window) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/big", true);
  BOOST_TEST(client.read_body(1, 65'535).body.size() == 65'535u);
  BOOST_TEST(client.ping());
  BOOST_TEST(client.read_body(1, 0).body.size() == 65'535u);
  client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, be32(1 << 20));
  client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, be32(1 << 20));
  const auto whole = client.read_response(1);
  BOOST_TEST(whole.ended);
  BOOST_TEST((whole.body == std::string(1 << 20, 'b')));
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

BOOST_AUTO_TEST_CASE(a_body_over_the_limit_is_refused_at_once) {
  test_server s(test_server::h2c_options());
  s.sink.body_bytes_max = 1000;
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "POST", "/echo", false);
  client.send_data(1, std::string(1000, 'x'), false);
  client.send_data(1, "y", false);  // and no end
  const auto response = client.read_response(1);
  BOOST_TEST(response.status() == "413");
  BOOST_TEST(response.body.find("urn:watchkeeper:problem:payload-too-large") != std::string::npos);
  // The reset comes later, so that it costs no client the response.
  BOOST_TEST(s.is_quiet_for(bounds::early_response_ms));
  s.advance(1);
  BOOST_TEST(client.ping());
  BOOST_TEST(client.read_response(1).reset.value_or(99) ==
             static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
  // Announced: refused before a byte of it came.
  client.request(3, "POST", "/echo", false, {{"content-length", "1001"}});
  BOOST_TEST(client.read_response(3).status() == "413");
  // The connection goes on, and exactly the limit is fine.
  client.request(5, "POST", "/echo", false, {{"content-length", "1000"}});
  client.send_data(5, std::string(1000, 'x'), true);
  BOOST_TEST(client.read_response(5).body.size() == 1000u);
  s.advance(bounds::early_response_ms + 1);
  BOOST_TEST(s.running.statistics().streams_open == 0u);
}

BOOST_AUTO_TEST_CASE(a_body_that_is_not_as_long_as_announced_resets_the_stream) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "POST", "/echo", false, {{"content-length", "10"}});
  client.send_data(1, "short", true);
  const auto response = client.read_response(1);
  BOOST_TEST(response.reset.value_or(99) == static_cast<std::uint32_t>(NGHTTP2_PROTOCOL_ERROR));
  client.request(3, "POST", "/echo", false);
  client.send_data(3, "still here", true);
  BOOST_TEST(client.read_response(3).body == "still here");
}

BOOST_AUTO_TEST_CASE(header_lists_have_a_limit) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/echo", true, {{"x", std::string(bounds::header_list_bytes_max, 'x')}});
  const auto large = client.read_response(1);
  BOOST_TEST(large.status() == "431");
  BOOST_TEST(large.body.find("\"status\":431") != std::string::npos);
  field_list many;
  for (std::size_t i = 0; i < bounds::header_fields_max; ++i)
    many.emplace_back("x" + std::to_string(i), "");
  client.request(3, "GET", "/echo", true, many);
  BOOST_TEST(client.read_response(3).status() == "431");
  many.resize(bounds::header_fields_max - 4);
  client.request(5, "GET", "/echo", true, many);
  BOOST_TEST(client.read_response(5).status() == "200");
  // Far over: not worth a response.
  client.request(7, "GET", "/echo", true,
                 {{"x", std::string(40'000, 'x')}, {"y", std::string(30'000, 'y')}});
  BOOST_TEST((client.read_response(7).reset || client.read_to_end().closed));
}

BOOST_AUTO_TEST_CASE(connect_and_other_hosts_are_refused) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.send_headers(1, {{":method", "CONNECT"}, {":authority", "example.org:443"}}, false);
  const auto refused = client.read_response(1);
  BOOST_TEST(refused.status() == "405");
  BOOST_TEST(refused.fields.count("allow") == 1u);
  client.request(3, "GET", "/echo", true, {{"host", "elsewhere"}});
  BOOST_TEST(client.read_response(3).status() == "400");
}

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

BOOST_AUTO_TEST_CASE(responses_that_nobody_reads_have_a_limit) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  BOOST_REQUIRE(client.greet_and_wait());
  constexpr std::int32_t most = bounds::connection_response_bytes_max / (1 << 20);
  for (std::int32_t i = 0; i < most + 3; ++i) client.request(1 + 2 * i, "GET", "/big", true);
  const auto last = 1 + 2 * (most + 2);
  // What would pass the limit gets a 503, though the connection's window is used up: it has a body.
  client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, be32(1 << 30));
  for (auto id = 1 + 2 * most; id <= last; id += 2) {
    const auto response = client.read_response(id);
    BOOST_TEST(response.status() == "503");
    BOOST_TEST(response.body.find("overloaded") != std::string::npos);
  }
  client.request(last + 2, "GET", "/status/200", true);  // small ones always go
  BOOST_TEST(client.read_response(last + 2).status() == "200");
  for (std::int32_t i = 0; i < most; ++i) {
    client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, 1 + 2 * i, be32(2 << 20));
    BOOST_TEST(client.read_response(1 + 2 * i).body.size() == std::size_t{1 << 20});
  }
  client.request(last + 4, "GET", "/big", true);
  client.send_frame(NGHTTP2_WINDOW_UPDATE, 0, last + 4, be32(2 << 20));
  BOOST_TEST(client.read_response(last + 4).status() == "200");
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

BOOST_AUTO_TEST_CASE(responses_to_the_gone_are_dropped) {
  test_server s(test_server::h2c_options());
  {
    auto client = raw_client::connect_h2c(s.running.h2c_port());
    client.greet();
    client.request(1, "GET", "/hold", true);
    client.request(3, "GET", "/hold", true);
    BOOST_REQUIRE(s.sink.wait_pending(2));
    client.send_frame(NGHTTP2_RST_STREAM, 0, 1, be32(NGHTTP2_CANCEL));
    BOOST_TEST(eventually(s.running, [](const auto& n) { return n.streams_open == 1; }));
    const auto first = s.sink.pending().front();
    s.running.replies().respond(first, {});
    BOOST_TEST(eventually(s.running, [](const auto& n) { return n.responses_dropped == 1; }));
  }
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.connections_open == 0; }));
  s.sink.release();  // both, of which one had its response before
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.responses_dropped == 3; }));
  s.running.replies().respond({12345, 7, 1}, {});  // no such thread
}

BOOST_AUTO_TEST_CASE(a_second_response_is_dropped) {
  test_server s(test_server::h2c_options());
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  client.request(1, "GET", "/hold", true);
  BOOST_REQUIRE(s.sink.wait_pending(1));
  const auto to = s.sink.pending().front();
  http_response first, second;
  first.body = "first";
  second.body = "second";
  s.running.replies().respond(to, std::move(first));
  s.running.replies().respond(to, std::move(second));
  BOOST_TEST(client.read_response(1).body == "first");
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.responses_dropped == 1; }));
}

BOOST_AUTO_TEST_CASE(more_streams_than_allowed_are_refused) {
  auto options = test_server::h2c_options();
  options.concurrent_streams_max = 2;
  test_server s(options);
  auto client = raw_client::connect_h2c(s.running.h2c_port());
  client.greet();
  for (int i = 0; i < 3; ++i) client.request(1 + 2 * i, "GET", "/hold", true);
  BOOST_TEST(client.read_response(5).reset.has_value());
  // Trailers of the refused stream are late, not skipped: the connection lives.
  BOOST_REQUIRE(s.sink.wait_pending(2));
  s.sink.release();
  BOOST_TEST(client.read_response(1).status() == "200");
  BOOST_TEST(client.read_response(3).status() == "200");
}

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

BOOST_AUTO_TEST_CASE(replies_from_many_threads_at_once) {
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
        s.running.replies().respond(pending[i], std::move(response));
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
