#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "storage/limits.hpp"
#include "tests/server/api/api_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;
using nlohmann::json;

namespace {

struct completions_fixture : api_fixture {
  completions_fixture() {
    enrol_many(2'000);
    BOOST_REQUIRE(put("/v1/modules/m", {{"title", "t"}, {"duration_ms", 10'000}}).status == 201);
  }
  void master(int from, int to) {
    std::vector<storage::pair_progress> pairs;
    for (int i = from; i < to; ++i) {
      auto state = progress_of({0, 10'000}, 10'000, now);
      state.mastered_ms = now + i;
      pairs.push_back({pair_of("s" + std::to_string(i), "m"), state});
      if (pairs.size() < storage_limits::checkpoint_batch_pairs_max && i + 1 < to) continue;
      BOOST_REQUIRE(ledger_store->checkpoint(pairs, now).has_value());
      pairs.clear();
    }
  }
  json list(const std::string& query) {
    const auto response = get("/v1/completions?" + query, "viewer");
    BOOST_REQUIRE_MESSAGE(response.status == 200, response.body);
    return json_of(response);
  }
  static std::string student_of(const json& item) { return item["data"]["student"]; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(api_completions)

BOOST_FIXTURE_TEST_CASE(newest_first_goes_back_to_the_oldest_and_then_on_forwards,
                        completions_fixture) {
  auto page = list("order=desc");
  BOOST_TEST(page["next"].is_null());
  BOOST_TEST(page["newest"].is_null());
  for (int i = 0; i < 11; ++i) master(i, i + 1);
  page = list("order=desc&limit=4");
  const std::string newest = page["newest"];
  int expected = 10;
  for (;;) {
    for (const auto& item : page["items"])
      BOOST_TEST(student_of(item) == "s" + std::to_string(expected--));
    if (page["next"].is_null()) break;
    page = list("order=desc&limit=4&before=" + page["next"].get<std::string>());
  }
  BOOST_TEST(expected == -1);
  BOOST_TEST(list("after=" + newest)["items"].empty());
  master(11, 12);
  page = list("after=" + newest);
  BOOST_REQUIRE(page["items"].size() == 1u);
  BOOST_TEST(student_of(page["items"][0]) == "s11");
  BOOST_TEST(!page.contains("newest"));
  BOOST_TEST(student_of(list("order=desc&student=s3")["items"].at(0)) == "s3");
}

BOOST_FIXTURE_TEST_CASE(an_order_has_its_own_cursor, completions_fixture) {
  for (const auto* wrong : {"order=up", "order=", "before=3", "order=asc&before=3",
                            "order=desc&after=3", "order=desc&before=x", "order=desc&before=-1"})
    check_problem(get(std::string("/v1/completions?") + wrong, "viewer"), 400, "malformed-request");
}

BOOST_FIXTURE_TEST_CASE(a_cursor_from_the_future_is_told_where_to_go_on, completions_fixture) {
  master(0, 2);
  const std::string last = list("")["next"];
  BOOST_TEST(last == std::to_string(now.value() + 1));
  BOOST_TEST(list("after=" + last)["items"].empty());
  const auto beyond = std::to_string(std::stoll(last) + 1);
  for (const auto* form : {"/v1/completions?after=", "/v1/completions.csv?after="}) {
    const auto response = get(form + beyond, "viewer");
    check_problem(response, 409, "cursor-from-the-future");
    BOOST_TEST(json_of(response)["latest"] == last);
    // So it is where none of the events is meant.
    check_problem(get(form + beyond + "&student=nobody", "viewer"), 409, "cursor-from-the-future");
  }
  BOOST_TEST(list("order=desc&before=" + beyond)["items"].size() == 2u);
  // The ledger went back, and will go on above what the gateway has seen.
  gateway.sequence_seen = std::stoll(beyond);
  BOOST_TEST(list("after=" + beyond)["items"].empty());
  const auto further = get("/v1/completions?after=" + beyond + "0", "viewer");
  check_problem(further, 409, "cursor-from-the-future");
  BOOST_TEST(json_of(further)["latest"] == beyond);
  master(2, 3);
  BOOST_TEST(list("after=" + last)["next"] == beyond);
}

BOOST_FIXTURE_TEST_CASE(a_table_of_many_parts_has_every_row_once, completions_fixture) {
  constexpr int rows = storage_limits::list_items_max + 1;
  master(0, rows);
  std::vector<std::string> found;
  std::string after = "0";
  int parts = 0;
  for (; !after.empty(); ++parts) {
    const auto part = get("/v1/completions.csv?limit=500&after=" + after, "viewer");
    BOOST_REQUIRE(part.status == 200);
    after = header_of(part, "x-next-after");
    auto at = part.body.find("\r\n") + 2;
    for (; at < part.body.size(); at = part.body.find("\r\n", at) + 2)
      found.push_back(part.body.substr(at, part.body.find(',', at) - at));
  }
  BOOST_TEST(parts == 3);  // the last has no row, and no place to go on from
  BOOST_TEST(found.size() == static_cast<std::size_t>(rows));
  std::sort(found.begin(), found.end());
  BOOST_TEST((std::unique(found.begin(), found.end()) == found.end()));
}

BOOST_AUTO_TEST_SUITE_END()
