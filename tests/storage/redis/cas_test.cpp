// The gateway decides and Redis compares and writes (wk_swap): whatever the gateway's memory of
// Redis is worth, the results are those of the model, and a heartbeat of a session in use is one
// call.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <map>
#include <random>

#include "storage/redis/library.hpp"
#include "storage/redis/store.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/changed_library.hpp"
#include "tests/storage/redis/redis_server.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

namespace {

std::string progress_key(const pair_key& pair) {
  return fmt::format("wk:{{p{}}}:progress:{}", partition_of(pair.student), text_of(pair));
}

/// Two gateways on one Redis; the second one can remember little.
struct two_gateways {
  redis_server server;
  redis_store first{*parse_redis_url(server.url())};
  redis_store second{*parse_redis_url(server.url()),
                     {.cached_students_max = 3, .cached_bytes_max = 400}};

  long long calls(std::string_view function_name) {
    // The slow log names what was called, with all its keys: with a threshold of 0, everything.
    const auto log = server.command({"SLOWLOG", "GET", "-1"});
    long long count = 0;
    for (auto at = log.find(function_name); at != std::string::npos;
         at = log.find(function_name, at + 1))
      ++count;
    return count;
  }
  void watch_calls() {
    server.command({"CONFIG", "SET", "slowlog-max-len", "100000"});
    server.command({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
    server.command({"SLOWLOG", "RESET"});
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(redis_cas_suite)

BOOST_AUTO_TEST_CASE(a_heartbeat_in_the_midst_of_a_session_is_one_call_of_wk_swap) {
  two_gateways w;
  const auto pair = pair_of("ada", "m1");
  create(w.first, {pair});
  apply_one(w.first, heartbeat(pair, 0, 0, 1000));  // the session's first: its key is read
  w.watch_calls();
  for (std::uint32_t sn = 1; sn <= 20; ++sn) {
    const auto from = static_cast<media_ms>(sn) * 1000;
    const auto applied = apply_one(w.first, heartbeat(pair, sn, from, from + 1000));
    BOOST_TEST(applied.outcome.now.covered_ms == from + 1000);
  }
  // Five of a device that had kept them: one write.
  std::vector<hot_request> kept;
  for (std::uint32_t sn = 21; sn <= 25; ++sn)
    kept.push_back(heartbeat(pair, sn, static_cast<media_ms>(sn) * 1000,
                             static_cast<media_ms>(sn) * 1000 + 1000));
  BOOST_TEST(must(w.first.apply(kept)).back().outcome.now.covered_ms == 26'000);
  // Of a client, with its address; the log has what a function calls without one, and the reset.
  BOOST_TEST(w.calls("redis.sock:0") == 21 + 1);
  BOOST_TEST(w.calls("wk_swap") == 21);
}

/// Heartbeats as they come: mostly one module a student, mostly forward, at times from a session
/// that is new or old or bound to another module.
class random_heartbeats {
 public:
  explicit random_heartbeats(std::uint64_t seed) : random_(seed) {
    for (const auto* student : {"a", "a:b", "student-3", "d", "e", "f"})
      for (const auto* module : {"m", "b:m"}) pairs.push_back(pair_of(student, module));
  }

  std::size_t below(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
  }
  std::vector<hot_request> some() {
    now_ms_ += static_cast<std::int64_t>(below(4'000));
    std::vector<hot_request> requests(1 + below(12));
    for (auto& request : requests) request = one();
    return requests;
  }

  std::vector<pair_key> pairs;
  std::map<student_id, std::uint32_t> epochs;  // 1 where there is none

 private:
  hot_request one() {
    const auto& pair = pairs[below(6) * 2 + (below(12) == 0 ? 1 : 0)];
    const auto session =
        below(30) == 0 ? std::string("shared")
                       : fmt::format("s{}-{}", below(8) == 0 ? below(6) : 0, pair.module.view());
    auto& next = next_sequence_[text_of(pair) + session];
    const auto sequence =
        below(8) == 0 && next > 0 ? next - 1 - std::uint32_t(below(next) / 2) : next++;
    const auto from = static_cast<media_ms>(below(3) == 0 ? below(500'000) : sequence * 2'000);
    auto request = heartbeat(pair, sequence, from, from + 1 + static_cast<media_ms>(below(2'000)),
                             now_ms_ + static_cast<std::int64_t>(below(50)));
    request.credit.session = id_of<session_id>(session);
    if (const auto found = epochs.find(pair.student); found != epochs.end())
      request.credit.epoch = found->second;
    // A device belongs to one student.
    request.credit.device = kid_of(static_cast<std::uint8_t>(pair.student.view().back()));
    request.want_coverage = below(4) == 0;
    return request;
  }

  std::mt19937_64 random_;
  wall_ms now_ms_ = some_time_ms;
  std::map<std::string, std::uint32_t> next_sequence_;
};

BOOST_AUTO_TEST_CASE(two_gateways_that_remember_answer_as_the_model) {
  two_gateways w;
  random_heartbeats play(seed_or(20'251'124));
  const auto model = make_memory_store();
  create(w.first, play.pairs);
  create(*model, play.pairs);
  w.watch_calls();
  for (int round = 0; round < 400; ++round) {
    const auto requests = play.some();
    auto& gateway = play.below(3) == 0 ? w.second : w.first;
    const auto got = must(gateway.apply(requests));
    const auto expected = must(model->apply(requests));
    for (std::size_t i = 0; i < got.size(); ++i)
      BOOST_REQUIRE_EQUAL(text_of(got[i]), text_of(expected[i]));
    if (play.below(5) == 0) {  // a checkpoint of some
      const auto partition = partition_of(play.pairs[play.below(play.pairs.size())].student);
      must(gateway.mark_clean(partition, must(gateway.read_dirty(partition, 100)).pairs));
      must(model->mark_clean(partition, must(model->read_dirty(partition, 100)).pairs));
    }
    if (play.below(40) != 0) continue;
    const auto student = play.pairs[play.below(play.pairs.size())].student;
    play.epochs.try_emplace(student, 1u);
    for (hot_store* store : {static_cast<hot_store*>(&gateway), model.get()}) {
      must(store->end_epochs_below(student, play.epochs[student] + 1, some_time_ms));
      for (const auto& pair : play.pairs) {
        const pair_progress anew{
            pair, blank_progress({.epoch = play.epochs[student] + 1, .begins_ms = never})};
        if (pair.student == student) must(store->merge(std::span(&anew, 1), merge_origin::ledger));
      }
    }
    ++play.epochs[student];
  }
  BOOST_TEST(must(w.first.dirty_count()) == must(model->dirty_count()));
  const auto stored_pairs = must(w.first.read(play.pairs));
  const auto expected = must(model->read(play.pairs));
  for (std::size_t i = 0; i < play.pairs.size(); ++i)
    BOOST_TEST(text_of(*stored_pairs[i]) == text_of(*expected[i]));
  BOOST_TEST(w.calls("wk_swap") > 100);
}

BOOST_AUTO_TEST_CASE(what_another_gateway_wrote_is_not_overwritten) {
  two_gateways w;
  redis_store other(*parse_redis_url(w.server.url()));
  const auto pair = pair_of("ada", "m1");
  const auto bob = pair_of("bob", "m1");
  create(w.first, {pair, bob});
  apply_one(w.first, heartbeat(pair, 0, 0, 1000));
  apply_one(w.first, heartbeat(bob, 0, 0, 1000));
  apply_one(other, heartbeat(pair, 1, 5000, 6000));
  // Of a batch only the student who was met elsewhere is read and decided anew.
  w.watch_calls();
  const auto applied = must(w.first.apply(std::vector<hot_request>{heartbeat(pair, 1, 5000, 6000),
                                                                   heartbeat(pair, 2, 6000, 7000),
                                                                   heartbeat(bob, 1, 1000, 2000)}));
  BOOST_TEST(int(applied[0].outcome.status) == int(credit_status::duplicate));
  BOOST_TEST(applied[1].outcome.now.covered_ms == 3000);
  BOOST_TEST(applied[2].outcome.now.covered_ms == 2000);
  BOOST_TEST(w.calls("wk_swap") == 2);
  BOOST_TEST(w.calls("EXISTS") == 0);  // the reply says what Redis has instead
}

BOOST_AUTO_TEST_CASE(a_redis_that_went_back_in_time_is_not_believed_to_be_ahead) {
  two_gateways w;
  const auto pair = pair_of("ada", "m1");
  create(w.first, {pair});
  apply_one(w.first, heartbeat(pair, 0, 0, 1000));
  const auto key = progress_key(pair);
  const auto older = w.server.command({"GET", key});
  apply_one(w.first, heartbeat(pair, 1, 1000, 2000));
  // Lost, and other credit came instead.
  w.server.command({"SET", key, older});
  redis_store other(*parse_redis_url(w.server.url()));
  apply_one(other, heartbeat(pair, 1, 7000, 8000));
  const auto applied = apply_one(w.first, heartbeat(pair, 2, 2000, 3000));
  BOOST_TEST(applied.outcome.now.covered_ms == 3000);
  const auto found = must(w.first.read(std::span(&pair, 1))).at(0);
  BOOST_TEST(text_of(found->covered) == "[0,1000)[2000,3000)[7000,8000)");

  // And with the connection lost: a log that ends earlier.
  w.server.command({"SET", key, older});
  w.server.kill();
  w.server.start();
  BOOST_TEST(int(apply_one(w.first, heartbeat(pair, 1, 1000, 2000)).state) ==
             int(applied_state::not_compared));  // the ledger may know of a reset
  create(w.first, {pair});
  BOOST_TEST(apply_one(w.first, heartbeat(pair, 1, 1000, 2000)).outcome.now.covered_ms == 2000);
  BOOST_TEST(int(apply_one(w.first, heartbeat(pair, 1, 1000, 2000)).outcome.status) ==
             int(credit_status::duplicate));
}

BOOST_DATA_TEST_CASE(an_erased_student_earns_nothing_from_what_is_remembered,
                     boost::unit_test::data::make({false, true}), is_told) {
  two_gateways w;
  redis_store other(*parse_redis_url(w.server.url()));
  const auto pair = pair_of("ada", "m1");
  create(w.first, {pair});
  apply_one(w.first, heartbeat(pair, 0, 0, 1000));
  must(other.end_epochs_below(pair.student, 2, some_time_ms));
  if (is_told) {
    BOOST_TEST(w.first.remembered_students() == 1u);
    w.first.forget_copies(pair.student);
    BOOST_TEST(w.first.remembered_students() == 0u);
  }
  BOOST_TEST(int(apply_one(w.first, heartbeat(pair, 1, 1000, 2000)).outcome.why) ==
             int(problem::unknown_device));
  auto anew = heartbeat(pair, 1, 1000, 2000);
  anew.credit.epoch = 2;
  BOOST_TEST(int(apply_one(w.first, anew).state) == int(applied_state::pair_missing));
}

BOOST_AUTO_TEST_CASE(a_checkpoint_in_between_is_no_difference_and_the_mark_comes_back) {
  two_gateways w;
  const auto pair = pair_of("ada", "m1");
  const auto partition = partition_of(pair.student);
  create(w.first, {pair});
  apply_one(w.first, heartbeat(pair, 0, 0, 1000));
  w.watch_calls();
  for (std::uint32_t sn = 1; sn < 10; ++sn) {
    must(w.first.mark_clean(partition, must(w.first.read_dirty(partition, 10)).pairs));
    BOOST_TEST(must(w.first.dirty_count()) == 0u);
    apply_one(w.first, heartbeat(pair, sn, static_cast<media_ms>(sn) * 1000,
                                 static_cast<media_ms>(sn) * 1000 + 1000));
    BOOST_TEST(must(w.first.dirty_count()) == 1u);
  }
  BOOST_TEST(w.calls("EXISTS") == 0);
  // A set that lost its member has it back at one change of 16, chosen by chance: after 400, it
  // is missing still in one run of 10^11.
  w.server.command({"DEL", fmt::format("wk:{{p{}}}:dirty", partition)});
  for (std::uint32_t sn = 10; sn < 410; ++sn)
    apply_one(w.first, heartbeat(pair, sn, static_cast<media_ms>(sn) * 100,
                                 static_cast<media_ms>(sn) * 100 + 100));
  BOOST_TEST(must(w.first.dirty_count()) == 1u);
}

BOOST_AUTO_TEST_CASE(a_dirty_set_of_a_foreign_type_fails_the_pairs_of_its_partition_alone) {
  two_gateways w;
  const auto pair = pair_of("ada", "m1");
  const auto partition = partition_of(pair.student);
  create(w.first, {pair});
  apply_one(w.first, heartbeat(pair, 0, 0, 1000));
  must(w.first.mark_clean(partition, must(w.first.read_dirty(partition, 10)).pairs));
  const auto dirty = fmt::format("wk:{{p{}}}:dirty", partition);
  w.server.command({"SET", dirty, "foreign"});
  const auto other = pair_of("bob", "m1");
  BOOST_REQUIRE(partition_of(other.student) != partition);
  create(w.first, {other});
  const auto both = must(w.first.apply(
      std::vector<hot_request>{heartbeat(pair, 1, 1000, 2000), heartbeat(other, 0, 0, 1000)}));
  BOOST_TEST(int(both[0].state) == int(applied_state::failed));
  BOOST_TEST(int(both[1].state) == int(applied_state::done));
  const auto before = w.server.command({"GET", progress_key(pair)});
  BOOST_TEST(int(error_of_apply(w.first, heartbeat(pair, 1, 1000, 2000))) ==
             int(storage_error::corrupt));
  BOOST_TEST(w.server.command({"GET", progress_key(pair)}) == before);
  w.server.command({"DEL", dirty});
  BOOST_TEST(apply_one(w.first, heartbeat(pair, 1, 1000, 2000)).outcome.now.covered_ms == 2000);
}

/// A Redis that another gateway changes between each look-up and each write.
BOOST_AUTO_TEST_CASE(a_student_whom_others_keep_changing_fails_after_a_bounded_number_of_tries) {
  two_gateways w;
  const auto pair = pair_of("ada", "m1");
  create(w.first, {pair});
  // A function library that misses everything stands in for the others.
  auto source = std::string(redis_library_source);
  source =
      with_first_line(std::move(source), "compare_and_swap", "if args then return { '\\1' } end");
  source = with_first_line(std::move(source), "take_out", "if args then return 0 end");
  w.server.command({"FUNCTION", "LOAD", "REPLACE", source});
  w.watch_calls();
  BOOST_TEST(int(error_of_apply(w.first, heartbeat(pair, 0, 0, 1000))) ==
             int(storage_error::contended));
  BOOST_TEST(w.calls("wk_swap") == redis_limits::cas_misses_max);
  const auto ended = w.first.end_epochs_below(pair.student, 2, some_time_ms);
  BOOST_REQUIRE(!ended);
  BOOST_TEST(int(ended.error().code) == int(storage_error::contended));
  BOOST_TEST(w.calls("wk_take_out") == redis_limits::cas_misses_max);
}

BOOST_AUTO_TEST_CASE(the_cache_keeps_to_its_limits) {
  const auto value = [](std::size_t bytes) {
    return cached_values{std::string(bytes, 'p'), std::string(16, 'b')};
  };
  cas_cache cache(3, 400);
  const auto a = pair_of("a", "m"), b = pair_of("b", "m"), c = pair_of("c", "m"),
             d = pair_of("d", "m");
  for (const auto& pair : {a, b, c}) cache.put(pair, value(84));
  BOOST_TEST(cache.students() == 3u);
  BOOST_TEST(cache.bytes() == 300u);
  BOOST_TEST(cache.find(a) != nullptr);  // now b is the one used longest ago
  cache.put(d, value(84));
  BOOST_TEST(cache.students() == 3u);
  BOOST_TEST(cache.find(b) == nullptr);
  cache.put(d, value(184));
  BOOST_TEST(cache.bytes() == 400u);
  cache.put(d, value(185));  // one too many
  BOOST_TEST(cache.bytes() == 301u);
  BOOST_TEST(cache.find(c) == nullptr);
  BOOST_TEST(cache.find(pair_of("d", "other")) == nullptr);
  cache.put(a, value(500));  // alone above the limit
  BOOST_TEST(cache.students() == 0u);
  BOOST_TEST(cache.bytes() == 0u);
  cache.put(a, value(84));
  cache.forget(b.student);
  cache.forget(a.student);
  BOOST_TEST(cache.bytes() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
