// What is particular to pairs that leave Redis.
#include <boost/test/unit_test.hpp>

#include "storage/limits.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/redis_server.hpp"
#include "tests/storage/redis/stored_keys.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

BOOST_AUTO_TEST_SUITE(redis_retention)

BOOST_AUTO_TEST_CASE(a_retired_pair_leaves_only_what_expires) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto first = pair_of("ada", "m1");
  const auto last = pair_of("ada", "m2");
  create(*store, {first, last});
  apply_one(*store, heartbeat(first, 0, 0, 10'000));
  clean_all(*store);
  const auto idle = read_all_idle(*store, some_time_ms + 1, 1);
  BOOST_REQUIRE_EQUAL(idle.size(), 2u);
  const auto ttl_of = [&](const std::string& key) {
    return std::stoll(server.command({"PTTL", key}));
  };
  const auto student = key_of("student", first);
  const auto session = session_key_of(first, "0acc63017b638e");
  BOOST_TEST(must(store->retire({&idle[0], 1}, some_time_ms + 1)) == 1u);
  BOOST_TEST(ttl_of(student) == -1);  // the epoch is needed as long as there is a pair
  BOOST_TEST(must(store->retire({&idle[1], 1}, some_time_ms + 1)) == 1u);
  BOOST_TEST((ttl_of(student) > 86'300'000 && ttl_of(student) <= storage_limits::student_ttl_ms));
  BOOST_TEST((ttl_of(session) > 3'500'000 && ttl_of(session) <= storage_limits::session_ttl_ms));
  for (const auto* kind : {"progress", "pairs", "dirty"})
    for (const auto& pair : {first, last})
      BOOST_TEST(server.command({"EXISTS", key_of(kind, pair)}) == "0", kind);

  // With the next credit the student stays.
  create(*store, {first});
  apply_one(*store, heartbeat(first, 1, 10'000, 20'000, some_time_ms + 2));
  BOOST_TEST(ttl_of(student) == -1);
  // Of a window that has ended nothing is written: its session may be bound to another module.
  clean_all(*store);
  server.command({"DEL", session});
  const auto later_ms = some_time_ms + storage_limits::session_ttl_ms + 1000;
  BOOST_TEST(retire_all(*store, later_ms, 1) == 1u);
  BOOST_TEST(server.command({"EXISTS", session}) == "0");
}

BOOST_AUTO_TEST_CASE(a_window_is_kept_until_the_second_in_which_it_ends) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  const auto session = session_key_of(pair, "0acc63017b638e");
  const auto renewed_ms = wall_ms{to_unix_s(some_time_ms) * 1000};
  for (const std::int64_t early_ms : {1, 0}) {
    create(*store, {pair});
    apply_one(*store, heartbeat(pair, early_ms == 1 ? 0 : 1, 0, 1000));
    clean_all(*store);
    server.command({"DEL", session});
    const auto at_ms = renewed_ms + storage_limits::session_ttl_ms - early_ms;
    BOOST_TEST(retire_all(*store, at_ms, 1) == 1u);
    BOOST_TEST(server.command({"EXISTS", session}) == std::to_string(early_ms));
  }
}

BOOST_AUTO_TEST_CASE(a_full_memory_is_made_free_by_what_is_idle) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  server.command({"CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1"});
  BOOST_TEST(retire_all(*store, some_time_ms, 1) == 1u);
}

BOOST_AUTO_TEST_CASE(what_is_marked_or_no_pair_of_ours_does_not_leave) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto lost = pair_of("ada", "m1"), sick = pair_of("bob", "m1"), well = pair_of("cyd", "m1"),
             foreign = pair_of("dan", "m1");
  create(*store, {lost, sick, well});
  apply_one(*store, heartbeat(lost, 0, 0, 1000));
  server.command({"DEL", key_of("dirty", lost)});  // the set has lost it, but not the mark
  server.command({"SETRANGE", key_of("progress", sick), "0", "x"});
  server.command({"SADD", key_of("progress", foreign), "m"});
  server.command({"SET", "wk:{p1}:progress:cyd/m1", "of another partition"});
  const auto idle = read_all_idle(*store, some_time_ms + 1'000'000, 1);
  BOOST_REQUIRE_EQUAL(idle.size(), 1u);
  BOOST_TEST(text_of(idle[0].key) == text_of(well));
  const std::vector<idle_pair> all{{lost, {}, 1}, idle[0], {foreign, {}, 1}, {sick, {}, 1}};
  BOOST_TEST(must(store->retire(all, some_time_ms)) == 1u);
}

BOOST_AUTO_TEST_CASE(a_cursor_of_another_redis_is_not_gone_on_with) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  std::vector<pair_key> keys;
  for (std::size_t i = 0; i < 2 * storage_limits::retire_pairs_max; ++i)
    keys.push_back(pair_of(fmt::format("student-{}", i), "m1"));
  create(*store, keys);
  const auto cursor = must(store->read_idle("", some_time_ms, 1)).cursor;
  BOOST_REQUIRE(!cursor.empty());
  server.kill();
  server.start();
  (void)store->health();  // notices it
  const auto next = store->read_idle(cursor, some_time_ms, 1);
  BOOST_REQUIRE(!next.has_value());
  BOOST_TEST(int(next.error().code) == int(storage_error::unavailable));
  BOOST_TEST(read_all_idle(*store, some_time_ms, 1).size() == keys.size());
}

BOOST_AUTO_TEST_SUITE_END()
