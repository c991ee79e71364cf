#include "server/app/cors.hpp"

#include <boost/test/unit_test.hpp>
#include <map>

namespace {

using namespace watchkeeper;
using server::cors;
using fields = std::map<std::string, std::string>;

net::http_request asks(net::http_method method, std::string path, std::string origin,
                       std::string for_method = {}) {
  net::http_request request;
  request.method = method;
  request.path = std::move(path);
  if (!origin.empty()) request.others.emplace_back(net::request_field::origin, std::move(origin));
  if (!for_method.empty())
    request.others.emplace_back(net::request_field::access_control_request_method,
                                std::move(for_method));
  return request;
}

fields common(const cors& sharing, const net::http_request& request) {
  const auto* found = sharing.fields_for(request);
  return found == nullptr ? fields{} : fields(found->begin(), found->end());
}

constexpr auto post = net::http_method::post;
constexpr auto a_get = net::http_method::get;
constexpr auto options = net::http_method::options;

}  // namespace

BOOST_AUTO_TEST_SUITE(cors_test)

BOOST_AUTO_TEST_CASE(without_origins_there_is_no_such_thing) {
  const cors none({}, 10);
  BOOST_TEST(none.fields_for(asks(post, "/v1/heartbeats", "https://a.example")) == nullptr);
  BOOST_TEST(!none.is_preflight(asks(options, "/v1/heartbeats", "https://a.example", "POST")));
}

BOOST_AUTO_TEST_CASE(a_listed_origin_is_named_and_no_other) {
  const cors some({"https://a.example", "https://b.example"}, 600);
  for (const auto* path : {"/v1/heartbeats", "/v1/heartbeats/stream", "/v1/keys",
                           "/v1/progress/ann/m", "/v1/students/ann/progress"}) {
    BOOST_TEST((common(some, asks(post, path, "https://b.example")) ==
                fields{{"access-control-allow-origin", "https://b.example"},
                       {"access-control-expose-headers", "retry-after, date"},
                       {"vary", "origin"}}),
               path);
    for (const auto* stranger : {"", "https://c.example", "https://a.example.evil", "null",
                                 "https://a.example, https://b.example"})
      BOOST_TEST((common(some, asks(post, path, stranger)) == fields{{"vary", "origin"}}),
                 path << " from " << stranger);
  }
  for (const auto* path : {"/v1/modules", "/v1/devices/x", "/v1/students/ann", "/metrics",
                           "/v1/stats", "/v1/heartbeats/", "/v1/keysx", "/"})
    BOOST_TEST(some.fields_for(asks(a_get, path, "https://a.example")) == nullptr, path);
}

BOOST_AUTO_TEST_CASE(a_star_lets_everybody_in_and_needs_no_vary) {
  const cors all({"*"}, 600);
  BOOST_TEST((common(all, asks(a_get, "/v1/keys", "https://anything.example")) ==
              fields{{"access-control-allow-origin", "*"},
                     {"access-control-expose-headers", "retry-after, date"}}));
  BOOST_TEST(all.is_preflight(asks(options, "/v1/keys", "https://x.example", "GET")));
}

BOOST_AUTO_TEST_CASE(a_preflight_of_a_listed_origin_succeeds) {
  const cors some({"https://a.example"}, 600);
  const auto asked = asks(options, "/v1/heartbeats", "https://a.example", "POST");
  BOOST_REQUIRE(some.is_preflight(asked));
  const auto response = some.preflight(asked);
  BOOST_TEST(response.status == 204);
  BOOST_TEST((
      fields(response.headers.begin(), response.headers.end()) ==
      fields{{"access-control-allow-methods", "POST"},
             {"access-control-allow-headers", "authorization, content-type, prefer, if-none-match"},
             {"access-control-max-age", "600"}}));
  const auto reading = asks(options, "/v1/progress/ann/m", "https://a.example", "GET");
  BOOST_REQUIRE(some.is_preflight(reading));
  BOOST_TEST(some.preflight(reading).headers.front().second == "GET, HEAD");
  BOOST_TEST(!some.is_preflight(asks(options, "/v1/heartbeats", "https://c.example", "POST")));
  BOOST_TEST(!some.is_preflight(asks(options, "/v1/heartbeats", "", "POST")));
  BOOST_TEST(!some.is_preflight(asks(options, "/v1/heartbeats", "https://a.example")));
  BOOST_TEST(!some.is_preflight(asks(options, "/v1/modules", "https://a.example", "GET")));
}

BOOST_AUTO_TEST_SUITE_END()
