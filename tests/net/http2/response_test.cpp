// What the client gets of a whole response.
#include <boost/test/unit_test.hpp>
#include <string>

#include "net/shared/bounds.hpp"
#include "tests/net/raw_client.hpp"
#include "tests/net/test_server.hpp"

using namespace watchkeeper::net;
using namespace watchkeeper::net::test;

BOOST_AUTO_TEST_SUITE(response_test)

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
    s.running.responses().respond(first, {});
    BOOST_TEST(eventually(s.running, [](const auto& n) { return n.responses_dropped == 1; }));
  }
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.connections_open == 0; }));
  s.sink.release();  // both, of which one had its response before
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.responses_dropped == 3; }));
  s.running.responses().respond({12345, 7, 1}, {});  // no such thread
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
  s.running.responses().respond(to, std::move(first));
  s.running.responses().respond(to, std::move(second));
  BOOST_TEST(client.read_response(1).body == "first");
  BOOST_TEST(eventually(s.running, [](const auto& n) { return n.responses_dropped == 1; }));
}

BOOST_AUTO_TEST_SUITE_END()
