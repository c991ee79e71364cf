#include <boost/test/unit_test.hpp>

#include "server/api/api_limits.hpp"
#include "tests/server/api/api_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;
using nlohmann::json;

namespace {

struct progress_fixture : api_fixture {
  void in_ledger(const pair_key& key, const progress& state) {
    const storage::pair_progress item{key, state};
    enrol(key.student);
    BOOST_REQUIRE(ledger_store->checkpoint({&item, 1}, now).has_value());
  }
  void in_hot(const pair_key& key, const progress& state) {
    const storage::pair_progress item{key, state};
    enrol(key.student);
    BOOST_REQUIRE(hot->merge({&item, 1}, storage::merge_origin::ledger_and_memory).has_value());
  }
  void add_module(const std::string& id) {
    BOOST_REQUIRE(put("/v1/modules/" + id, {{"title", "t"}, {"duration_ms", 60'000}}).status < 300);
  }
  std::vector<std::string> listed(const std::string& path, const std::string& member) {
    std::vector<std::string> all;
    std::string cursor;
    do {
      const auto page =
          json_of(get(path + "?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor), "viewer"));
      for (const auto& item : page["items"]) all.push_back(item[member]);
      cursor = page["next"].is_null() ? "" : page["next"];
    } while (!cursor.empty());
    return all;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(api_progress)

BOOST_FIXTURE_TEST_CASE(one_pair_is_united_from_everywhere, progress_fixture) {
  add_module("m1");
  check_problem(get("/v1/progress/s1/m1", "viewer"), 404, "not-found");
  in_ledger(pair_of("s1", "m1"), progress_of({0, 10'000}, 60'000, now - 3000));
  in_hot(pair_of("s1", "m1"), progress_of({20'000, 27'000}, 60'000, now - 2000));
  gateway.memory[pair_of("s1", "m1")] = progress_of({9'000, 12'345}, 60'000, now - 1000);
  const auto response = get("/v1/progress/s1/m1", "viewer");
  BOOST_TEST(response.status == 200);
  BOOST_TEST(json_of(response) == json::parse(R"({"student":"s1","module":"m1",
    "seconds_watched":19,"completion_percentage":32.24,"state":"IN_PROGRESS",
    "coverage":[[0,12345],[20000,27000]],"playtime_ms":10000,"resume_ms":12345,
    "updated_at":"2025-11-22T11:52:24.123Z","mastered_at":null,"attempt":1})"));
}

BOOST_FIXTURE_TEST_CASE(mastery_and_small_percentages, progress_fixture) {
  add_module("m1");
  enrol(pair_of("s1", "m1").student);
  auto state = progress_of({0, 60'000}, 60'000, now);
  state.mastered_ms = now - 5;
  gateway.memory[pair_of("s1", "m1")] = state;
  auto document = json_of(get("/v1/progress/s1/m1"));
  BOOST_TEST(document["state"] == "MASTERED");
  BOOST_TEST(document["mastered_at"] == "2025-11-22T11:52:25.118Z");
  BOOST_TEST(document["completion_percentage"] == 100.0);
  // Of a module that the catalogue does not have, the duration of the last credit has to do.
  gateway.memory[pair_of("s1", "gone")] = progress_of({0, 6}, 86'400'000, now);
  document = json_of(get("/v1/progress/s1/gone"));
  BOOST_TEST(document["completion_percentage"] == 0.0);
  gateway.memory[pair_of("s1", "m1")] = progress_of({0, 3}, 60'000, now);
  BOOST_TEST(get("/v1/progress/s1/m1").body.find("\"completion_percentage\":0.00,") !=
             std::string::npos);
  gateway.memory[pair_of("s1", "m1")] = progress_of({0, 36}, 60'000, now);
  BOOST_TEST(get("/v1/progress/s1/m1").body.find("\"completion_percentage\":0.06,") !=
             std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(the_duration_of_today_counts_everywhere, progress_fixture) {
  const auto seen = progress_of({30'000, 60'000}, 60'000, now);
  add_module("m1");
  in_ledger(pair_of("s1", "m1"), seen);
  in_hot(pair_of("s1", "m1"), progress_of({0, 20'000}, 60'000, now));
  const auto shorter = [&] {
    return put("/v1/modules/m1", {{"title", "t"}, {"duration_ms", 40'000}}).status;
  };
  BOOST_TEST(json_of(get("/v1/progress/s1/m1"))["completion_percentage"] == 83.33);
  BOOST_TEST(shorter() == 200);
  for (const bool is_removed : {false, true}) {
    if (is_removed) BOOST_TEST(del("/v1/modules/m1").status == 204);
    const auto one = json_of(get("/v1/progress/s1/m1"));
    BOOST_TEST(one["completion_percentage"] == 75.0);
    BOOST_TEST(one["seconds_watched"] == 30);
    BOOST_TEST(one["coverage"] == json::parse("[[0,20000],[30000,40000]]"));
    BOOST_TEST(json_of(get("/v1/students/s1/progress"))["items"][0] == one);
    BOOST_TEST(json_of(get("/v1/modules/m1/students"))["items"][0] == one);
    const auto ranked = json_of(get("/v1/modules/m1/students?order=attention"))["items"][0];
    BOOST_TEST(ranked["completion_percentage"] == 75.0);
  }
}

BOOST_FIXTURE_TEST_CASE(a_student_s_list_unites_both_stores_without_gaps, progress_fixture) {
  std::vector<std::string> expected;
  for (char c = 'a'; c <= 'i'; ++c) {
    const std::string module = std::string("m-") + c;
    add_module(module);
    expected.push_back(module);
    const auto key = pair_of("s1", module);
    if (c % 3 != 0) in_ledger(key, progress_of({0, 5000}, 60'000, now));
    if (c % 3 != 1) in_hot(key, progress_of({5000, 9000}, 60'000, now));
  }
  in_hot(pair_of("s2", "m-a"), progress_of({0, 100}, 60'000, now));
  BOOST_TEST(listed("/v1/students/s1/progress", "module") == expected,
             boost::test_tools::per_element());
  const auto all = json_of(get("/v1/students/s1/progress"));
  BOOST_TEST(all["next"].is_null());
  for (const auto& item : all["items"]) {
    const auto c = item["module"].get<std::string>().back();
    const int seconds = (c % 3 != 0 ? 5 : 0) + (c % 3 != 1 ? 4 : 0);
    BOOST_TEST(item["seconds_watched"] == seconds, item);
  }
  BOOST_TEST(json_of(get("/v1/students/nobody/progress")) ==
             json::parse(R"({"items":[],"next":null})"));
}

BOOST_FIXTURE_TEST_CASE(a_pair_with_nothing_in_it_is_none, progress_fixture) {
  add_module("m1");
  add_module("m2");
  in_hot(pair_of("s1", "m1"),
         blank_progress({.epoch = 1, .begins_ms = never}));  // every heartbeat of it was rejected
  BOOST_TEST(get("/v1/progress/s1/m1").status == 404);
  in_hot(pair_of("s1", "m2"), progress_of({0, 5000}, 60'000, now));
  BOOST_TEST(listed("/v1/students/s1/progress", "module") == std::vector<std::string>{"m2"},
             boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(a_module_s_list_overlays_the_hot_state, progress_fixture) {
  add_module("m1");
  std::vector<std::string> expected;
  for (int i = 1; i <= 5; ++i) {
    expected.push_back("s" + std::to_string(i));
    in_ledger(pair_of(expected.back(), "m1"), progress_of({0, 1000}, 60'000, now));
    if (i % 2 == 0) in_hot(pair_of(expected.back(), "m1"), progress_of({0, 7000}, 60'000, now));
  }
  BOOST_TEST(listed("/v1/modules/m1/students", "student") == expected,
             boost::test_tools::per_element());
  const auto items = json_of(get("/v1/modules/m1/students", "viewer"))["items"];
  for (std::size_t i = 0; i < items.size(); ++i)
    BOOST_TEST(items[i]["seconds_watched"] == (i % 2 == 1 ? 7 : 1));
}

BOOST_FIXTURE_TEST_CASE(without_the_hot_store_the_actors_and_the_ledger_are_read,
                        progress_fixture) {
  add_module("m1");
  in_ledger(pair_of("s1", "m1"), progress_of({0, 1000}, 60'000, now));
  gateway.memory[pair_of("s1", "m1")] = progress_of({1000, 8000}, 60'000, now);
  made.reset();
  auto with = dependencies();
  with.make_hot_store = [this] {
    return storage::make_embedded_store((directory.path / "no" / "such" / "hot.db").string(),
                                        storage::durability_level::log);
  };
  made = std::make_unique<api>(std::move(with));
  BOOST_TEST(json_of(get("/v1/progress/s1/m1"))["seconds_watched"] == 8);
  BOOST_TEST(json_of(get("/v1/modules/m1/students"))["items"][0]["seconds_watched"] == 8);
  BOOST_TEST(json_of(get("/v1/students/s1/progress"))["items"][0]["seconds_watched"] == 8);
  gateway.responses = false;
  BOOST_TEST(json_of(get("/v1/progress/s1/m1"))["seconds_watched"] == 1);
  // Nobody can say that this one has never been seen.
  check_problem(get("/v1/progress/s2/m1"), 503, "storage-unavailable");
}

BOOST_FIXTURE_TEST_CASE(without_the_ledger_nothing_of_an_erased_student_is_shown,
                        progress_fixture) {
  add_module("m1");
  in_hot(pair_of("s1", "m1"), progress_of({0, 8'000}, 60'000, now));
  auto with = dependencies();
  with.make_ledger = [this] {
    return storage::make_sqlite_ledger((directory.path / "no" / "such" / "ledger.db").string());
  };
  made = std::make_unique<api>(std::move(with));
  BOOST_TEST(json_of(get("/v1/progress/s1/m1"))["seconds_watched"] == 8);
  gateway.erased[pair_of("s1", "m1").student] = 2;
  // The hot store came back older than the erasure; what memory has is of the next life.
  check_problem(get("/v1/progress/s1/m1"), 404, "not-found");
  auto again = progress_of({0, 3'000}, 60'000, now);
  again.life.epoch = 2;
  gateway.memory[pair_of("s1", "m1")] = again;
  BOOST_TEST(json_of(get("/v1/progress/s1/m1"))["seconds_watched"] == 3);
}

BOOST_FIXTURE_TEST_CASE(an_erasure_goes_everywhere_and_leaves_no_id, progress_fixture) {
  add_module("m1");
  enrol(pair_of("s2", "m1").student);
  in_ledger(pair_of("s1", "m1"), progress_of({0, 60'000}, 60'000, now));
  BOOST_TEST(json_of(get("/v1/completions"))["items"].size() == 1u);
  (void)gateway.take_notes();
  const auto erased = del("/v1/students/s1");
  BOOST_TEST(erased.status == 204);
  BOOST_REQUIRE(erased.headers.size() == 1u);
  BOOST_TEST(erased.headers[0].first == "erasure-id");
  BOOST_TEST(erased.headers[0].second.size() == 36u);
  BOOST_TEST(gateway.take_notes() ==
                 (std::vector<std::string>{"end_epochs_below s1 2", "log_erasure s1 2",
                                           "student_has_gone s1", "end_epochs_below s1 2"}),
             boost::test_tools::per_element());
  check_problem(get("/v1/progress/s1/m1"), 404, "not-found");
  BOOST_TEST(json_of(get("/v1/completions"))["items"].empty());
  // Whoever repeats it has got no answer: the other one has an id of its own, and an audit row.
  const auto repeated = del("/v1/students/s1");
  BOOST_TEST(repeated.status == 204);
  BOOST_REQUIRE(repeated.headers.size() == 1u);
  BOOST_TEST(repeated.headers[0].second != erased.headers[0].second);
  BOOST_TEST(logged().find("erased by admin") != std::string::npos);
  BOOST_TEST(logged().find("s1") == std::string::npos);
  gateway.fails = true;  // then the ledger is not touched either: the call is repeated as a whole
  in_ledger(pair_of("s2", "m1"), progress_of({0, 1000}, 60'000, now));
  check_problem(del("/v1/students/s2"), 503, "storage-unavailable");
  BOOST_TEST(get("/v1/progress/s2/m1").status == 200);
}

/// Other stores and gateways may still have it.
BOOST_FIXTURE_TEST_CASE(nothing_of_an_ended_life_is_shown, progress_fixture) {
  add_module("m1");
  const auto key = pair_of("s1", "m1");
  in_ledger(key, progress_of({0, 60'000}, 60'000, now));
  BOOST_TEST(del("/v1/students/s1").status == 204);
  const auto late = progress_of({0, 60'000}, 60'000, now);
  const storage::pair_progress item{key, late};
  const auto look = [&] {
    gateway.memory[key] = late;
    BOOST_REQUIRE(hot->merge({&item, 1}, storage::merge_origin::ledger_and_memory).has_value());
    check_problem(get("/v1/progress/s1/m1"), 404, "not-found");
    BOOST_TEST(json_of(get("/v1/students/s1/progress"))["items"].empty());
    BOOST_TEST(json_of(get("/v1/modules/m1/students"))["items"].empty());
    BOOST_TEST(json_of(get("/v1/completions"))["items"].empty());
  };
  look();
  enrol(key.student);  // in epoch 2
  look();
  auto anew = blank_progress({.epoch = 2, .begins_ms = now});
  anew.covered.add({0, 6'000});
  anew.duration_ms = 60'000;
  anew.updated_ms = now;
  gateway.memory[key] = anew;
  BOOST_TEST(json_of(get("/v1/progress/s1/m1"))["seconds_watched"] == 6);
}

BOOST_FIXTURE_TEST_CASE(a_reset_begins_anew_and_keeps_the_history, progress_fixture) {
  add_module("m1");
  const auto reset = [&](const std::string& body, const std::string& who = "admin") {
    return call(net::http_method::post, "/v1/progress/s1/m1/reset", body, who);
  };
  const std::string reason = R"({"reason":"watched by somebody else"})";
  check_problem(reset(reason), 404, "not-found");
  in_ledger(pair_of("s1", "m1"), progress_of({0, 60'000}, 60'000, now));
  in_ledger(pair_of("s1", "m2"), progress_of({0, 1'000}, 60'000, now));
  for (const auto* wrong : {"", "{}", R"({"reason":""})", R"({"reason":7})", R"({"because":"x"})",
                            "{\"reason\":\"two\\nlines\"}"})
    check_problem(reset(wrong), 400, "malformed-request");
  check_problem(reset(R"({"reason":")" + std::string(513, 'x') + "\"}"), 400, "malformed-request");
  check_problem(reset(reason, "viewer"), 403, "forbidden");
  (void)gateway.take_notes();
  BOOST_TEST(reset(reason).status == 204);
  BOOST_TEST(gateway.take_notes() == std::vector<std::string>{"begin_attempt s1/m1 2"},
             boost::test_tools::per_element());
  const auto document = json_of(get("/v1/progress/s1/m1"));
  BOOST_TEST(document["seconds_watched"] == 0);
  BOOST_TEST(document["state"] == "IN_PROGRESS");
  BOOST_TEST(document["attempt"] == 2);
  BOOST_TEST(document["mastered_at"].is_null());
  BOOST_TEST(json_of(get("/v1/progress/s1/m2"))["seconds_watched"] == 1);
  const auto events = json_of(get("/v1/completions"))["items"];
  BOOST_REQUIRE(events.size() == 1u);
  BOOST_TEST(events[0]["data"]["attempt"] == 1);
  // Mastered, and not in the ledger yet: the attempt that ends keeps its completion.
  auto again = progress_of({0, 60'000}, 60'000, now);
  again.life.attempt = 2;
  gateway.memory[pair_of("s1", "m1")] = again;
  BOOST_TEST(reset(reason).status == 204);
  BOOST_TEST(json_of(get("/v1/completions"))["items"].size() == 2u);
  BOOST_TEST(json_of(get("/v1/progress/s1/m1"))["attempt"] == 3);
  // What only memory or the hot store has counts, too.
  auto further = progress_of({0, 5'000}, 60'000, now);
  further.life.attempt = 4;
  gateway.memory[pair_of("s1", "m1")] = further;
  BOOST_TEST(reset(R"({"reason":")" + std::string(512, 'x') + "\"}").status == 204);
  BOOST_TEST(json_of(get("/v1/progress/s1/m1"))["attempt"] == 5);
  gateway.fails = true;  // the hot store is away: the call is repeated
  check_problem(reset(reason), 503, "storage-unavailable");
}

BOOST_FIXTURE_TEST_CASE(completions_come_in_order_and_can_be_continued, progress_fixture) {
  add_module("m1");
  for (int i = 1; i <= 5; ++i)
    in_ledger(pair_of("s" + std::to_string(i), "m1"), progress_of({0, 58'000}, 60'000, now));
  std::vector<std::string> subjects;
  std::string after = "0";
  while (true) {
    const auto page = json_of(get("/v1/completions?limit=2&after=" + after, "viewer"));
    if (page["next"].is_null()) {
      BOOST_TEST(page["items"].empty());
      break;
    }
    for (const auto& item : page["items"]) {
      BOOST_TEST(item["specversion"] == "1.0");
      BOOST_TEST(item["source"] == "urn:test");
      BOOST_TEST(item["type"] == "org.watchkeeper.module.mastered.v1");
      subjects.push_back(item["subject"]);
    }
    after = page["next"];
  }
  BOOST_TEST(subjects == (std::vector<std::string>{"s1/m1", "s2/m1", "s3/m1", "s4/m1", "s5/m1"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
