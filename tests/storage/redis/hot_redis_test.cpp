// What is particular to Redis: its bytes, its failures, its settings.
#include <boost/test/unit_test.hpp>

#include "storage/limits.hpp"
#include "storage/redis/library.hpp"
#include "storage/redis/url.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/redis_server.hpp"
#include "tests/storage/redis/stored_keys.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

namespace {

void check_read_is_corrupt(hot_store& store, const pair_key& pair) {
  const auto read = store.read(std::span(&pair, 1));
  BOOST_REQUIRE(!read.has_value());
  BOOST_TEST(int(read.error().code) == int(storage_error::corrupt));
}

/// Every call that touches the value of the pair `sick` fails for it, and for no other pair.
void check_value_is_corrupt(hot_store& store, const pair_key& sick, const pair_key& well,
                            std::span<const hot_request> both) {
  check_read_is_corrupt(store, sick);
  const pair_progress state{sick, blank()};
  const auto merged = store.merge(std::span(&state, 1), merge_origin::ledger);
  BOOST_REQUIRE(!merged.has_value());
  BOOST_TEST(int(merged.error().code) == int(storage_error::corrupt));
  const std::vector<pair_progress> states{{sick, blank()}, {well, blank()}};
  const auto together = store.merge_and_apply(states, merge_origin::ledger, both);
  BOOST_REQUIRE(!together.merged.has_value());
  BOOST_TEST(int(together.merged.error().code) == int(storage_error::corrupt));
  BOOST_TEST(int((*together.applied)[0].state) == int(applied_state::failed));
  BOOST_TEST(int((*together.applied)[1].state) == int(applied_state::done));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hot_redis)

BOOST_AUTO_TEST_CASE(the_bytes_are_those_of_the_storage_format) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  apply_one(*store, heartbeat(pair, 0, 0, 10'000));
  apply_one(*store, heartbeat(pair, 2, 20'000, 30'000));

  BOOST_TEST(server.command({"KEYS", "wk:deployment"}) == "wk:deployment\n");
  BOOST_TEST(server.command({"HMGET", "wk:deployment", "partitions", "format"}) == "256\n4\n");
  const auto value = server.command({"GET", key_of("progress", pair)});
  BOOST_REQUIRE_EQUAL(value.size(), 119u);
  BOOST_TEST(hex(value.substr(0, 2)) == "8401");  // format, marked; a nonce of 8 bytes follows
  BOOST_TEST(hex(value.substr(10, 8)) ==
             "00000001"    // epoch
             "00000001");  // attempt; compared_in of 8 bytes follows
  BOOST_TEST(hex(value.substr(26, 52)) ==
             "0000000000000000"    // begins_ms
             "00004e20"            // covered_ms 20,000
             "000927c0"            // duration_ms 600,000
             "00007530"            // resume_ms 30,000
             "0000000000004e20"    // playtime_ms 20,000
             "0000019aab6884a8"    // resume_at_ms
             "0000019aab6884a8"    // updated_ms
             "0000000000000000");  // mastered_ms
  BOOST_TEST(hex(value.substr(78)) ==
             "01"                  // one window
             "000acc63017b638e"    // the session's tag
             "00000002"            // highest
             "00000000"            // seen, upper half
             "00000005"            // seen, lower half: 2 and 0
             "6921a3f9"            // the second in which the session's key was written
             "0000000000002710"    // [0,10000)
             "00004e2000007530");  // [20000,30000)
  const auto student = server.command({"GET", key_of("student", pair)});
  BOOST_TEST(hex(student.substr(0, 2)) == "8400");
  BOOST_TEST(hex(student.substr(10)) ==
             "00000001"            // epoch
             "0000000002faf080"    // level_us 50,000,000: 20 s of media at a max_rate of 2
             "0000019aab6884a8");  // refilled_at_ms
  BOOST_TEST(server.command({"TTL", key_of("student", pair)}) == "-1");
  const auto session = session_key_of(pair, "0acc63017b638e");
  BOOST_TEST(hex(server.command({"GET", session})) ==
             "00000000"  // highest: as it was when the key was written
             "00000000"  // seen, upper half
             "00000001"  // seen, lower half
             "6921a3f9"  // the second in which it was written
             "6d31");    // "m1"
  BOOST_TEST(server.command({"SMEMBERS", key_of("dirty", pair)}) == "ada/m1\n");
  BOOST_TEST(server.command({"SMEMBERS", key_of("pairs", pair)}) == "m1\n");
  const auto session_ttl = std::stoll(server.command({"PTTL", session}));
  BOOST_TEST((session_ttl > 3'500'000 && session_ttl <= storage_limits::session_ttl_ms));

  must(store->end_epochs_below(pair.student, 2, some_time_ms));
  const auto ended = server.command({"GET", key_of("student", pair)});
  BOOST_TEST(hex(ended.substr(0, 2)) == "8400");
  BOOST_TEST(hex(ended.substr(10)) ==
             "00000002"            // epoch
             "0000000003938700"    // level_us 60,000,000
             "0000000000000000");  // refilled_at_ms
  const auto student_ttl = std::stoll(server.command({"PTTL", key_of("student", pair)}));
  BOOST_TEST((student_ttl > 86'300'000 && student_ttl <= storage_limits::student_ttl_ms));
  // The window outlives the pair.
  BOOST_TEST(hex(server.command({"GET", session}).substr(0, 12)) == "000000020000000000000005");
  BOOST_TEST(server.command({"EXISTS", key_of("progress", pair)}) == "0");
  BOOST_TEST(server.command({"EXISTS", key_of("pairs", pair)}) == "0");
  BOOST_TEST(server.command({"EXISTS", key_of("dirty", pair)}) == "0");
}

BOOST_AUTO_TEST_CASE(what_was_acknowledged_survives_a_killed_redis) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  for (std::uint32_t sn = 0; sn < 20; ++sn) {
    const auto from = static_cast<media_ms>(sn) * 1000;
    BOOST_TEST(int(apply_one(*store, heartbeat(pair, sn, from, from + 1000)).outcome.status) == 0);
  }
  server.kill();
  BOOST_TEST(int(error_of_apply(*store, heartbeat(pair, 20, 20'000, 21'000))) ==
             int(storage_error::unavailable));
  BOOST_TEST(int(error_of_apply(*store, heartbeat(pair, 20, 20'000, 21'000))) ==
             int(storage_error::unavailable));
  server.start();
  // It may have lost something since: the pair is to be compared with the ledger first.
  BOOST_TEST(int(apply_one(*store, heartbeat(pair, 20, 20'000, 21'000)).state) ==
             int(applied_state::not_compared));
  create(*store, {pair});
  const auto applied = apply_one(*store, heartbeat(pair, 20, 20'000, 21'000));
  BOOST_TEST(applied.outcome.now.covered_ms == 21'000);
  BOOST_TEST(int(apply_one(*store, heartbeat(pair, 19, 19'000, 20'000)).outcome.status) ==
             int(credit_status::duplicate));
}

BOOST_AUTO_TEST_CASE(after_a_restart_between_two_calls_pairs_are_compared_with_the_ledger) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  server.kill();
  server.start();
  BOOST_TEST(int(apply_one(*store, heartbeat(pair, 0, 0, 1000)).state) ==
             int(applied_state::not_compared));
  create(*store, {pair});
  BOOST_TEST(apply_one(*store, heartbeat(pair, 0, 0, 1000)).outcome.now.covered_ms == 1000);
}

BOOST_AUTO_TEST_CASE(an_emptied_redis_asks_for_its_pairs) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  server.kill();
  server.lose_everything();
  server.start();
  BOOST_TEST(int(apply_one(*store, heartbeat(pair, 0, 0, 1000)).state) ==
             int(applied_state::pair_missing));
  create(*store, {pair});
  BOOST_TEST(apply_one(*store, heartbeat(pair, 0, 0, 1000)).outcome.now.covered_ms == 1000);
  BOOST_TEST(server.command({"HGET", "wk:deployment", "partitions"}) == "256");
}

