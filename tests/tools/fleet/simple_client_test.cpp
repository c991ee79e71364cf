#include "tools/fleet/simple_client.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/tools/fleet/node_gateway.hpp"

using namespace watchkeeper::fleet;
using namespace watchkeeper::fleet::testing;
using namespace std::chrono_literals;

namespace {

http2_request get(std::string_view path, std::chrono::milliseconds timeout = 5s) {
  http2_request what;
  what.path = path;
  what.authorization = "Bearer admin";
  what.timeout = timeout;
  return what;
}

std::unique_ptr<simple_client> client_of(const node_gateway& gateway) {
  auto made = simple_client::make(gateway.url(),
                                  {gateway.url()[4] == 's' ? gateway.ca() : "", false, false});
  BOOST_REQUIRE(made);
  return std::move(made).value();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(simple_client_suite)

BOOST_AUTO_TEST_CASE(urls) {
  for (const char* good : {"https://127.0.0.1:8443", "https://127.0.0.1:8443/", "http://[::1]:80",
                           "https://[::1]", "http://localhost:1"})
    BOOST_CHECK_MESSAGE(resolve_endpoint(good), good);
  for (const char* bad :
       {"", "127.0.0.1:8443", "https://", "https://:1", "https://x:0", "https://x:65536",
        "https://127.0.0.1:80a", "https://127.0.0.1:8443/v1", "https://a@127.0.0.1", "https://[::1",
        "https://[::1]8", "ftp://127.0.0.1"}) {
    const auto made = resolve_endpoint(bad);
    BOOST_REQUIRE_MESSAGE(!made, bad);
    BOOST_CHECK(!made.error().empty());
  }
  const auto made = resolve_endpoint("https://[::1]:8443");
  BOOST_REQUIRE(made);
  BOOST_CHECK_EQUAL(made->host, "::1");
  BOOST_CHECK_EQUAL(made->authority, "[::1]:8443");
  BOOST_CHECK_EQUAL(made->port, 8443);
}

BOOST_AUTO_TEST_CASE(one_connection_serves_many_requests) {
  for (const auto kind : {transport::tls, transport::cleartext}) {
    node_gateway gateway{kind};
    const auto client = client_of(gateway);
    for (int i = 0; i < 20; ++i) {
      const auto response = client->request(get("/v1/modules/none"));
      BOOST_REQUIRE_MESSAGE(response, (response ? "" : response.error()));
      BOOST_CHECK_EQUAL(response->status, 404);
      BOOST_CHECK_EQUAL(explain_refusal(*response), "this is not-found (HTTP status 404)");
    }
    BOOST_CHECK_EQUAL(gateway.counts()["connections"].get<int>(),
                      2);  // that of `counts` is the other
  }
}

BOOST_AUTO_TEST_CASE(a_large_body_goes_up_through_flow_control) {
  node_gateway gateway{transport::tls};
  const auto client = client_of(gateway);
  auto what = get("/v1/modules/big");
  what.method = "PUT";
  what.body = nlohmann::json{{"duration_ms", 1000}, {"title", std::string(1'000'000, 'x')}}.dump();
  const auto response = client->request(std::move(what));
  BOOST_REQUIRE_MESSAGE(response, (response ? "" : response.error()));
  BOOST_CHECK_EQUAL(response->status, 200);
  BOOST_CHECK_EQUAL(response->body.size(),
                    fleet_limits::response_body_bytes_max);  // the echo is cut
}

BOOST_AUTO_TEST_CASE(a_restarted_server_is_found_again) {
  node_gateway gateway{transport::tls};
  const auto client = client_of(gateway);
  BOOST_CHECK(client->request(get("/counts")));
  gateway.stop();
  const auto away = client->request(get("/counts"));
  BOOST_REQUIRE(!away);
  BOOST_CHECK(!away.error().empty());
  gateway.start();
  const auto back = client->request(get("/counts"));
  BOOST_CHECK_MESSAGE(back, (back ? "" : back.error()));
}

BOOST_AUTO_TEST_CASE(a_response_that_does_not_come_times_out) {
  node_gateway gateway{transport::tls};
  const auto client = client_of(gateway);
  const auto begin = std::chrono::steady_clock::now();
  const auto response = client->request(get("/silence", 600ms));
  const auto waited = std::chrono::steady_clock::now() - begin;
  BOOST_REQUIRE(!response);
  BOOST_CHECK_NE(response.error().find("did not respond in time"), std::string::npos);
  BOOST_CHECK(waited >= 600ms && waited < 5s);
  BOOST_CHECK(client->request(get("/counts")));  // the connection is still of use
}

BOOST_AUTO_TEST_CASE(a_certificate_for_another_name_is_refused) {
  node_gateway gateway{transport::tls,
                       {{"host", "0.0.0.0"}}};  // its certificate: 127.0.0.1, localhost
  auto url = gateway.url();
  url.replace(url.find("127.0.0.1"), 9, "127.0.0.2");
  auto other = simple_client::make(url, {gateway.ca(), false, false});
  BOOST_REQUIRE(other);
  const auto refused = (*other)->request(get("/counts"));
  BOOST_REQUIRE(!refused);
  BOOST_CHECK_NE(refused.error().find("not trusted"), std::string::npos);
  auto careless = simple_client::make(url, {"", true, false});
  BOOST_REQUIRE(careless);
  BOOST_CHECK((*careless)->request(get("/counts")));
}

BOOST_AUTO_TEST_SUITE_END()
