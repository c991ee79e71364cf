// The gateway decides and Redis compares (wk_cas): it must come to the same as wk_credit, to the
// byte, whatever the gateway's memory of Redis is worth.
#include <boost/test/unit_test.hpp>

#include "storage/redis/store.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/redis_server.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

namespace {

std::string progress_key(const pair_key& pair) {
  return fmt::format("wk:{{p{}}}:progress:{}", partition_of(pair.student), text_of(pair));
}

/// Redis with a store that uses wk_cas and one beside it, on another Redis, that never does.
struct two_ways {
  redis_server through_cas, through_credit;
  redis_store cas{*parse_redis_url(through_cas.url())};
  redis_store second{*parse_redis_url(through_cas.url()),
                     {.cached_students_max = 3, .cached_bytes_max = 400}};
  redis_store credit{*parse_redis_url(through_credit.url()), {.cas = false}};

  long long calls(std::string_view function_name) {
    // The slow log names what was called, with all its keys: with a threshold of 0, everything.
    const auto log = through_cas.command({"SLOWLOG", "GET", "-1"});
    long long count = 0;
    for (auto at = log.find(function_name); at != std::string::npos;
         at = log.find(function_name, at + 1))
      ++count;
    return count;
  }
  void watch_calls() {
    through_cas.command({"CONFIG", "SET", "slowlog-max-len", "100000"});
    through_cas.command({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
    through_cas.command({"SLOWLOG", "RESET"});
  }
  /// Everything that is stored but the versions, whose start is the clock.
  static std::string contents(const redis_server& server) {
    std::string keys = server.command({"KEYS", "*"}), text;
    std::vector<std::string> names;
    for (std::size_t at = 0; at < keys.size();) {
      const auto end = keys.find('\n', at);
      names.push_back(keys.substr(at, end - at));
      at = end + 1;
    }
    std::sort(names.begin(), names.end());
    for (const auto& name : names) {
      if (name == "wk:deployment") continue;
      auto value = server.command({"TYPE", name}) == "set" ? server.command({"SORT", name, "ALPHA"})
                                                           : server.command({"GET", name});
      // At every 16th version a mark is set anew, which shows in nothing here.
      if (name.find(":progress:") != std::string::npos) value.replace(44, 8, "version ");
      // The window in a session's own key is one of the call that renewed it; which, is open.
      if (name.find(":session:") != std::string::npos) value.replace(0, 12, "window ");
      text += name + "=" + value + "\n";
    }
    return text;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(redis_cas_ways)

BOOST_AUTO_TEST_CASE(a_heartbeat_in_the_midst_of_a_session_is_one_call_of_wk_cas) {
  two_ways w;
  const auto pair = pair_of("ada", "m1");
  create(w.cas, {pair});
  apply_one(w.cas, heartbeat(pair, 0, 0, 1000));  // the session's first: wk_credit
  w.watch_calls();
  for (std::uint32_t sn = 1; sn <= 20; ++sn) {
    const auto from = static_cast<media_ms>(sn) * 1000;
    const auto applied = apply_one(w.cas, heartbeat(pair, sn, from, from + 1000));
    BOOST_TEST(applied.outcome.now.covered_ms == from + 1000);
  }
  // Five of a device that had kept them: one write.
  std::vector<hot_request> kept;
  for (std::uint32_t sn = 21; sn <= 25; ++sn)
    kept.push_back(heartbeat(pair, sn, static_cast<media_ms>(sn) * 1000,
                             static_cast<media_ms>(sn) * 1000 + 1000));
  BOOST_TEST(must(w.cas.apply(kept)).back().outcome.now.covered_ms == 26'000);
  BOOST_TEST(w.calls("wk_cas") == 21);
  BOOST_TEST(w.calls("wk_credit") == 0);
  BOOST_TEST(w.calls("MGET") == 21);  // each within its call: none to look up what is known
}

BOOST_AUTO_TEST_CASE(both_ways_leave_the_same_bytes) {
  two_ways w;
  std::mt19937_64 random(seed_or(20'251'124));
  const auto below = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  std::vector<pair_key> pairs;
  for (const auto* student : {"a", "a:b", "student-3", "d", "e", "f"})
    for (const auto* module : {"m", "b:m"}) pairs.push_back(pair_of(student, module));
  create(w.cas, pairs);
  create(w.credit, pairs);
  w.watch_calls();

  unix_ms now_ms = some_time_ms;
  std::map<std::string, std::uint32_t> next_sequence;
  for (int round = 0; round < 400; ++round) {
    // Mostly one module a student, mostly forward, at times from a session that is new or old.
    now_ms += static_cast<unix_ms>(below(60'000));
    std::vector<hot_request> requests(1 + below(12));
    for (auto& request : requests) {
      const auto& pair = pairs[below(6) * 2 + (below(12) == 0 ? 1 : 0)];
      const auto session = fmt::format("s{}-{}", below(8) == 0 ? below(6) : 0, pair.module.view());
      auto& next = next_sequence[text_of(pair) + session];
      const auto sequence =
          below(8) == 0 && next > 0 ? next - 1 - std::uint32_t(below(next) / 2) : next++;
      const auto from = static_cast<media_ms>(below(3) == 0 ? below(500'000) : sequence * 2'000);
      request = heartbeat(pair, sequence, from, from + 1 + static_cast<media_ms>(below(2'000)),
                          now_ms + static_cast<unix_ms>(below(50)));
      request.credit.session = id_of<session_id>(session);
      request.credit.device = kid_of(static_cast<std::uint8_t>(pair.student.view().size()));
      request.want_coverage = below(4) == 0;
    }
    auto& gateway = below(3) == 0 ? w.second : w.cas;
    const auto got = must(gateway.apply(requests));
    const auto expected = must(w.credit.apply(requests));
    for (std::size_t i = 0; i < got.size(); ++i)
      BOOST_REQUIRE_EQUAL(text_of(got[i]), text_of(expected[i]));

    if (below(5) == 0) {  // a checkpoint of some
      for (const auto& pair : pairs) {
        const auto partition = partition_of(pair.student);
        must(w.cas.mark_clean(partition, must(w.cas.read_dirty(partition, 100))));
        must(w.credit.mark_clean(partition, must(w.credit.read_dirty(partition, 100))));
        if (below(2) == 0) break;
      }
    }
    if (below(40) == 0) {
      const auto student = pairs[below(pairs.size())].student;
      for (redis_store* store : {&w.cas, &w.credit}) {
        must(store->erase(student));
        must(store->readmit(student));
        for (const auto& pair : pairs)
          if (pair.student == student) create(*store, {pair});
      }
    }
    if (round % 20 == 0)
      BOOST_REQUIRE_EQUAL(two_ways::contents(w.through_cas), two_ways::contents(w.through_credit));
  }
  BOOST_REQUIRE_EQUAL(two_ways::contents(w.through_cas), two_ways::contents(w.through_credit));
  BOOST_TEST(w.calls("wk_cas") > 100);
  BOOST_TEST(w.calls("wk_credit") > 100);
}

BOOST_AUTO_TEST_CASE(what_another_gateway_wrote_is_not_overwritten) {
  two_ways w;
  redis_store other(*parse_redis_url(w.through_cas.url()));
  const auto pair = pair_of("ada", "m1");
  const auto bob = pair_of("bob", "m1");
  create(w.cas, {pair, bob});
  apply_one(w.cas, heartbeat(pair, 0, 0, 1000));
  apply_one(w.cas, heartbeat(bob, 0, 0, 1000));
  apply_one(other, heartbeat(pair, 1, 5000, 6000));
  // Of a batch only the student who was met elsewhere goes the long way.
  w.watch_calls();
  const auto applied = must(w.cas.apply(std::vector<hot_request>{heartbeat(pair, 1, 5000, 6000),
                                                                 heartbeat(pair, 2, 6000, 7000),
                                                                 heartbeat(bob, 1, 1000, 2000)}));
  BOOST_TEST(int(applied[0].outcome.status) == int(credit_status::duplicate));
  BOOST_TEST(applied[1].outcome.now.covered_ms == 3000);
  BOOST_TEST(applied[2].outcome.now.covered_ms == 2000);
  BOOST_TEST(w.calls("wk_cas") == 1);
  BOOST_TEST(w.calls("wk_credit") == 1);
}

BOOST_AUTO_TEST_CASE(a_redis_that_went_back_in_time_is_not_believed_to_be_ahead) {
  two_ways w;
  const auto pair = pair_of("ada", "m1");
  create(w.cas, {pair});
  apply_one(w.cas, heartbeat(pair, 0, 0, 1000));
  const auto key = progress_key(pair);
  const auto older = w.through_cas.command({"GET", key});
  apply_one(w.cas, heartbeat(pair, 1, 1000, 2000));
  // Lost, and counted anew: the same version, another content.
  w.through_cas.command({"SET", key, older});
  redis_store other(*parse_redis_url(w.through_cas.url()));
  apply_one(other, heartbeat(pair, 1, 7000, 8000));
  const auto applied = apply_one(w.cas, heartbeat(pair, 2, 2000, 3000));
  BOOST_TEST(applied.outcome.now.covered_ms == 3000);
  const auto found = must(w.cas.read(std::span(&pair, 1))).at(0);
  BOOST_TEST(text_of(found->covered) == "[0,1000)[2000,3000)[7000,8000)");

  // And with the connection lost: a log that ends earlier.
  w.through_cas.command({"SET", key, older});
  w.through_cas.kill();
  w.through_cas.start();
  BOOST_TEST(apply_one(w.cas, heartbeat(pair, 1, 1000, 2000)).outcome.now.covered_ms == 2000);
  BOOST_TEST(int(apply_one(w.cas, heartbeat(pair, 1, 1000, 2000)).outcome.status) ==
             int(credit_status::duplicate));
}

BOOST_AUTO_TEST_CASE(an_erased_student_earns_nothing_from_what_is_remembered) {
  two_ways w;
  redis_store other(*parse_redis_url(w.through_cas.url()));
  const auto pair = pair_of("ada", "m1");
  create(w.cas, {pair});
  apply_one(w.cas, heartbeat(pair, 0, 0, 1000));
  must(other.erase(pair.student));
  BOOST_TEST(int(apply_one(w.cas, heartbeat(pair, 1, 1000, 2000)).outcome.why) ==
             int(problem::unknown_device));
  must(other.readmit(pair.student));
  BOOST_TEST(int(apply_one(w.cas, heartbeat(pair, 1, 1000, 2000)).state) ==
             int(applied_state::pair_missing));
}

BOOST_AUTO_TEST_CASE(a_checkpoint_in_between_is_no_difference_and_the_mark_comes_back) {
  two_ways w;
  const auto pair = pair_of("ada", "m1");
  const auto partition = partition_of(pair.student);
  create(w.cas, {pair});
  apply_one(w.cas, heartbeat(pair, 0, 0, 1000));
  w.watch_calls();
  for (std::uint32_t sn = 1; sn < 10; ++sn) {
    must(w.cas.mark_clean(partition, must(w.cas.read_dirty(partition, 10))));
    BOOST_TEST(must(w.cas.dirty_count()) == 0u);
    apply_one(w.cas, heartbeat(pair, sn, static_cast<media_ms>(sn) * 1000,
                               static_cast<media_ms>(sn) * 1000 + 1000));
    BOOST_TEST(must(w.cas.dirty_count()) == 1u);
  }
  BOOST_TEST(w.calls("wk_credit") == 0);
  // A set that lost its member has it back after 16 changes at most.
  w.through_cas.command({"DEL", fmt::format("wk:{{p{}}}:dirty", partition)});
  for (std::uint32_t sn = 10; sn < 26; ++sn)
    apply_one(w.cas, heartbeat(pair, sn, static_cast<media_ms>(sn) * 1000,
                               static_cast<media_ms>(sn) * 1000 + 1000));
  BOOST_TEST(must(w.cas.dirty_count()) == 1u);
}

BOOST_AUTO_TEST_CASE(a_dirty_set_of_a_foreign_type_fails_as_it_does_without_a_swap) {
  two_ways w;
  const auto pair = pair_of("ada", "m1");
  const auto partition = partition_of(pair.student);
  create(w.cas, {pair});
  apply_one(w.cas, heartbeat(pair, 0, 0, 1000));
  must(w.cas.mark_clean(partition, must(w.cas.read_dirty(partition, 10))));
  const auto dirty = fmt::format("wk:{{p{}}}:dirty", partition);
  w.through_cas.command({"SET", dirty, "foreign"});
  const auto before = w.through_cas.command({"GET", progress_key(pair)});
  BOOST_TEST(int(error_of_apply(w.cas, heartbeat(pair, 1, 1000, 2000))) ==
             int(storage_error::corrupt));
  BOOST_TEST(w.through_cas.command({"GET", progress_key(pair)}) == before);
  w.through_cas.command({"DEL", dirty});
  BOOST_TEST(apply_one(w.cas, heartbeat(pair, 1, 1000, 2000)).outcome.now.covered_ms == 2000);
}

BOOST_AUTO_TEST_CASE(the_cache_keeps_to_its_limits) {
  const auto value = [](std::size_t bytes) {
    return redis_cas::values{std::string(bytes, 'p'), std::string(16, 'b')};
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