BOOST_AUTO_TEST_CASE(a_redis_that_may_have_lost_something_is_another_incarnation) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto other = make_redis_store(server.url());
  const auto incarnation = [](hot_store& of) { return must(of.health()).incarnation; };
  const auto first = incarnation(*store);
  BOOST_TEST(incarnation(*store) == first);
  BOOST_TEST(incarnation(*other) == first);
  server.command({"FLUSHALL"});  // the connections last
  const auto emptied = incarnation(*store);
  BOOST_TEST(emptied != first);
  BOOST_TEST(incarnation(*other) == emptied);
  server.kill();
  server.start();
  const auto restarted = incarnation(*store);
  BOOST_TEST(restarted != emptied);
  // A replica for a while, between two questions: the process and the data are the same.
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  server.command({"REPLICAOF", "NO", "ONE"});
  const auto promoted = incarnation(*store);
  BOOST_TEST(promoted != restarted);
  BOOST_TEST(incarnation(*other) == promoted);
  server.kill();
  server.lose_everything();
  server.start();
  BOOST_TEST(incarnation(*other) != restarted);
  BOOST_TEST(incarnation(*other) == incarnation(*store));
}

BOOST_AUTO_TEST_CASE(flushed_functions_are_loaded_again) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  server.command({"FUNCTION", "FLUSH"});
  std::vector<hot_request> requests;
  for (std::uint32_t sn = 0; sn < 150; ++sn)
    requests.push_back(heartbeat(pair, sn, static_cast<media_ms>(sn) * 100,
                                 static_cast<media_ms>(sn) * 100 + 100));
  const auto applied = must(store->apply(requests));
  BOOST_TEST(applied.back().outcome.now.covered_ms == 15'000);
}

