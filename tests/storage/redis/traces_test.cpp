// What the append-only file of Redis still has of erased students, and how it goes.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/redis_server.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

namespace {

/// The steps until the removal is at its end.
std::vector<trace_removal> remove_traces(hot_store& store) {
  std::vector<trace_removal> steps;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  do {
    steps.push_back(must(store.remove_traces()));
  } while (steps.back() != trace_removal::done && std::chrono::steady_clock::now() < deadline);
  return steps;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(redis_traces)

BOOST_AUTO_TEST_CASE(a_removal_of_traces_rewrites_the_log) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  apply_one(*store, heartbeat(pair, 0, 0, 10'000));
  BOOST_TEST(server.log_has("progress:ada/m1"));
  must(store->end_epochs_below(pair.student, 2, some_time_ms));
  BOOST_TEST(server.log_has("progress:ada/m1"));
  const auto steps = remove_traces(*store);
  BOOST_TEST(int(steps.front()) == int(trace_removal::begun));
  BOOST_TEST(int(steps.back()) == int(trace_removal::done));
  BOOST_TEST(!server.log_has("progress:ada/m1"));
  BOOST_TEST(server.log_has("student:ada"));  // the epoch, for a day
  BOOST_TEST(store->trace_removal_pause_ms() == 3'600'000);
}

BOOST_AUTO_TEST_CASE(a_rewrite_of_somebody_else_is_waited_for) {
  // The child that rewrites goes on for as long as the test wants: 1,000 keys at 2 ms each.
  redis_server server({"--enable-debug-command", "yes"});
  const auto store = make_redis_store(server.url());
  must(store->health());
  server.command({"DEBUG", "POPULATE", "1000"});
  server.command({"CONFIG", "SET", "rdb-key-save-delay", "2000"});
  server.command({"BGREWRITEAOF"});
  const auto steps = remove_traces(*store);
  BOOST_TEST(int(steps.front()) == int(trace_removal::waiting));
  BOOST_TEST((std::find(steps.begin(), steps.end(), trace_removal::begun) != steps.end()));
  BOOST_TEST((std::find(steps.begin(), steps.end(), trace_removal::running) != steps.end()));
  BOOST_TEST(int(steps.back()) == int(trace_removal::done));
}

BOOST_AUTO_TEST_CASE(a_server_that_was_started_anew_rewrites_anew) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  BOOST_TEST(int(must(store->remove_traces())) == int(trace_removal::begun));
  server.kill();
  BOOST_TEST(!store->remove_traces().has_value());
  server.start();
  const auto steps = remove_traces(*store);
  BOOST_TEST(int(steps.front()) == int(trace_removal::begun));
  BOOST_TEST(int(steps.back()) == int(trace_removal::done));
}

BOOST_AUTO_TEST_CASE(a_server_that_must_not_rewrite_refuses) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  server.command({"ACL", "SETUSER", "default", "-bgrewriteaof"});
  const auto refused = store->remove_traces();
  BOOST_REQUIRE(!refused.has_value());
  BOOST_TEST(int(refused.error().code) == int(storage_error::refused));
  BOOST_TEST(refused.error().detail.find("bgrewriteaof") != std::string::npos);
  must(store->health());  // it serves as before
  server.command({"ACL", "SETUSER", "default", "+bgrewriteaof"});
  BOOST_TEST(int(remove_traces(*store).back()) == int(trace_removal::done));
}

BOOST_AUTO_TEST_CASE(a_server_without_a_log_gets_none) {
  redis_server server({"--appendonly", "no"});
  const auto store = make_redis_store(server.url());
  must(store->health());
  BOOST_TEST(int(must(store->remove_traces())) == int(trace_removal::done));
  BOOST_TEST(!server.log_has(""));
}

BOOST_AUTO_TEST_SUITE_END()
