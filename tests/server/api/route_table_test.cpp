#include "server/api/route_table.hpp"

#include <boost/test/unit_test.hpp>
#include <cctype>
#include <fstream>
#include <map>
#include <set>

#include "server/api/api_limits.hpp"
#include "server/config/own_paths.hpp"
#include "server/heartbeats/heartbeat_limits.hpp"
#include "tests/server/api/api_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;
using net::http_method;

namespace {

/// "get /v1/modules" and what it needs: "viewer", or "" for anyone.
using described_calls = std::map<std::string, std::string>;

std::string role_in(const std::string& line) {
  for (const std::string role : {"viewer", "admin", "operator"})
    if (line == "        - " + role + ": []") return role;
  return {};
}

described_calls calls_of_openapi() {
  std::ifstream file(WATCHKEEPER_SOURCE_DIR "/docs/openapi.yaml");
  BOOST_REQUIRE(file.good());
  described_calls calls;
  std::string line, path, call;
  while (std::getline(file, line)) {
    if (line.starts_with("  /") || line.starts_with("  \"/"))
      path = line.substr(2, line.rfind(':') - 2);
    std::erase(path, '"');
    for (const std::string method : {"get", "put", "patch", "post", "delete"})
      if (line == "    " + method + ":") calls[call = method + ' ' + path];
    if (const auto role = role_in(line); !role.empty()) calls[call] = role;
    if (line == "components:") break;
  }
  return calls;
}

std::string role_of(server::access needs) {
  switch (needs) {
    case server::access::viewer:
      return "viewer";
    case server::access::admin:
      return "admin";
    case server::access::operator_role:
      return "operator";
    case server::access::anyone:
      break;
  }
  return "";
}

std::vector<std::string> lines_of(const described_calls& calls) {
  std::vector<std::string> lines;
  for (const auto& [call, role] : calls) lines.push_back(call + " for " + role);
  return lines;
}

bool is_console(const route& row) {
  const auto* which = std::get_if<endpoint>(&row.served_by);
  return which != nullptr && *which == endpoint::console;
}

std::string_view pattern_of(http_method method, std::string_view path) {
  const auto match = match_route(method, path);
  return match.found != nullptr ? match.found->pattern : std::string_view{};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(route_table)

BOOST_AUTO_TEST_CASE(the_published_description_has_every_call_with_its_role) {
  described_calls routed;
  for (const auto& row : all_routes()) {
    if (is_console(row)) continue;  // pages, not calls
    std::string method(net::name_of(row.method));
    for (auto& c : method) c = static_cast<char>(std::tolower(c));
    routed[method + ' ' + std::string(row.pattern)] = role_of(row.needs);
  }
  BOOST_TEST(lines_of(calls_of_openapi()) == lines_of(routed), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_protocol_lists_every_call) {
  std::ifstream file(WATCHKEEPER_SOURCE_DIR "/docs/protocol.md");
  BOOST_REQUIRE(file.good());
  std::vector<std::string> listed;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("| `")) listed.push_back(line);
  for (const auto& row : all_routes()) {
    // Heartbeats have sections of their own.
    if (is_console(row) || row.pattern.starts_with("/v1/heartbeats")) continue;
    const auto method = "`" + std::string(net::name_of(row.method));
    const auto path = " " + std::string(row.pattern) + "`";
    BOOST_TEST(std::any_of(listed.begin(), listed.end(),
                           [&](const std::string& line) {
                             return line.find(path) != line.npos &&
                                    (line.find(method + " ") != line.npos ||
                                     line.find(method + "`") != line.npos);
                           }),
               method + path);
  }
}

BOOST_AUTO_TEST_CASE(each_row_is_found_by_its_own_pattern) {
  for (const auto& row : all_routes()) {
    if (row.pattern.ends_with("/*")) continue;
    const auto match = match_route(row.method, row.pattern);
    BOOST_REQUIRE(match.found != nullptr);
    BOOST_TEST(match.found == &row, row.pattern);
    if (row.method == http_method::get)
      BOOST_TEST(match_route(http_method::head, row.pattern).found == &row, row.pattern);
  }
}

BOOST_AUTO_TEST_CASE(captures_are_decoded) {
  const auto match = match_route(http_method::put, "/v1/assignments/a%40b/m1");
  BOOST_REQUIRE(match.found != nullptr);
  BOOST_TEST(match.captured() == (std::vector<std::string>{"a@b", "m1"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_request_without_a_row_has_a_problem) {
  const auto why_not = [](http_method method, std::string_view path) {
    const auto match = match_route(method, path);
    BOOST_TEST(match.found == nullptr, path);
    return match.why_not;
  };
  for (const auto* path : {"/v1/nothing", "/v1/modules/", "/v1/keysx", "/consoles", "v1", ""})
    BOOST_TEST(why_not(http_method::get, path) == problem::not_found, path);
  BOOST_TEST(why_not(http_method::get, "/v1/modules/%zz") == problem::malformed_request);
  const std::tuple<http_method, std::string_view, std::string_view> wrong[] = {
      {http_method::get, "/v1/heartbeats", "POST"},
      {http_method::options, "/v1/heartbeats/stream", "POST"},
      {http_method::post, "/v1/modules/m", "GET, HEAD, PUT, PATCH, DELETE"},
      {http_method::post, "/", "GET, HEAD"},
      {http_method::post, "/console/assets/x.js", "GET, HEAD"}};
  for (const auto& [method, path, allow] : wrong) {
    BOOST_TEST(why_not(method, path) == problem::method_not_allowed, path);
    BOOST_TEST(match_route(method, path).allow == allow, path);
  }
}

BOOST_AUTO_TEST_CASE(the_console_has_everything_below_its_path) {
  for (const auto* path : {"/console/", "/console/modules/m1", "/console/assets/a.js"})
    for (const auto method : {http_method::get, http_method::head})
      BOOST_TEST(pattern_of(method, path) == "/console/*", path);
  BOOST_TEST(pattern_of(http_method::get, "/") == "/");
  BOOST_TEST(pattern_of(http_method::head, "/console") == "/console");
}

BOOST_AUTO_TEST_CASE(bodies_are_bounded_by_the_class_of_limits) {
  BOOST_TEST(body_bytes_max(limit_class::heartbeats) == heartbeat_limits::body_bytes_max);
  BOOST_TEST(body_bytes_max(limit_class::api_writes) == api_limits::body_bytes_max);
  std::set<std::string_view> streamed;
  for (const auto& row : all_routes())
    if (row.body == net::body_mode::streamed) streamed.insert(row.pattern);
  BOOST_TEST(streamed == (std::set<std::string_view>{"/v1/heartbeats/stream", "/v1/live"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(own_paths_are_those_of_the_table) {
  for (const auto* own :
       {"/v1/x", "/v1", "/metrics", "/healthz", "/readyz", "/console", "/console/"})
    BOOST_TEST(is_own_path(own), own);
  for (const auto* other : {"/", "", "v1/x", "/player/", "/v1x", "/consoles/", "/x/v1/"})
    BOOST_TEST(!is_own_path(other), other);
}

BOOST_FIXTURE_TEST_CASE(the_api_gives_the_problem_of_a_request_without_a_row, api_fixture) {
  const auto wrong = call(http_method::post, "/console/", {}, "");
  check_problem(wrong, 405, "method-not-allowed");
  BOOST_TEST(header_of(wrong, "allow") == "GET, HEAD");
  check_problem(call(http_method::put, "/v1/heartbeats", {}, ""), 405, "method-not-allowed");
  check_problem(get("/v1/students/%zz/progress", ""), 400, "malformed-request");
}

BOOST_AUTO_TEST_SUITE_END()
