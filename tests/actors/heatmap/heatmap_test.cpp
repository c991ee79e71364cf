#include "actors/heatmap/heatmap.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <map>
#include <mutex>
#include <numeric>
#include <random>
#include <set>
#include <thread>

#include "actors/shared/actor_limits.hpp"
#include "storage/limits.hpp"
#include "tests/actors/support.hpp"
#include "tests/domain/support.hpp"
#include "tests/storage/ledger_fixtures.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
namespace wt = watchkeeper::test;

namespace {

constexpr media_ms duration_ms = 30'000;

/// Shards, hot store and checkpointer, played: what happens when is the test's choice.
class stage {
 public:
  explicit stage(std::size_t lanes = 3) : heat(lanes) {
    wt::enrol(*ledger, wt::names(130, [](int n) {
      return std::string(actors::testing::student(n).view());
    }));
  }

  /// `in_memory`: the shard had the pair before.
  void play(const student_id& who, const module_id& what, media_interval interval,
            bool in_memory = true) {
    credit_request request;
    request.student = who;
    request.module = what;
    request.duration_ms = duration_ms;
    request.interval = interval;
    auto& state = hot[{who, what}];
    state.life = {1, 1};
    const auto fresh = state.covered.fresh_ranges(interval);
    state.covered.add(interval);
    state.duration_ms = duration_ms;
    state.playtime_ms += interval.length_ms();
    dirty.insert({who, what});
    credit_outcome outcome;
    outcome.status = credit_status::credited;
    outcome.credited_ms = interval.length_ms();
    outcome.played = interval;
    outcome.now = summarize(state, duration_ms);
    acknowledged_heartbeat acknowledged{.request = request, .outcome = outcome};
    if (in_memory) acknowledged.fresh = {fresh.data(), fresh.size()};
    acknowledged.fresh_is_exact = in_memory;
    acknowledged.covered = &state.covered;
    heat.acknowledged(acknowledged);
    add_range(played[what], heatmap_layout::of(duration_ms), interval);
  }

  /// One round; `in_between` is called wherever something may happen.
  template <class InBetween>
  void round(InBetween&& in_between, bool fails = false, bool flush = true) {
    heat.round_begins();
    in_between();
    const auto broken_at = fails ? 100 : limits::partitions;
    for (partition_index p = 0; p < broken_at; ++p) {
      if (!used.contains(p)) continue;
      heat.partition_begins(p);
      in_between();
      std::vector<storage::pair_progress> pairs;
      for (const auto& key : dirty)
        if (partition_of(key.student) == p) pairs.push_back({key, hot[key]});
      for (const auto& pair : pairs) dirty.erase(pair.key);
      in_between();  // what is played now is dirty again, and not in what is written
      write(pairs);
      in_between();
      heat.partition_ends(p);
      in_between();
    }
    if (flush) BOOST_TEST(heat.flush_plays(*ledger).has_value());
    in_between();
    heat.round_ends(!fails, *ledger);
    in_between();
  }
  void write(const std::vector<storage::pair_progress>& pairs) {
    if (pairs.empty()) return;
    const auto turn = heat.ledger_turn();
    for (std::size_t first = 0; first < pairs.size();
         first += storage_limits::checkpoint_batch_pairs_max) {
      const auto count = std::min(storage_limits::checkpoint_batch_pairs_max, pairs.size() - first);
      std::vector<storage::heatmap_delta> grown;
      wt::need(ledger->checkpoint({pairs.data() + first, count}, wall_ms{1}, &grown));
      heat.grown(grown);
    }
  }

  bin_sums truth(const module_id& what) {
    bin_sums sums(heatmap_layout::of(duration_ms).bins);
    for (const auto& [key, state] : hot)
      if (key.module == what)
        for (const auto& piece : state.covered.pieces())
          add_range(sums, heatmap_layout::of(duration_ms), piece);
    return sums;
  }
  heatmap_view look(const module_id& what) {
    return wt::need(heat.read(what, duration_ms, *reader, *nobody_elsewhere));
  }
  void check(const module_id& what) {
    const auto view = look(what);
    const auto expected = truth(what);
    BOOST_REQUIRE(view.bins.viewer_ms == expected);
    auto plays = played[what];
    if (plays.empty()) plays.resize(expected.size());
    for (std::size_t i = 0; i < plays.size(); ++i) plays[i] = std::max(plays[i], expected[i]);
    BOOST_REQUIRE(view.bins.play_ms == plays);
  }

