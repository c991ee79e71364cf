#include <boost/test/unit_test.hpp>

#include <latch>

#include "server/api/api_limits.hpp"
#include "tests/server/api_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;
using net::http_method;

BOOST_AUTO_TEST_SUITE(api_queue)

BOOST_FIXTURE_TEST_CASE(what_is_over_the_limit_is_refused_and_everything_is_answered_once,
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
  occupied.wait();  // each thread holds one, so the queue is empty
  for (std::size_t i = 0; i < limits::api_requests_queued_max; ++i)
    (void)submit(http_method::get, "/v1/modules", {}, admin);
  BOOST_TEST(replies.answers() == 0u);
  const auto over = replies.wait_for(submit(http_method::get, "/v1/modules", {}, admin));
  check_problem(over, 503, "overloaded");
  BOOST_TEST(header_of(over, "retry-after") != "");
  BOOST_TEST(get("/healthz", "").status == 200);  // needs no thread
  go_on.count_down();
  made->stop();
  BOOST_TEST(replies.answers() == requests);
  BOOST_TEST(replies.most() == 1);
  BOOST_TEST(replies.misused == 0);
  for (std::uint64_t i = 1; i <= limits::api_requests_queued_max; ++i)
    BOOST_TEST(replies.wait_for(i).status == 200);
  check_problem(get("/v1/modules"), 503, "draining");
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
  with.make_ledger = [&]() -> std::unique_ptr<ledger> {
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
