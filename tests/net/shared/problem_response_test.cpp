#include "net/shared/problem_response.hpp"

#include <boost/test/unit_test.hpp>

#include "net/shared/http_date.hpp"

using namespace watchkeeper;
using namespace watchkeeper::net;

namespace {

std::string field(const http_response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return "(none)";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(problem_response_test)

BOOST_AUTO_TEST_CASE(dates) {
  BOOST_TEST(numeric_date(wall_ms{1763812345123}) == "1763812345.123");
  BOOST_TEST(numeric_date(wall_ms{0}) == "0.000");
  BOOST_TEST(numeric_date(wall_ms{7}) == "0.007");
  BOOST_TEST(numeric_date(wall_ms{-1500}) == "-1.500");
  const auto date = http_date_of(wall_ms{784111777000});
  BOOST_TEST(std::string_view(date.data(), date.size()) == "Sun, 06 Nov 1994 08:49:37 GMT");
  const auto leap = http_date_of(wall_ms{951782400000});
  BOOST_TEST(std::string_view(leap.data(), leap.size()) == "Tue, 29 Feb 2000 00:00:00 GMT");
}

BOOST_AUTO_TEST_CASE(problem_documents) {
  const auto stale = make_problem(problem::stale_token, "iat is \"old\"", wall_ms{1763812345123});
  BOOST_TEST(stale.status == 401);
  BOOST_TEST(stale.content_type == "application/problem+json");
  BOOST_TEST(stale.body.starts_with(R"({"type":"urn:watchkeeper:problem:stale-token","title":")"));
  BOOST_TEST(stale.body.ends_with(
      R"(,"status":401,"detail":"iat is \"old\"","server_time":1763812345.123})"));
  BOOST_TEST(field(stale, "retry-after") == "(none)");
  BOOST_TEST(field(stale, "www-authenticate") == "(none)");
}

BOOST_AUTO_TEST_CASE(fields_of_problems) {
  BOOST_TEST(field(make_problem(problem::rate_limited, "", wall_ms{0}), "retry-after") == "1");
  BOOST_TEST(field(make_problem(problem::overloaded, "", wall_ms{0}), "retry-after") == "1");
  BOOST_TEST(field(make_problem(problem::draining, "", wall_ms{0}, 7), "retry-after") == "7");
  BOOST_TEST(field(make_problem(problem::unauthorized, "", wall_ms{0}), "www-authenticate") ==
             "Bearer");
}

BOOST_AUTO_TEST_SUITE_END()
