// What the sink gets of a request, and what is refused before the sink sees it.
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>

#include "net/shared/bounds.hpp"
#include "tests/net/raw_client.hpp"
#include "tests/net/test_server.hpp"

using namespace watchkeeper::net;
using namespace watchkeeper::net::test;

BOOST_AUTO_TEST_SUITE(request_test)

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

BOOST_AUTO_TEST_SUITE_END()
