#include <boost/test/unit_test.hpp>

#include "server/api/api_limits.hpp"
#include "storage/limits.hpp"
#include "tests/server/api/api_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;
using nlohmann::json;

namespace {

struct heatmap_fixture : api_fixture {
  heatmap_fixture() { add_module(60'000); }
  void add_module(media_ms duration_ms) {
    BOOST_REQUIRE(put("/v1/modules/m1", {{"title", "t"}, {"duration_ms", duration_ms}}).status <
                  300);
  }
  void in_ledger(const std::string& student, const progress& state) {
    const storage::pair_progress item{pair_of(student, "m1"), state};
    enrol(item.key.student);
    BOOST_REQUIRE(ledger_store->checkpoint({&item, 1}, now).has_value());
  }
  /// This gateway refuses the part of an interval because it was played too fast.
  void refuse(const std::string& student, media_interval part, wall_ms at_ms,
              const std::string& module = "m1") {
    credit_request request;
    request.student = *student_id::parse(student);
    request.module = *module_id::parse(module);
    request.interval = part;
    request.now_ms = at_ms;
    credit_outcome outcome;
    outcome.status = credit_status::limited;
    gateway.refusals.acknowledged({.request = request, .outcome = outcome});
  }
  json heatmap(const std::string& query = {}) {
    const auto response = get("/v1/modules/m1/heatmap" + query, "viewer");
    BOOST_REQUIRE_EQUAL(response.status, 200);
    return json_of(response);
  }
  json students(const std::string& query) {
    const auto response = get("/v1/modules/m1/students?" + query, "viewer");
    BOOST_REQUIRE_MESSAGE(response.status == 200, response.body);
    return json_of(response);
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(api_heatmap)

BOOST_FIXTURE_TEST_CASE(a_module_that_nobody_has_watched, heatmap_fixture) {
  const auto map = heatmap("?bins=3");
  BOOST_TEST(map == json::parse(R"({"module":"m1","duration_ms":60000,"bin_ms":20000,"bins":3,
    "viewers":[0,0,0],"plays":[0,0,0],"students":0,"hotspots":[],"drop_offs":[],
    "as_of":"2025-11-22T11:52:25.123Z"})"));
  BOOST_TEST(heatmap()["bins"] == 60);
  check_problem(get("/v1/modules/none/heatmap", "viewer"), 404, "not-found");
  for (const auto* wrong :
       {"bins=0", "bins=1001", "bins=", "bins=x", "bins=-1", "bins=1&bins=2", "limit=1"})
    check_problem(get(std::string("/v1/modules/m1/heatmap?") + wrong, "viewer"), 400,
                  "malformed-request");
  check_problem(get("/v1/modules/m1/heatmap", "operator"), 403, "forbidden");
}

BOOST_FIXTURE_TEST_CASE(numbers_are_rounded_to_two_decimals, heatmap_fixture) {
  add_module(2'300);
  in_ledger("s1", progress_of({0, 1'005}, 2'300, now));
  in_ledger("s2", progress_of({333, 2'300}, 2'300, now));
  const auto map = heatmap();
  BOOST_TEST(map["viewers"] == json::parse("[1.67,1.01,1]"));  // 1.667, 1.005, 300 of 300 ms
  BOOST_TEST(map["plays"] == map["viewers"]);
  BOOST_TEST(map["students"] == 2);
}

BOOST_FIXTURE_TEST_CASE(another_duration_has_other_bins, heatmap_fixture) {
  in_ledger("s1", progress_of({0, 50'000}, 60'000, now));
  BOOST_TEST(heatmap()["bins"] == 60);
  add_module(10'000);
  const auto map = heatmap();
  BOOST_TEST(map["bins"] == 10);
  BOOST_TEST(map["viewers"] == json::parse("[1,1,1,1,1,1,1,1,1,1]"));
}

BOOST_FIXTURE_TEST_CASE(the_heatmap_of_a_removed_module_stays, heatmap_fixture) {
  in_ledger("s1", progress_of({0, 50'000}, 60'000, now));
  const auto before = heatmap();
  BOOST_TEST(del("/v1/modules/m1").status == 204);
  BOOST_TEST(heatmap() == before);
}

BOOST_FIXTURE_TEST_CASE(a_module_that_is_removed_before_its_recount_was_put, heatmap_fixture) {
  in_ledger("s1", progress_of({0, 50'000}, 60'000, now));
  // Another gateway removes it as soon as it is put.
  gateway.on_judge_modules = [&] {
    BOOST_REQUIRE(ledger_store->remove_module(*module_id::parse("m1")).has_value());
  };
  const auto response = put("/v1/modules/m1", {{"title", "t"}, {"duration_ms", 10'000}});
  BOOST_TEST(response.status == 200);
  BOOST_TEST(json_of(response)["duration_ms"] == 10'000);
}

BOOST_FIXTURE_TEST_CASE(an_erased_student_is_no_viewer, heatmap_fixture) {
  in_ledger("s1", progress_of({0, 5'000}, 60'000, now));
  BOOST_TEST(heatmap()["viewers"][0] == 1);
  BOOST_TEST(del("/v1/students/s1").status == 204);
  BOOST_TEST(heatmap()["viewers"][0] == 0);
  BOOST_TEST(heatmap()["students"] == 0);
}

BOOST_FIXTURE_TEST_CASE(students_in_the_order_of_their_need, heatmap_fixture) {
  auto skips = progress_of({0, 5'000}, 60'000, now - 1'000);
  skips.covered.add({11'000, 20'000});
  skips.resume_ms = 20'000;
  skips.playtime_ms = 20'000;
  in_ledger("skips", skips);
  auto went_back = skips;
  went_back.resume_ms = 4'000;
  in_ledger("went-back", went_back);
  // The same gap; this gateway knows that it was played, too fast to count.
  in_ledger("fast", skips);
  refuse("fast", {5'000, 11'000}, now);
  // Of another module, and before the progress began anew.
  refuse("skips", {5'000, 11'000}, now, "m2");
  auto begun_anew = skips;
  begun_anew.begins_ms = now;
  begun_anew.updated_ms = now - 2'000;
  in_ledger("anew", begun_anew);
  refuse("anew", {5'000, 11'000}, now - 1);
  in_ledger("stalled", progress_of({0, 5'000}, 60'000, now - 24 * 3'600'000));
  in_ledger("nearly", progress_of({0, 48'000}, 60'000, now - 5'000));
  in_ledger("mastered", progress_of({0, 60'000}, 60'000, now));
  in_ledger("active", progress_of({0, 5'000}, 60'000, now));

  std::vector<std::pair<std::string, std::string>> all;
  auto page = students("order=attention&limit=4");
  BOOST_TEST(page["total"] == 8);
  BOOST_TEST(!page.contains("truncated"));
  BOOST_TEST(page["items"][0]["rewatched_ms"] == 6'000);
  // What happens meanwhile does not move anybody from one page to another.
  in_ledger("active", progress_of({0, 60'000}, 60'000, now + 1));
  const std::string next = page["next"];
  for (;;) {
    for (const auto& item : page["items"]) all.emplace_back(item["student"], item["attention"]);
    if (page["next"].is_null()) break;
    page = students("order=attention&limit=1&cursor=" + std::string(page["next"]));
    BOOST_TEST(!page.contains("total"));
  }
  const std::vector<std::pair<std::string, std::string>> expected{
      {"fast", "too_fast"},   {"skips", "skipping"},     {"anew", "skipping"},
      {"stalled", "stalled"}, {"nearly", "nearly_done"}, {"active", "none"},
      {"went-back", "none"},  {"mastered", "none"}};
  BOOST_TEST(all == expected);

  // By id there is no attention; the number is there as well.
  BOOST_TEST(students("order=student")["total"] == 8);
  BOOST_TEST(!students("order=student")["items"][0].contains("attention"));
  const auto from = [&](const std::string& query) {
    return get("/v1/modules/m1/students?" + query, "viewer");
  };
  check_problem(from("order=age"), 400, "malformed-request");
  for (const auto* wrong : {"x", "1.x", ".1", "1.", "active"})
    check_problem(from(std::string("order=attention&cursor=") + wrong), 400, "malformed-request");
  check_problem(from("order=attention&cursor=0000000000000000.1"), 409, "conflict");
  check_problem(from("order=attention&cursor=" + next.substr(0, 16) + ".9"), 409, "conflict");
  check_problem(get("/v1/modules/m2/students?order=attention&cursor=" + next, "viewer"), 409,
                "conflict");

  // Only the last lists stay: those that were made or read last.
  for (std::size_t i = 0; i < api_limits::status_lists_max; ++i) {
    BOOST_TEST(from("order=attention&cursor=" + next).status == 200);
    clock.advance(api_limits::status_list_fresh_ms);
    students("order=attention");
  }
  for (std::size_t i = 0; i < api_limits::status_lists_max; ++i) {
    clock.advance(api_limits::status_list_fresh_ms);
    students("order=attention");
  }
  check_problem(from("order=attention&cursor=" + next), 409, "conflict");
}

BOOST_FIXTURE_TEST_CASE(a_list_ends_at_its_limit, heatmap_fixture) {
  enrol_many(api_limits::status_list_students_max + 1);
  std::vector<storage::pair_progress> batch;
  for (std::size_t i = 0; i <= api_limits::status_list_students_max; ++i) {
    batch.push_back({pair_of("s" + std::to_string(i), "m1"), progress_of({0, 1'000}, 60'000, now)});
    if (batch.size() < storage_limits::checkpoint_batch_pairs_max &&
        i < api_limits::status_list_students_max)
      continue;
    BOOST_REQUIRE(ledger_store->checkpoint(batch, now).has_value());
    batch.clear();
  }
  const auto page = students("order=attention&limit=1");
  BOOST_TEST(page["total"] == api_limits::status_list_students_max);
  BOOST_TEST(page["truncated"] == true);
  BOOST_TEST(students("")["total"] == api_limits::status_list_students_max + 1);
}

BOOST_AUTO_TEST_SUITE_END()