  wt::sqlite_place place;
  std::unique_ptr<storage::ledger> ledger = wt::make_migrated(place);
  std::unique_ptr<storage::ledger> reader = place.make();
  std::unique_ptr<storage::hot_store> nobody_elsewhere = storage::make_memory_store();
  heatmap heat;
  std::map<pair_key, progress> hot;
  std::set<pair_key> dirty;
  std::set<partition_index> used;
  std::map<module_id, bin_sums> played;
};

student_id who(int n) {
  return actors::testing::student(n);
}
const module_id m1 = *module_id::parse("m1");

}  // namespace

BOOST_AUTO_TEST_SUITE(heatmap_on_top_of_the_ledger)

/// With one gateway: exact at every moment, whatever is being written.
BOOST_AUTO_TEST_CASE(what_is_shown_is_what_was_credited) {
  wt::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int world = 0; world < 12; ++world) {
      stage s(random.between<std::size_t>(1, 4));
      constexpr int students = 6;
      for (int i = 0; i < students; ++i) s.used.insert(partition_of(who(i)));
      const module_id modules[] = {m1, *module_id::parse("m2")};
      const auto something = [&] {
        while (!random.one_in(3)) {
          const auto from = random.between<media_ms>(0, duration_ms - 1);
          s.play(who(random.between(0, students - 1)), modules[random.between(0, 1)],
                 {from, random.between<media_ms>(from + 1, std::min(duration_ms, from + 8'000))});
        }
        if (random.one_in(4)) s.check(modules[random.between(0, 1)]);
      };
      for (int round = 0; round < 5; ++round) {
        something();
        // Between two rounds a pair that was just mastered is written at once.
        if (random.one_in(3) && !s.hot.empty()) {
          auto any = s.hot.begin();
          std::advance(any, random.between<std::size_t>(0, s.hot.size() - 1));
          s.write({{any->first, any->second}});
        }
        something();
        s.round(something, random.one_in(4), !random.one_in(4));
        for (const auto& module : modules) s.check(module);
      }
      for (const auto& module : modules) s.check(module);
      BOOST_REQUIRE_EQUAL(s.heat.left_out(), 0u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_heartbeat_is_seen_at_once) {
  stage s;
  s.play(who(1), m1, {500, 2'500});
  auto view = s.look(m1);
  BOOST_TEST(view.bins.layout.bins == 30u);
  BOOST_TEST(view.bins.viewer_ms[0] == 500u);
  BOOST_TEST(view.bins.viewer_ms[1] == 1'000u);
  BOOST_TEST(view.students == 1u);
  s.play(who(1), m1, {500, 2'500});
  view = s.look(m1);
  BOOST_TEST(view.bins.viewer_ms[1] == 1'000u);
  BOOST_TEST(view.bins.play_ms[1] == 2'000u);
  BOOST_TEST(view.students == 1u);
  const auto nobody = s.look(*module_id::parse("nobody"));
  BOOST_TEST(nobody.bins.viewer_ms == bin_sums(30), boost::test_tools::per_element());
}

/// Shards, readers and the checkpointer side by side: nothing is lost, nothing counts twice.
BOOST_AUTO_TEST_CASE(many_threads_at_once) {
  constexpr int writers = 3;
  constexpr int students_each = 40;
  constexpr int steps = 25;
  stage s(writers);
  std::mutex hot_mutex;
  std::atomic<int> writing{writers};
  std::atomic<int> vanished{0};  // plays that were seen, and then not
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w)
    threads.emplace_back([&, w] {
      for (int step = 0; step < steps; ++step)
        for (int i = 0; i < students_each; ++i) {
          const std::lock_guard lock(hot_mutex);  // the stage's, not the heatmap's
          s.play(who(w * students_each + i), m1, {step * 1'000, step * 1'000 + 1'000});
        }
      --writing;
    });
  threads.emplace_back([&] {
    std::uint64_t before = 0;
    while (writing > 0) {
      const auto view = s.look(m1);
      const auto now =
          std::accumulate(view.bins.play_ms.begin(), view.bins.play_ms.end(), std::uint64_t{0});
      if (now < before) ++vanished;
      before = now;
    }
  });
  for (int w = 0; w < writers * students_each; ++w) s.used.insert(partition_of(who(w)));
  while (writing > 0) {
    s.heat.round_begins();
    for (const auto p : s.used) {
      s.heat.partition_begins(p);
      std::vector<storage::pair_progress> pairs;
      {
        const std::lock_guard lock(hot_mutex);
        for (const auto& [key, state] : s.hot)
          if (partition_of(key.student) == p) pairs.push_back({key, state});
      }
      s.write(pairs);
      s.heat.partition_ends(p);
    }
    BOOST_TEST(s.heat.flush_plays(*s.ledger).has_value());
    s.heat.round_ends(true, *s.ledger);
  }
  for (auto& each : threads) each.join();
  BOOST_TEST(vanished == 0);
  s.check(m1);
  s.round([] {});
  s.check(m1);
  BOOST_TEST(s.look(m1).students == std::uint64_t{writers * students_each});
}

/// After a start the shards have no coverage in memory: it is read from the ledger.
BOOST_AUTO_TEST_CASE(pairs_from_before_a_start_are_read) {
  stage s;
  const auto key = pair_key{who(1), m1};
  s.used.insert(partition_of(who(1)));
  s.hot[key] = {.life = {1, 1},
                .covered = wt::covering({{0, 10'000}}),
                .duration_ms = duration_ms,
                .playtime_ms = 10'000};
  s.write({{key, s.hot[key]}});
  s.play(who(1), m1, {8'000, 12'000}, false);
  BOOST_TEST(s.look(m1).bins.viewer_ms == s.truth(m1), boost::test_tools::per_element());
  s.play(who(1), m1, {12'000, 14'000});
  BOOST_TEST(s.look(m1).bins.viewer_ms == s.truth(m1), boost::test_tools::per_element());
  s.play(who(1), m1, {5'000, 15'000}, false);  // the shard gave the pair up in between
  BOOST_TEST(s.look(m1).bins.viewer_ms == s.truth(m1), boost::test_tools::per_element());
  s.round([] {});
  BOOST_TEST(s.look(m1).bins.viewer_ms == s.truth(m1), boost::test_tools::per_element());
  // One that nobody looked at is in the ledger after the round like any other.
  s.play(who(1), m1, {20'000, 22'000}, false);
  s.round([] {});
  BOOST_TEST(s.look(m1).bins.viewer_ms == s.truth(m1), boost::test_tools::per_element());
}

/// Another gateway wrote a part: after each round the heatmap equals the ledger again.
BOOST_AUTO_TEST_CASE(another_gateway_is_seen_after_the_next_round) {
  stage s;
  s.used = {partition_of(who(1))};
  s.play(who(1), m1, {0, 5'000});
  s.check(m1);
  s.hot[{who(2), m1}] = {
      .life = {1, 1}, .covered = wt::covering({{0, 9'000}}), .duration_ms = duration_ms};
  wt::need(s.place.make()->checkpoint(
      std::vector<storage::pair_progress>{{{who(2), m1}, s.hot[{who(2), m1}]},
                                          {{who(1), m1}, s.hot[{who(1), m1}]}},
      wall_ms{1}));
  s.round([] {});
  BOOST_TEST(s.look(m1).bins.viewer_ms == s.truth(m1), boost::test_tools::per_element());
  BOOST_TEST(s.look(m1).students == 2u);
}

BOOST_AUTO_TEST_CASE(plays_whose_write_failed_are_written_later) {
  stage s;
  s.play(who(1), m1, {0, 3'000});
  const wt::sqlite_place elsewhere;
  const auto broken = elsewhere.make();  // not migrated: it has no tables
  BOOST_TEST(!s.heat.flush_plays(*broken).has_value());
  s.play(who(1), m1, {0, 3'000});
  BOOST_TEST(!s.heat.flush_plays(*broken).has_value());
  BOOST_TEST(s.look(m1).bins.play_ms[1] == 2'000u);
  // The first, and what came meanwhile: a gateway that stops has one turn only.
  BOOST_TEST(s.heat.flush_plays(*s.ledger).has_value());
  BOOST_TEST(wt::need(s.ledger->heatmap_of(m1))->bins.play_ms[1] == 2'000u);
  BOOST_TEST(s.heat.flush_plays(*s.ledger).has_value());  // nothing
  BOOST_TEST(s.look(m1).bins.play_ms[1] == 2'000u);
  BOOST_TEST(wt::need(s.ledger->heatmap_of(m1))->bins.play_ms[1] == 2'000u);
}

BOOST_AUTO_TEST_CASE(modules_beyond_the_limit_are_left_out_and_shown_from_the_ledger) {
  stage s;
  for (std::size_t i = 0; i < actor_limits::heatmap_modules_max; ++i)
    s.play(who(1), *module_id::parse("module-" + std::to_string(i)), {0, 1'000});
  s.play(who(1), m1, {0, 1'000});
  BOOST_TEST(s.look(m1).bins.viewer_ms[0] == 0u);
  BOOST_TEST(s.heat.left_out() == 1u);
  s.used = {partition_of(who(1))};
  std::vector<storage::pair_progress> one{{{who(1), m1}, s.hot[{who(1), m1}]}};
  s.write(one);
  BOOST_TEST(s.look(m1).bins.viewer_ms[0] == 1'000u);
  BOOST_TEST(s.look(*module_id::parse("module-7")).bins.viewer_ms[0] == 1'000u);
  s.round([] {});
  s.round([] {});  // what is idle makes room
  s.play(who(2), m1, {0, 1'000});
  BOOST_TEST(s.look(m1).bins.viewer_ms[0] == 2'000u);
  BOOST_TEST(s.heat.left_out() == 1u);
}

BOOST_AUTO_TEST_CASE(a_module_whose_duration_changes_keeps_what_lies_within_it) {
  module_overlay overlay;
  overlay.layout = heatmap_layout::of(10'000);
  heatmap_event event;
  event.played = {0, 9'000};
  event.fresh.push_back({0, 9'000});
  overlay.take(event, false);
  overlay.change_layout(heatmap_layout::of(4'000));
  const auto shown = overlay.shown();
  BOOST_TEST(shown.bins.viewer_ms == bin_sums(4, 1'000), boost::test_tools::per_element());
  BOOST_TEST(shown.bins.play_ms == shown.bins.viewer_ms, boost::test_tools::per_element());
}

namespace {

/// Two gateways with one hot store and one ledger. The test decides what they announce, and when.
struct two_gateways {
  two_gateways() {
    wt::enrol(*ledger, {"amy", "bob"});
    wt::enrol(*ledger, wt::names(12, [](int n) { return "s" + std::to_string(n); }));
  }
  void play(std::size_t at, const student_id& who, media_interval interval, bool in_memory) {
    credit_request request;
    request.student = who;
    request.module = m1;
    request.duration_ms = duration_ms;
    request.interval = interval;
    auto& state = all[who];
    state.life = {1, 1};
    const auto fresh = state.covered.fresh_ranges(interval);
    state.covered.add(interval);
    state.duration_ms = duration_ms;
    state.playtime_ms += interval.length_ms();
    const storage::pair_progress pair{{who, m1}, state};
    wt::need(hot->merge({&pair, 1}, storage::merge_origin::ledger_and_memory));
    credit_outcome outcome;
    outcome.status = credit_status::credited;
    outcome.credited_ms = interval.length_ms();
    outcome.played = interval;
    outcome.now = summarize(state, duration_ms);
    acknowledged_heartbeat acknowledged{.request = request, .outcome = outcome};
    if (in_memory) acknowledged.fresh = {fresh.data(), fresh.size()};
    acknowledged.fresh_is_exact = in_memory;
    acknowledged.covered = &state.covered;
    gateways[at]->acknowledged(acknowledged);
    on_the_wire.emplace_back(1 - at, who);
  }
  void deliver() {
    for (const auto& [to, who] : on_the_wire) gateways[to]->seen_elsewhere(m1, {&who, 1});
    on_the_wire.clear();
  }
  template <class InBetween>
  void round(std::size_t at, bool complete, InBetween&& in_between) {
    auto& heat = *gateways[at];
    heat.round_begins();
    for (partition_index p = 0; p < limits::partitions; ++p) {
      heat.partition_begins(p);
      const auto dirty = wt::need(hot->read_dirty(p, 100)).pairs;
      if (!dirty.empty()) {
        in_between();
        std::vector<storage::pair_progress> pairs;
        for (const auto& each : dirty) pairs.push_back({each.key, each.state});
        std::vector<storage::heatmap_delta> grown;
        {
          const auto turn = heat.ledger_turn();
          wt::need(ledger->checkpoint(pairs, wall_ms{1}, &grown));
          heat.grown(grown);
        }
        in_between();
        wt::need(hot->mark_clean(p, dirty));
      }
      heat.partition_ends(p);
    }
    in_between();
    BOOST_TEST(heat.flush_plays(*ledger).has_value());
    heat.round_ends(complete, *ledger);
  }
  void check() {
    bin_sums truth(heatmap_layout::of(duration_ms).bins);
    for (const auto& [who, state] : all)
      for (const auto& piece : state.covered.pieces())
        add_range(truth, heatmap_layout::of(duration_ms), piece);
    for (auto& heat : gateways) {
      const auto view = wt::need(heat->read(m1, duration_ms, *ledger, *hot));
      BOOST_REQUIRE(view.bins.viewer_ms == truth);
      BOOST_REQUIRE(view.students == all.size());
    }
  }
  const module_id m1 = *module_id::parse("m1");
  wt::sqlite_place place;
  std::unique_ptr<storage::ledger> ledger = wt::make_migrated(place);
  std::unique_ptr<storage::hot_store> hot = storage::make_memory_store();
  std::array<std::unique_ptr<heatmap>, 2> gateways{std::make_unique<heatmap>(3, true),
                                                   std::make_unique<heatmap>(2, true)};
  std::map<student_id, progress> all;
  std::vector<std::pair<std::size_t, student_id>> on_the_wire;
};

}  // namespace

BOOST_AUTO_TEST_CASE(two_gateways_show_the_same_and_nothing_twice) {
  const auto seed = wt::ledger_seed();
  BOOST_TEST_CONTEXT("seed " << seed) {
    std::mt19937_64 random(seed);
    two_gateways two;
    const auto play = [&] {
      const auto from = static_cast<media_ms>(random() % 28'000);
      const auto who = *student_id::parse("s" + std::to_string(random() % 12));
      two.play(random() % 2, who, {from, from + 100 + static_cast<media_ms>(random() % 1'900)},
               random() % 3 > 0);
    };
    play();
    two.deliver();
    for (int i = 0; i < 150; ++i) {
      play();
      if (random() % 2 == 0) {
        two.deliver();
        two.check();
      }
      if (random() % 10 > 0) continue;
      two.round(random() % 2, random() % 4 > 0, [&] {
        if (random() % 3 == 0) play();
        if (random() % 2 > 0) return;
        two.deliver();
        two.check();
      });
    }
    two.deliver();
    two.check();
    BOOST_TEST(wt::need(two.ledger->recount_heatmap(two.m1, false)).right());
  }
}

BOOST_AUTO_TEST_CASE(a_message_that_is_lost_makes_it_late_and_not_wrong) {
  two_gateways two;
  for (auto& heat : two.gateways) heat->seen_elsewhere({}, {});
  const auto amy = *student_id::parse("amy");
  const auto bob = *student_id::parse("bob");
  two.play(0, amy, {0, 5'000}, true);
  two.deliver();
  two.play(0, bob, {0, 5'000}, true);
  two.on_the_wire.clear();
  auto view = wt::need(two.gateways[1]->read(two.m1, duration_ms, *two.ledger, *two.hot));
  BOOST_TEST(view.bins.viewer_ms[0] == 1'000u);
  two.round(1, true, [] {});
  two.check();
}

BOOST_AUTO_TEST_CASE(so_many_pairs_are_remembered) {
  two_gateways two;
  std::vector<student_id> crowd;
  for (std::size_t i = 0; i <= heatmap::touched_pairs_max; ++i)
    crowd.push_back(*student_id::parse("c" + std::to_string(i)));
  two.gateways[0]->seen_elsewhere(two.m1, crowd);
  const auto amy = *student_id::parse("amy");
  two.play(0, amy, {0, 5'000}, true);
  auto view = wt::need(two.gateways[0]->read(two.m1, duration_ms, *two.ledger, *two.hot));
  BOOST_TEST(view.bins.viewer_ms[0] == 0u);  // no room: with the next checkpoint
  two.round(0, true, [] {});
  view = wt::need(two.gateways[0]->read(two.m1, duration_ms, *two.ledger, *two.hot));
  BOOST_TEST(view.bins.viewer_ms[0] == 1'000u);
}

BOOST_AUTO_TEST_SUITE_END()
