#include <boost/test/unit_test.hpp>

#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>

#include "server/api/documents/stats_document.hpp"
#include "tests/server/api/api_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;

namespace {

statistics_snapshot sample() {
  statistics_snapshot now;
  now.build = {"0.1.0", "abc", "g++ 12", "Release"};
  now.uptime_s = 12.345;
  now.server.requests = 77;
  now.server.connections_open = 3;
  auto& gateway = now.gateway;
  gateway.heartbeats_by_status = {10, 1, 2, 3};
  gateway.heartbeats_by_problem[static_cast<std::size_t>(problem::stale_token)] = 3;
  now.deferred = {40, 5};
  gateway.heartbeat_latency = {16, 1600, 90, 200};
  gateway.verification[0] = {13, 1300, 95, 120};
  gateway.shards.resize(2);
  gateway.shards[0].batches = 3;
  gateway.shards[0].batch_heartbeats = 10;
  gateway.heartbeats_past_end = 6;
  gateway.hot = {.up = true,
                 .description = "Redis \"7\"\nx",
                 .durability = storage::durability_level::log,
                 .latency = {1, 2, 3, 4},
                 .failures = 5,
                 .last_failure = "last \xff",
                 .traces = {true, wall_ms{1'800'000'000'000}, "NOPERM"}};
  gateway.ledger.description = "SQLite";
  gateway.jobs = {{*module_id::parse("m1"), 2, 500, 1'200}, {*module_id::parse("m2"), 7, 0, {}}};
  return now;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(api_stats)

BOOST_AUTO_TEST_CASE(the_document_has_the_documented_members) {
  const auto document = nlohmann::ordered_json::parse(stats_document(sample(), ""));
  std::vector<std::string> names;
  for (const auto& [name, value] : document.items()) names.push_back(name);
  const std::vector<std::string> expected = {"build",
                                             "uptime_s",
                                             "connections",
                                             "streams",
                                             "bytes",
                                             "requests",
                                             "responses_dropped",
                                             "heartbeats",
                                             "sessions",
                                             "devices_cached",
                                             "modules_cached",
                                             "verification",
                                             "crypto",
                                             "shards",
                                             "hot_store",
                                             "ledger",
                                             "jobs",
                                             "live",
                                             "memory"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
  BOOST_TEST(document["uptime_s"] == 12.35);
  BOOST_TEST(document["jobs"].dump() == R"([{"module":"m1","revision":2,"done":500,"total":1200},)"
                                        R"({"module":"m2","revision":7,"done":0,"total":null}])");
  BOOST_TEST(document["heartbeats"]["problems"].dump() == R"({"stale-token":3})");
  BOOST_TEST(document["heartbeats"]["deferred"] == 40);
  BOOST_TEST(document["heartbeats"]["shed"] == 5);
  BOOST_TEST(document["heartbeats"]["past_end"] == 6);
  BOOST_TEST(document["shards"][0]["batch_size_mean"] == 3.33);
  BOOST_TEST(document["shards"][1]["batch_size_mean"] == 0.0);
  BOOST_TEST(document["verification"]["ES256"]["p99_us"] == 120);
  BOOST_TEST(document["hot_store"]["durability"] == "log");
}

BOOST_AUTO_TEST_CASE(a_filter_picks_members_by_their_beginnings) {
  const auto names = [](std::string_view filter) {
    std::string all;
    const auto document = nlohmann::ordered_json::parse(stats_document(sample(), filter));
    for (const auto& [name, value] : document.items()) all += name + ' ';
    return all;
  };
  BOOST_TEST(names("heart") == "heartbeats ");
  BOOST_TEST(names("hot,ledger") == "hot_store ledger ");
  BOOST_TEST(names(",,mem") == "memory ");
  BOOST_TEST(names("nothing") == "");
}

BOOST_AUTO_TEST_CASE(the_text_is_aligned_and_has_the_same_figures) {
  const auto text = stats_text(stats_document(sample(), ""));
  std::istringstream lines(text);
  std::string line;
  std::set<std::size_t> columns;
  bool in_heartbeats = false;
  while (std::getline(lines, line)) {
    BOOST_TEST(!line.ends_with(' '));
    if (!line.starts_with(' ')) in_heartbeats = line == "heartbeats";
    if (!in_heartbeats || !line.starts_with(' ')) continue;
    const auto name_end = line.find(' ', 2);
    columns.insert(line.find_first_not_of(' ', name_end));
  }
  BOOST_TEST(columns.size() == 1u);
  BOOST_TEST(text.find("problems.stale-token  3") != std::string::npos);
  BOOST_TEST(text.find("batch_latency_us.p99") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(prometheus_finds_nothing_to_complain_about) {
  temporary_directory directory;
  const auto file = directory.path / "metrics.txt";
  std::ofstream(file) << metrics_text(sample());
  const auto command = "promtool check metrics < " + file.string() + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  BOOST_REQUIRE(pipe != nullptr);
  std::string said;
  for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) said += static_cast<char>(c);
  BOOST_TEST(pclose(pipe) == 0, said);
  BOOST_TEST(said == "");
}

BOOST_AUTO_TEST_CASE(metrics_carry_the_numbers) {
  auto numbers = sample();
  numbers.gateway.ledger.went_back = 2;
  numbers.gateway.hot.retired_pairs = 5;
  const auto text = metrics_text(numbers);
  for (const auto line :
       {"watchkeeper_requests_total 77\n", "watchkeeper_heartbeats_total{status=\"credited\"} 10\n",
        "watchkeeper_heartbeat_problems_total{problem=\"stale-token\"} 3\n",
        "watchkeeper_heartbeat_duration_seconds_sum 0.0016\n",
        "watchkeeper_heartbeat_duration_seconds{quantile=\"0.99\"} 0.0002\n",
        "watchkeeper_shard_batch_heartbeats_total{shard=\"0\"} 10\n",
        "watchkeeper_hot_store_durability{level=\"log\"} 1\n",
        "watchkeeper_ledger_went_back_total 2\n", "watchkeeper_hot_store_retired_pairs_total 5\n"})
    BOOST_TEST(text.find(line) != std::string::npos, line);
}

BOOST_FIXTURE_TEST_CASE(both_are_served, api_fixture) {
  gateway.figures = sample().gateway;
  const auto stats = get("/v1/stats", "operator");
  BOOST_TEST(stats.content_type == "application/json");
  BOOST_TEST(json_of(stats)["memory"]["resident_bytes"].get<std::uint64_t>() > 1'000'000u);
  BOOST_TEST(json_of(get("/v1/stats?filter=shards", "operator")).size() == 1u);
  BOOST_TEST(get("/v1/stats?format=text", "operator").content_type == "text/plain; charset=utf-8");
  check_problem(get("/v1/stats?format=xml", "operator"), 400, "malformed-request");
  BOOST_TEST(get("/metrics", "operator").content_type ==
             "text/plain; version=0.0.4; charset=utf-8");
}

BOOST_AUTO_TEST_SUITE_END()