BOOST_AUTO_TEST_CASE(an_older_library_is_replaced_and_a_newer_refused) {
  redis_server server;
  const auto library = [](int version) {
    return fmt::format(
        "#!lua name=watchkeeper\nredis.register_function{{function_name='wk_version', "
        "callback=function() return {} end, flags={{'no-writes'}}}}",
        version);
  };
  const auto pair = pair_of("ada", "m1");
  server.command({"FUNCTION", "LOAD", library(0)});
  // A gateway of before may still use it, and this Redis is empty besides.
  const auto new_library =
      fmt::format("its function library becomes version {}", redis_library_version);
  BOOST_TEST(must(look_at_redis_store(server.url())).at_start ==
             "it is empty, and is made ready for use; " + new_library);
  BOOST_TEST(server.command({"FCALL", "wk_version", "0"}) == "0");
  BOOST_TEST(server.command({"DBSIZE"}) == "0");
  create(*make_redis_store(server.url()), {pair});
  BOOST_TEST(server.command({"FCALL", "wk_version", "0"}) == std::to_string(redis_library_version));

  server.command({"FUNCTION", "LOAD", "REPLACE", library(99)});
  BOOST_TEST(int(error_of_apply(*make_redis_store(server.url()), heartbeat(pair, 0, 0, 1000))) ==
             int(storage_error::mismatch));
  BOOST_TEST(server.command({"FCALL", "wk_version", "0"}) == "99");
  BOOST_TEST(!look_at_redis_store(server.url()).has_value());
  server.command({"FUNCTION", "LOAD", "REPLACE", library(0)});
  BOOST_TEST(must(look_at_redis_store(server.url())).at_start == new_library);
  BOOST_TEST(server.command({"FCALL", "wk_version", "0"}) == "0");
}

BOOST_AUTO_TEST_CASE(a_full_memory_refuses_credit_but_lets_the_checkpoint_go_on) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  apply_one(*store, heartbeat(pair, 0, 0, 1000));
  server.command({"CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1"});
  BOOST_TEST(int(error_of_apply(*store, heartbeat(pair, 1, 1000, 2000))) ==
             int(storage_error::refused));
  const pair_progress another{pair_of("bob", "m1"), blank()};
  const hot_request with_a_new_one[] = {heartbeat(another.key, 0, 0, 1000),
                                        heartbeat(pair, 1, 1000, 2000)};
  const auto together = store->apply(with_a_new_one);
  BOOST_REQUIRE(!together.has_value());
  BOOST_TEST(int(together.error().code) == int(storage_error::refused));
  const auto merged = store->merge(std::span(&another, 1), merge_origin::ledger);
  BOOST_REQUIRE(!merged.has_value());
  BOOST_TEST(int(merged.error().code) == int(storage_error::refused));

  const auto dirty = must(store->read_dirty(partition_of(pair.student), 10)).pairs;
  BOOST_REQUIRE_EQUAL(dirty.size(), 1u);
  BOOST_TEST(dirty[0].state.covered.covered_ms() == 1000);
  must(store->mark_clean(partition_of(pair.student), dirty));
  BOOST_TEST(must(store->dirty_count()) == 0u);
  must(store->end_epochs_below(id_of<student_id>("bob"), 2, some_time_ms));

  server.command({"CONFIG", "SET", "maxmemory", "0"});
  BOOST_TEST(apply_one(*store, heartbeat(pair, 1, 1000, 2000)).outcome.now.covered_ms == 2000);
}

