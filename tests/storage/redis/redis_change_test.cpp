// Redis changes while a store is connected: it becomes a replica, or another gateway writes between
// two commands.
#include <atomic>
#include <boost/test/unit_test.hpp>

#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/redis_proxy.hpp"
#include "tests/storage/redis/redis_server.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

BOOST_AUTO_TEST_SUITE(redis_change)

BOOST_AUTO_TEST_CASE(a_redis_that_was_made_a_replica_is_away_until_it_is_a_master_again) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  apply_one(*store, heartbeat(pair, 0, 0, 1000));
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  for (int i = 0; i < 2; ++i) {  // on the connection from before, then on one made anew
    BOOST_TEST(int(error_of_apply(*store, heartbeat(pair, 1, 1000, 2000))) ==
               int(storage_error::unavailable));
    const auto health = store->health();
    BOOST_REQUIRE(!health.has_value());
    BOOST_TEST(int(health.error().code) == int(storage_error::unavailable));
    BOOST_TEST(health.error().detail == "this Redis is a replica, not a master");
  }
  BOOST_TEST(!make_redis_store(server.url())->read(std::span(&pair, 1)).has_value());
  server.command({"REPLICAOF", "NO", "ONE"});
  BOOST_TEST(int(apply_one(*store, heartbeat(pair, 1, 1000, 2000)).state) ==
             int(applied_state::not_compared));  // it has what its master had
  create(*store, {pair});
  BOOST_TEST(apply_one(*store, heartbeat(pair, 1, 1000, 2000)).outcome.now.covered_ms == 2000);
}

// Unlike a write, a read is not refused by a replica; and what a replica has may be old.
BOOST_AUTO_TEST_CASE(a_connection_from_before_a_demotion_reads_nothing_from_the_replica) {
  redis_server server;
  const auto pair = pair_of("ada", "m1");
  {
    const auto store = make_redis_store(server.url());
    create(*store, {pair});
    apply_one(*store, heartbeat(pair, 0, 0, 1000));
  }
  const auto partition = partition_of(pair.student);
  const auto code_of = [](const auto& got) {
    return got ? std::string("read") : std::to_string(int(got.error().code));
  };
  const std::vector<std::function<std::string(hot_store&)>> reads{
      [&](hot_store& s) { return code_of(s.read(std::span(&pair, 1))); },
      [&](hot_store& s) { return code_of(s.modules_of(pair.student)); },
      [&](hot_store& s) { return code_of(s.read_dirty(partition, 10)); },
      [&](hot_store& s) { return code_of(s.read_dirty(partition_index(partition ^ 1), 10)); },
      [&](hot_store& s) { return code_of(s.dirty_count()); },
      // A duplicate is decided by reading alone.
      [&](hot_store& s) {
        const auto again = heartbeat(pair, 0, 0, 1000);
        return code_of(s.apply(std::span(&again, 1)));
      },
  };
  std::vector<std::unique_ptr<hot_store>> connected;
  for (const auto& read : reads) {
    connected.push_back(make_redis_store(server.url()));
    BOOST_TEST(read(*connected.back()) == "read");
  }
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  for (std::size_t i = 0; i < reads.size(); ++i)
    BOOST_TEST(reads[i](*connected[i]) == std::to_string(int(storage_error::unavailable)));
  server.command({"REPLICAOF", "NO", "ONE"});
  for (std::size_t i = 0; i < reads.size(); ++i) BOOST_TEST(reads[i](*connected[i]) == "read");
}

// Another Redis may be at the address by now: so the next call connects anew.
BOOST_AUTO_TEST_CASE(a_demotion_while_the_functions_are_loaded_again_closes_the_connection) {
  // Before the library is loaded, and after it, before the calls that are sent again.
  for (const bool before_loading : {true, false}) {
    redis_server server;
    std::atomic<bool> armed{false}, has_loaded{false};
    redis_proxy proxy(server, [&](const redis_proxy::words& command) {
      const bool loads = command[0] == "FUNCTION";
      if (armed && (before_loading ? loads : has_loaded && command[0] == "FCALL")) {
        server.command({"REPLICAOF", "127.0.0.1", "1"});
        armed = false;
      }
      if (loads) has_loaded = true;
    });
    const auto store = make_redis_store(proxy.url());
    const auto pair = pair_of("ada", "m1");
    create(*store, {pair});
    apply_one(*store, heartbeat(pair, 0, 0, 1000));
    server.command({"FUNCTION", "FLUSH"});
    has_loaded = false;
    armed = true;
    BOOST_TEST(int(error_of_apply(*store, heartbeat(pair, 1, 1000, 2000))) ==
               int(storage_error::unavailable));
    BOOST_TEST(!armed);
    server.command({"REPLICAOF", "NO", "ONE"});
    create(*store, {pair});
    BOOST_TEST(apply_one(*store, heartbeat(pair, 1, 1000, 2000)).outcome.now.covered_ms == 2000);
    BOOST_TEST(proxy.connections() == 2);
  }
}

// Between the values (MGET) and their number (EXISTS) another gateway makes what was absent.
BOOST_AUTO_TEST_CASE(what_is_created_while_a_student_is_looked_up_is_not_corrupt) {
  for (const bool has_pair : {true, false}) {
    redis_server server;
    const auto other = make_redis_store(server.url());
    const auto pair = pair_of("ada", "m1");
    if (has_pair) create(*other, {pair});
    std::atomic<bool> armed{true};
    redis_proxy proxy(server, [&](const redis_proxy::words& command) {
      if (command[0] != "EXISTS" || !armed.exchange(false)) return;
      if (!has_pair) create(*other, {pair});
      apply_one(*other, heartbeat(pair, 0, 0, 1000));
    });
    const auto store = make_redis_store(proxy.url());
    const auto asked = heartbeat(pair, 1, 1000, 2000);
    auto applied = apply_one(*store, asked);
    BOOST_TEST(!armed);
    if (!has_pair) {  // it was missing when it was read
      BOOST_TEST(int(applied.state) == int(applied_state::pair_missing));
      applied = apply_one(*store, asked);
    }
    BOOST_TEST(int(applied.state) == int(applied_state::done));
    BOOST_TEST(applied.outcome.now.covered_ms == 2000);
  }
}

BOOST_AUTO_TEST_SUITE_END()
