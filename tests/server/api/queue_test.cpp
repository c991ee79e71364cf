#include <boost/test/unit_test.hpp>

#include <future>
#include <latch>

#include "server/api/api_limits.hpp"
#include "tests/server/api/api_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;
using net::http_method;

BOOST_AUTO_TEST_SUITE(api_queue)

BOOST_FIXTURE_TEST_CASE(what_is_over_the_limit_is_rejected_and_everything_is_answered_once,
                        api_fixture) {
  std::latch occupied(api_limits::threads);
  std::latch go_on(1);
  made.reset();
  auto with = dependencies();
  with.make_ledger = [&] {
    occupied.count_down();
    go_on.wait();
    return make_ledger();
  };
  made = std::make_unique<api>(std::move(with));
  const std::string admin = "Bearer admin-secret";
  for (unsigned i = 0; i < api_limits::threads; ++i)
    (void)submit(http_method::get, "/v1/modules", {}, admin);
  occupied.wait();  // each thread has one, so the queue is empty
  for (std::size_t i = 0; i < api_limits::requests_queued_max; ++i)
    (void)submit(http_method::get, "/v1/modules", {}, admin);
  BOOST_TEST(responses.count() == 0u);
  const auto over = responses.wait_for(submit(http_method::get, "/v1/modules", {}, admin));
  check_problem(over, 503, "overloaded");
  BOOST_TEST(header_of(over, "retry-after") != "");
  BOOST_TEST(get("/healthz", "").status == 200);  // needs no thread
  go_on.count_down();
  made->stop();
  BOOST_TEST(responses.count() == requests);
  BOOST_TEST(responses.most() == 1);
  BOOST_TEST(responses.misused == 0);
  for (std::uint64_t i = 1; i <= api_limits::requests_queued_max; ++i)
    BOOST_TEST(responses.wait_for(i).status == 200);
  check_problem(get("/v1/modules"), 503, "draining");
}

BOOST_FIXTURE_TEST_CASE(recounts_wait_for_a_thread_of_their_own, api_fixture) {
  std::atomic<unsigned> ledgers{0};
  std::latch recounting(1);
  std::latch go_on(1);
  made.reset();
  auto with = dependencies();
  with.make_ledger = [&] {
    // After those of the ordinary threads comes that of the recounts.
    if (++ledgers == api_limits::threads + 1) {
      recounting.count_down();
      go_on.wait();
    }
    return make_ledger();
  };
  made = std::make_unique<api>(std::move(with));
  const std::string admin = "Bearer admin-secret";
  const auto module_of = [](std::size_t i) { return "/v1/modules/m" + std::to_string(i); };
  const std::size_t modules = api_limits::recounts_queued_max + 2;  // running, waiting, one more
  for (std::size_t i = 0; i < modules || ledgers < api_limits::threads; ++i) {
    const auto n = i % modules;
    BOOST_TEST(put(module_of(n), {{"title", "t"}, {"duration_ms", 60'000}}).status < 300);
    const storage::pair_progress seen{pair_of("s", "m" + std::to_string(n)),
                                      progress_of({0, 5'000}, 60'000, start_ms)};
    enrol(seen.key.student);
    BOOST_REQUIRE(ledger_store->checkpoint({&seen, 1}, start_ms).has_value());
  }
  std::vector<std::uint64_t> waiting;
  const auto shorten = [&](std::size_t i) {
    return submit(http_method::put, module_of(i), R"({"title":"t","duration_ms":30000})", admin);
  };
  waiting.push_back(shorten(0));
  recounting.wait();
  // Two threads store the modules, so any of the others can be the one that finds the queue full.
  for (std::size_t i = 1; i < modules; ++i) waiting.push_back(shorten(i));
  const auto rejected = responses.wait_for_any(waiting);
  check_problem(responses.wait_for(rejected), 503, "overloaded");
  BOOST_TEST(get("/v1/modules").status == 200);  // nobody else waits
  go_on.count_down();
  for (std::size_t i = 0; i < modules; ++i) {
    if (waiting[i] == rejected) {  // the module is stored, and a repeated request recounts
      BOOST_TEST(json_of(get(module_of(i)))["duration_ms"] == 30'000);
      BOOST_TEST(responses.wait_for(shorten(i)).status == 200);
    } else {
      BOOST_TEST(responses.wait_for(waiting[i]).status == 200);
    }
    BOOST_TEST(json_of(get(module_of(i) + "/heatmap"))["bins"] == 30);
  }
  made->stop();
  BOOST_TEST(responses.most() == 1);
}

/// A ledger that is slow for one class of calls holds up no other.
BOOST_FIXTURE_TEST_CASE(each_class_of_calls_waits_alone, api_fixture) {
  BOOST_TEST(put("/v1/modules/m1", {{"title", "t"}, {"duration_ms", 60'000}}).status < 300);
  std::promise<void> go_on;  // a test that fails breaks it, and nobody waits any more
  std::latch occupied(api_limits::threads);
  gateway.on_heatmap = [&, gate = go_on.get_future().share()] {
    occupied.count_down();
    gate.wait();
  };
  std::vector<std::uint64_t> waiting;
  for (unsigned i = 0; i < api_limits::threads; ++i)
    waiting.push_back(
        submit(http_method::get, "/v1/modules/m1/heatmap", {}, "Bearer viewer-secret"));
  occupied.wait();
  BOOST_TEST(get("/v1/modules/m1").status == 200);
  BOOST_TEST(put("/v1/modules/m2", {{"title", "t"}, {"duration_ms", 60'000}}).status == 201);
  BOOST_TEST(get("/v1/stats", "operator").status == 200);
  BOOST_TEST(responses.count() == requests - waiting.size());
  go_on.set_value();
  for (const auto each : waiting) BOOST_TEST(responses.wait_for(each).status == 200);
}

BOOST_FIXTURE_TEST_CASE(what_throws_inside_is_500_without_its_text, api_fixture) {
  made.reset();
  auto with = dependencies();
  with.server_statistics = []() -> net::server_statistics {
    throw std::runtime_error("inner secret");
  };
  made = std::make_unique<api>(std::move(with));
  const auto response = get("/v1/stats", "operator");
  BOOST_TEST(response.status == 500);
  BOOST_TEST(response.content_type == "application/problem+json");
  BOOST_TEST(response.body.find("secret") == std::string::npos);
  BOOST_TEST(json_of(response)["status"] == 500);
  BOOST_TEST(logged().find("inner secret") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_store_that_cannot_be_made_is_tried_again, api_fixture) {
  std::atomic<bool> broken{true};
  made.reset();
  auto with = dependencies();
  with.make_ledger = [&]() -> std::unique_ptr<storage::ledger> {
    if (broken) throw std::runtime_error("inner secret");
    return make_ledger();
  };
  made = std::make_unique<api>(std::move(with));
  const auto response = get("/v1/modules");
  check_problem(response, 503, "storage-unavailable");
  BOOST_TEST(response.body.find("secret") == std::string::npos);
  broken = false;
  BOOST_TEST(get("/v1/modules").status == 200);
}

BOOST_AUTO_TEST_SUITE_END()