BOOST_AUTO_TEST_CASE(a_redis_that_hangs_is_given_up) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  ::kill(server.pid(), SIGSTOP);
  const auto begun = std::chrono::steady_clock::now();
  BOOST_TEST(int(error_of_apply(*store, heartbeat(pair, 0, 0, 1000))) ==
             int(storage_error::unavailable));
  BOOST_TEST(std::chrono::steady_clock::now() - begun < std::chrono::seconds(4));
  ::kill(server.pid(), SIGCONT);
  // Whether the first one took effect was unknown: it may be credited or a duplicate now.
  const auto again = apply_one(*store, heartbeat(pair, 0, 0, 1000));
  BOOST_TEST(again.outcome.now.covered_ms == 1000);
}

BOOST_AUTO_TEST_CASE(the_settings_say_what_an_answer_is_worth) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto durability = [&] { return int(must(store->health()).durability); };
  BOOST_TEST(durability() == int(durability_level::log));
  BOOST_TEST(must(store->health()).description.ends_with("appendonly yes, appendfsync everysec"));
  server.command({"CONFIG", "SET", "appendfsync", "always"});
  BOOST_TEST(durability() == int(durability_level::fsync));
  server.command({"CONFIG", "SET", "no-appendfsync-on-rewrite", "yes"});
  BOOST_TEST(durability() == int(durability_level::log));
  server.command({"CONFIG", "SET", "appendonly", "no"});
  BOOST_TEST(durability() == int(durability_level::memory));
  server.command({"CONFIG", "SET", "appendonly", "yes"});
  server.command({"CONFIG", "SET", "no-appendfsync-on-rewrite", "no"});
  // What may be thrown away is not in a log either.
  server.command({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
  BOOST_TEST(durability() == int(durability_level::fsync));  // without a limit nothing is
  server.command({"CONFIG", "SET", "maxmemory", "1gb"});
  BOOST_TEST(durability() == int(durability_level::memory));
  BOOST_TEST(must(store->health()).description.find("maxmemory-policy allkeys-lru") !=
             std::string::npos);
  server.command({"CONFIG", "SET", "maxmemory-policy", "volatile-lru"});
  BOOST_TEST(durability() == int(durability_level::fsync));
  BOOST_TEST(must(store->health()).description.find("replay windows") != std::string::npos);
  server.command({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  BOOST_TEST(durability() == int(durability_level::fsync));
  server.command({"CONFIG", "SET", "appendfsync", "everysec"});
  // As managed services have it.
  server.command({"ACL", "SETUSER", "gateway", "on", ">secret", "~wk:*", "+@all", "-config"});
  const auto limited = make_redis_store("redis+unix://gateway:secret@" + server.socket());
  const auto health = must(limited->health());
  BOOST_TEST(int(health.durability) == int(durability_level::log));
  BOOST_TEST(health.description.ends_with("appendfsync not told"));
  const auto stranger = make_redis_store("redis+unix://gateway:wrong@" + server.socket());
  const auto refused = stranger->health();
  BOOST_REQUIRE(!refused.has_value());
  BOOST_TEST(int(refused.error().code) == int(storage_error::unavailable));
  BOOST_TEST(refused.error().detail.find("wrong@") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_corrupt_pair_fails_alone) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto sick = pair_of("ada", "m1");
  const auto well = pair_of("bob", "m1");
  create(*store, {sick, well});
  std::vector<hot_request> both{heartbeat(sick, 0, 0, 1000), heartbeat(well, 0, 0, 1000)};
  both[1].credit.device = kid_of(2);
  apply_one(*store, both[0]);
  const auto key = key_of("progress", sick);
  const std::string intact = server.command({"GET", key});
  const auto student = key_of("student", sick);
  const std::string bucket = server.command({"GET", student});
  BOOST_REQUIRE_EQUAL(intact.size(), 111u);
  const auto with_count = [&](char windows) {
    return intact.substr(0, 78) + std::string(1, windows) + intact.substr(79);
  };
  // Each is repaired before the next.
  const std::vector<std::vector<std::string>> damages{
      {"SET", key, "short"},
      {"SET", key, intact.substr(0, 78)},
      {"SET", key, intact + "not eight"},
      {"SET", key, intact.substr(0, 85)},
      {"SET", key, with_count(5)},
      {"SET", key, with_count(2)},
      {"HSET", key, "of", "another type"},
      {"SET", key, ""},
      {"SET", student, ""},
      {"SET", student, "three"},
      {"LPUSH", student, "of another type"},
      {"LPUSH", session_key_of(sick, "0b10d9fe6383a3"), "of another type"},
      {"SET", session_key_of(sick, "0b10d9fe6383a3"), "short"},
  };
  std::uint32_t sequence = 1;
  for (const auto& damage : damages) {
    BOOST_TEST_CONTEXT(damage[0] << " " << damage[1] << " " << hex(damage[2])) {
      server.command({"SET", key, intact});
      server.command({"SET", student, bucket});
      server.command({"DEL", damage[1]});
      server.command(damage);
      const auto dump = server.command({"DUMP", damage[1]});
      both[0].credit.sequence = both[1].credit.sequence = sequence++;
      // Another session than that of the pair's window: its own key is looked at.
      both[0].credit.session = id_of<session_id>("other");
      const auto applied = must(store->apply(both));
      BOOST_TEST(int(applied[0].state) == int(applied_state::failed));
      BOOST_TEST(int(applied[1].state) == int(applied_state::done));
      BOOST_TEST(int(error_of_apply(*store, both[0])) == int(storage_error::corrupt));
      if (damage[1] == key) check_value_is_corrupt(*store, sick, well, both);
      BOOST_TEST(server.command({"DUMP", damage[1]}) == dump);  // left as it was
    }
  }
}

BOOST_AUTO_TEST_CASE(pieces_out_of_order_and_a_wrong_length_are_corrupt) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  apply_one(*store, heartbeat(pair, 0, 0, 1000));
  const auto key = key_of("progress", pair);
  const auto head = server.command({"GET", key}).substr(0, 79);
  for (const auto& coverage :
       {std::string("\0\0\x27\x10\0\0\x27\x11\0\0\0\0\0\0\0\1", 16), std::string()}) {
    server.command({"SET", key, head + coverage});
    check_read_is_corrupt(*store, pair);
  }
}

BOOST_AUTO_TEST_CASE(a_student_of_a_foreign_type_keeps_no_other_pair_from_being_merged) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const std::vector<pair_progress> states{{pair_of("ada", "m1"), {}}, {pair_of("bob", "m1"), {}}};
  server.command({"LPUSH", key_of("student", states[0].key), "of another type"});
  const auto merged = store->merge(states, merge_origin::ledger);
  BOOST_REQUIRE(!merged.has_value());
  BOOST_TEST(int(merged.error().code) == int(storage_error::corrupt));
  BOOST_TEST(!must(store->read(std::span(&states[0].key, 1))).at(0).has_value());
  BOOST_TEST(must(store->read(std::span(&states[1].key, 1))).at(0).has_value());
}

BOOST_AUTO_TEST_CASE(a_checkpoint_leaves_out_what_is_corrupt) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto sick = pair_of("ada", "m1");
  const auto well = pair_of("ada", "m2");
  create(*store, {sick, well});
  const auto partition = partition_of(sick.student);
  apply_one(*store, heartbeat(sick, 0, 0, 1000));
  auto other = heartbeat(well, 0, 0, 1000);
  other.credit.session = id_of<session_id>("other");
  apply_one(*store, other);
  server.command({"DEL", key_of("progress", sick)});
  server.command({"LPUSH", key_of("progress", sick), "of another type"});
  const auto dirty = must(store->read_dirty(partition, 10));
  BOOST_REQUIRE_EQUAL(dirty.pairs.size(), 1u);
  BOOST_TEST(text_of(dirty.pairs[0].key) == "ada/m2");
  BOOST_REQUIRE_EQUAL(dirty.unreadable.size(), 1u);
  BOOST_TEST(dirty.unreadable[0] == key_of("progress", sick));
  must(store->mark_clean(partition, dirty.pairs));
  BOOST_TEST(server.command({"SMEMBERS", key_of("dirty", sick)}) == "ada/m1\n");
  // The mark is off: the next change marks again.
  other.credit.sequence = 1;
  apply_one(*store, other);
  BOOST_TEST(must(store->dirty_count()) == 2u);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_leaves_out_a_dirty_mark_that_names_no_pair_of_the_partition) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  apply_one(*store, heartbeat(pair, 0, 0, 1000));
  BOOST_REQUIRE(partition_of(id_of<student_id>("bob")) != partition_of(pair.student));
  server.command({"SADD", key_of("dirty", pair), "no pair", "bob/m1"});
  const auto dirty = must(store->read_dirty(partition_of(pair.student), 10));
  BOOST_REQUIRE_EQUAL(dirty.pairs.size(), 1u);
  BOOST_TEST(dirty.unreadable.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_call_that_fails_leaves_the_others_of_its_batch_done) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto sick = pair_of("ada", "m1");
  const auto well = pair_of("bob", "m1");
  BOOST_REQUIRE(partition_of(sick.student) != partition_of(well.student));
  create(*store, {sick, well});
  server.command({"SET", key_of("dirty", sick), "of another type"});
  std::vector<hot_request> requests;
  for (std::uint32_t sn = 0; sn < 64; ++sn) requests.push_back(heartbeat(sick, sn, 0, 100));
  requests.push_back(heartbeat(well, 0, 0, 1000));
  requests.back().credit.device = kid_of(2);
  const auto applied = must(store->apply(requests));
  BOOST_TEST(int(applied[0].state) == int(applied_state::failed));
  BOOST_TEST(int(applied[63].state) == int(applied_state::failed));
  BOOST_TEST(int(applied[64].state) == int(applied_state::done));
  BOOST_TEST(must(store->read(std::span(&sick, 1))).at(0)->covered.empty());
}

