// What is particular to taking pairs out of Redis (wk_take_out).
#include <boost/test/unit_test.hpp>

#include "storage/redis/library.hpp"
#include "storage/redis/redis_limits.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/changed_library.hpp"
#include "tests/storage/redis/redis_server.hpp"
#include "tests/storage/redis/stored_keys.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

namespace {

std::vector<pair_key> many_pairs_of(std::string_view student, std::size_t count) {
  std::vector<pair_key> pairs;
  for (std::size_t i = 0; i < count; ++i) pairs.push_back(pair_of(student, fmt::format("m{}", i)));
  return pairs;
}

std::string pairs_left(redis_server& server) {
  return server.command({"KEYS", "wk:*progress:*"});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(redis_removal)

BOOST_AUTO_TEST_CASE(an_epoch_ends_though_others_change_the_student_in_between) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pairs = many_pairs_of("ada", redis_limits::take_out_pairs_max + 1);
  create(*store, pairs);
  // Every other call finds something else than what was read.
  server.command(
      {"FUNCTION", "LOAD", "REPLACE",
       with_first_line(std::string(redis_library_source), "take_out",
                       "if redis.call('INCR', keys[1] .. '-test') % 2 == 1 then return 0 end")});
  must(store->end_epochs_below(pairs[0].student, 2, some_time_ms));
  BOOST_TEST(pairs_left(server) == "");
  BOOST_TEST(server.command({"GET", key_of("student", pairs[0]) + "-test"}) == "6");
  BOOST_TEST(server.command({"EXISTS", key_of("pairs", pairs[0]), key_of("dirty", pairs[0])}) ==
             "0");
  BOOST_TEST(must(store->find_student(pairs[0].student, some_time_ms)).epoch == 2u);
}

BOOST_AUTO_TEST_CASE(what_nobody_can_read_goes_with_the_epoch) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pairs = many_pairs_of("ada", 5);
  create(*store, pairs);
  apply_one(*store, heartbeat(pairs[0], 0, 0, 1000));
  server.command({"DEL", key_of("progress", pairs[1]), key_of("progress", pairs[2])});
  server.command({"LPUSH", key_of("progress", pairs[1]), "of another type"});
  server.command({"SET", key_of("progress", pairs[3]), "short"});
  server.command({"APPEND", key_of("progress", pairs[4]), "and more"});
  server.command({"DEL", key_of("student", pairs[0])});
  server.command({"LPUSH", key_of("student", pairs[0]), "of another type"});
  must(store->end_epochs_below(pairs[0].student, 2, some_time_ms));
  BOOST_TEST(pairs_left(server) == "");
  BOOST_TEST(must(store->find_student(pairs[0].student, some_time_ms)).epoch == 2u);
  BOOST_TEST(server.command({"EXISTS", key_of("pairs", pairs[0])}) == "0");
}

BOOST_AUTO_TEST_CASE(windows_that_have_ended_go_with_their_pair) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  apply_one(*store, heartbeat(pair, 0, 0, 1000));
  const auto session = session_key_of(pair, "0acc63017b638e");
  server.command({"DEL", session});
  const auto ended_ms = some_time_ms + storage_limits::session_ttl_ms;
  must(store->end_epochs_below(pair.student, 2, ended_ms));
  BOOST_TEST(server.command({"EXISTS", session}) == "0");
  pair_progress anew{pair, blank()};
  anew.state.life.epoch = 2;
  must(store->merge(std::span(&anew, 1), merge_origin::ledger));
  auto beat = heartbeat(pair, 1, 0, 1000);
  beat.credit.epoch = 2;
  apply_one(*store, beat);
  server.command({"DEL", session});
  must(store->end_epochs_below(pair.student, 3, some_time_ms + 1));
  BOOST_TEST(server.command({"EXISTS", session}) == "1");
}

BOOST_AUTO_TEST_CASE(a_student_idle_for_a_day_has_no_epoch_for_the_next_to_pass) {
  redis_server server;
  const auto store = make_redis_store(server.url());
  const auto pair = pair_of("ada", "m1");
  pair_progress begun{pair, blank()};
  begun.state.life.epoch = 7;
  must(store->merge(std::span(&begun, 1), merge_origin::ledger));
  auto beat = heartbeat(pair, 0, 0, 1000);
  beat.credit.epoch = 7;
  apply_one(*store, beat);
  must(store->end_epochs_below(pair.student, 5, some_time_ms + 1000));
  BOOST_TEST(must(store->find_student(pair.student, some_time_ms + 1000)).epoch == 7u);
  const auto next_day_ms = some_time_ms + storage_limits::student_ttl_ms;
  BOOST_TEST(must(store->find_student(pair.student, next_day_ms)).epoch == 0u);
  must(store->end_epochs_below(pair.student, 5, next_day_ms));
  BOOST_TEST(must(store->find_student(pair.student, next_day_ms)).epoch == 5u);
  BOOST_TEST(must(store->read(std::span(&pair, 1))).at(0).has_value());  // of a higher epoch
}

BOOST_AUTO_TEST_SUITE_END()
