// A Redis of the format before, which knew no lives, is brought along; one of another is refused.
#include <fmt/format.h>

#include <boost/test/unit_test.hpp>

#include "storage/byte_codec.hpp"
#include "storage/redis/library.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/redis_server.hpp"
#include "tests/storage/redis/stored_keys.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

namespace {

/// A pair with its first 9 s covered, as format 3 has it; with the mark, it is in the dirty set.
std::string pair_of_format_3(bool marked) {
  std::string value;
  byte_writer put(value);
  put.u8(0x83), put.u8(marked), put.u64(17);
  put.u32(9'000), put.u32(600'000), put.u32(9'000), put.i64(9'000);
  for (int i = 0; i < 3; ++i) put.i64(i < 2 ? some_time_ms.value() : 0);
  put.u8(0), put.u32(0), put.u32(9'000);
  return value;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(redis_formats)

/// As a gateway of format 3 has left it: the values keep what they say, in the first life.
BOOST_AUTO_TEST_CASE(a_redis_of_format_3_is_brought_along) {
  redis_server server;
  const auto pair = pair_of("ada", "m1");
  const auto erased = pair_of("bob", "m1");
  const auto value = pair_of_format_3(true);
  std::string student;
  {
    byte_writer put_student(student);
    put_student.u8(0x83), put_student.u8(0), put_student.u64(18);
    put_student.i64(5'000'000), put_student.i64(some_time_ms.value());
  }
  server.command({"HSET", "wk:deployment", "partitions", "256", "format", "3", "incarnation", "x"});
  server.command({"SET", key_of("progress", pair), value});
  server.command({"SADD", key_of("dirty", pair), "ada/m1"});
  server.command({"SADD", key_of("pairs", pair), "m1"});
  server.command({"SET", key_of("student", pair), student});
  server.command({"SET", key_of("student", erased), "erased"});

  const auto look = [&] { return must(look_at_redis_store(server.url())); };
  BOOST_TEST(
      look().at_start ==
      fmt::format("its format becomes 4 instead of 3; its function library becomes version {}",
                  redis_library_version));
  BOOST_TEST(server.command({"HGET", "wk:deployment", "format"}) == "3");
  const auto store = make_redis_store(server.url());
  const auto dirty = must(store->read_dirty(partition_of(pair.student), 10)).pairs;
  BOOST_REQUIRE_EQUAL(dirty.size(), 1u);
  BOOST_TEST(dirty[0].state.life.epoch == 1u);
  BOOST_TEST(server.command({"HGET", "wk:deployment", "format"}) == "4");
  BOOST_TEST(look().at_start.empty());
  // Not compared with the ledger in this format.
  BOOST_TEST(int(apply_one(*store, heartbeat(pair, 0, 9'000, 10'000)).state) ==
             int(applied_state::not_compared));
  create(*store, {pair});
  const auto applied = apply_one(*store, heartbeat(pair, 0, 9'000, 10'000));
  BOOST_TEST(applied.outcome.now.covered_ms == 10'000);
  BOOST_TEST(hex(server.command({"GET", key_of("progress", pair)}).substr(0, 1)) == "84");
  BOOST_TEST(hex(server.command({"GET", key_of("student", pair)}).substr(0, 1)) == "84");
  // Who was erased is in the second epoch, at least.
  BOOST_TEST(must(store->find_student(erased.student, some_time_ms)).epoch == 2u);
  BOOST_TEST(int(apply_one(*store, heartbeat(erased, 0, 0, 1'000)).outcome.why) ==
             int(problem::unknown_device));
  const pair_progress anew{erased, blank_progress({.epoch = 7, .begins_ms = never})};
  must(store->merge(std::span(&anew, 1), merge_origin::ledger));
  auto request = heartbeat(erased, 0, 0, 1'000);
  request.credit.epoch = 7;
  BOOST_TEST(int(apply_one(*store, request).outcome.status) == int(credit_status::credited));
  BOOST_TEST(must(store->find_student(erased.student, some_time_ms)).epoch == 7u);
  // An erasure removes values of both formats.
  server.command({"SET", key_of("progress", pair), value});
  must(store->end_epochs_below(pair.student, 2, some_time_ms));
  BOOST_TEST(server.command({"EXISTS", key_of("progress", pair)}) == "0");
}

/// Clean ones, which nobody plays any more: all of them are there for the ledger that asks.
BOOST_AUTO_TEST_CASE(a_hundred_thousand_pairs_of_format_3_are_brought_along) {
  constexpr int students = 1'000, modules_each = 100;
  redis_server server;
  const auto value = pair_of_format_3(false);
  for (int s = 0; s < students; ++s) {
    std::vector<std::string> values{"MSET"};
    std::vector<std::string> modules{"SADD", ""};
    for (int m = 0; m < modules_each; ++m) {
      const auto pair = pair_of(fmt::format("s{}", s), fmt::format("m{}", m));
      values.push_back(key_of("progress", pair));
      values.push_back(value);
      modules[1] = key_of("pairs", pair);
      modules.emplace_back(pair.module.view());
    }
    server.command(values);
    server.command(modules);
  }
  server.command({"HSET", "wk:deployment", "partitions", "256", "format", "3", "incarnation", "x"});

  const auto store = make_redis_store(server.url());
  std::string cursor;
  do cursor = must(store->mark_all_dirty(cursor));
  while (!cursor.empty());
  BOOST_TEST(must(store->dirty_count()) == std::uint64_t{students * modules_each});
  std::size_t found = 0, wrong = 0;
  for (std::uint32_t p = 0; p < limits::partitions; ++p)
    while (true) {
      const auto partition = static_cast<partition_index>(p);
      const auto dirty =
          must(store->read_dirty(partition, storage_limits::checkpoint_batch_pairs_max));
      if (dirty.size() == 0) break;
      BOOST_REQUIRE(dirty.unreadable.empty());
      found += dirty.pairs.size();
      for (const auto& [key, state, version] : dirty.pairs)
        wrong += state.life != life_number{1, 1} || state.covered.covered_ms() != 9'000;
      must(store->mark_clean(partition, dirty.pairs));
    }
  BOOST_TEST(found == std::size_t{students * modules_each});
  BOOST_TEST(wrong == 0u);
}

/// A gateway of format 3 that is connected goes on calling the functions of its library.
BOOST_AUTO_TEST_CASE(the_functions_of_format_3_are_gone) {
  redis_server server;
  const std::vector<std::string> writing{"cas", "erase", "readmit"};
  std::string library = "#!lua name=watchkeeper\n";
  for (const auto& name : writing)
    library +=
        "redis.register_function('wk_" + name +
        "', function(keys) return redis.call('SET', keys[1], 'of a gateway of before') end)\n";
  library += "redis.register_function('wk_version', function() return 6 end)\n";
  server.command({"FUNCTION", "LOAD", library});
  server.command({"HSET", "wk:deployment", "partitions", "256", "format", "3", "incarnation", "x"});
  const auto pair = pair_of("ada", "m1");
  const auto key = key_of("progress", pair);
  BOOST_TEST(server.command({"FCALL", "wk_" + writing[0], "1", key}) == "OK");
  server.command({"DEL", key});

  const auto store = make_redis_store(server.url());
  create(*store, {pair});
  apply_one(*store, heartbeat(pair, 0, 0, 10'000));
  const auto value = server.command({"GET", key});
  for (const auto& name : writing)
    BOOST_TEST(server.command({"FCALL", "wk_" + name, "1", key}).find("Function not found") !=
               std::string::npos);
  BOOST_TEST(server.command({"GET", key}) == value);
  // It looks at these two before it does anything else, and refuses both.
  BOOST_TEST(std::stoi(server.command({"FCALL", "wk_version", "0"})) > 6);
  BOOST_TEST(server.command({"HGET", "wk:deployment", "format"}) == "4");
}

BOOST_AUTO_TEST_CASE(another_deployment_is_refused) {
  redis_server server;
  const auto pair = pair_of("ada", "m1");
  const std::vector<std::pair<std::string, std::string>> others{
      {"128", "4"}, {"128", "3"}, {"256", "2"}, {"256", "5"}};
  for (const auto& [partitions, format] : others) {
    server.command({"HSET", "wk:deployment", "partitions", partitions, "format", format});
    BOOST_TEST(int(error_of_apply(*make_redis_store(server.url()), heartbeat(pair, 0, 0, 1000))) ==
               int(storage_error::mismatch));
    const auto look = look_at_redis_store(server.url());
    BOOST_TEST(!look.has_value());
  }
}

BOOST_AUTO_TEST_SUITE_END()
