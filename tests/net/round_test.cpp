// Rounds of the event loop, at whose end a sink may pass on what it has collected.
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/net/raw_client.hpp"
#include "tests/net/test_server.hpp"

using namespace watchkeeper::net;
using namespace watchkeeper::net::test;

BOOST_AUTO_TEST_SUITE(round_test)

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

BOOST_AUTO_TEST_SUITE_END()