BOOST_AUTO_TEST_CASE(a_dirty_mark_without_its_pair_is_dropped) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  apply_one(*store, heartbeat(pair, 0, 0, 1000));
  server.command({"DEL", key_of("progress", pair)});
  BOOST_TEST(must(store->read_dirty(partition_of(pair.student), 10)).pairs.empty());
  BOOST_TEST(must(store->dirty_count()) == 0u);
}

BOOST_AUTO_TEST_CASE(urls) {
  const auto show = [](std::string_view text) {
    const auto url = parse_redis_url(text);
    return url ? fmt::format("{} {} {} {} {} {}", url->host, url->port, url->socket_path, url->user,
                             url->password, url->database)
               : std::string("none");
  };
  BOOST_TEST(show("redis://localhost") == "localhost 6379    0");
  BOOST_TEST(show("redis://u:p%40w@cache.example:7000/3") == "cache.example 7000  u p@w 3");
  BOOST_TEST(show("redis://:pw@[::1]:6380/") == "::1 6380   pw 0");
  BOOST_TEST(show("redis+unix:///run/redis.sock") == " 6379 /run/redis.sock   0");
  BOOST_TEST(show("redis+unix://u:pw@/run/redis.sock?db=2") == " 6379 /run/redis.sock u pw 2");
  for (const auto* const wrong :
       {"", "redis:", "redis://", "http://localhost", "redis://localhost:0", "redis://localhost:x",
        "redis://localhost:70000", "redis://localhost/x", "redis://u@localhost", "redis://[::1",
        "redis+unix://relative", "redis+unix:///", "redis+unix:///s?database=1",
        "redis://u:%zz@localhost", "redis://h/99999999"})
    BOOST_TEST(show(wrong) == "none", wrong);
  BOOST_TEST(make_redis_store("localhost:6379") == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
