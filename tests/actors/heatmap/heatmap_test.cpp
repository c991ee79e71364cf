#include "actors/heatmap/heatmap.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <map>
#include <mutex>
#include <numeric>
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
    request.epoch = epochs.try_emplace(who, 1).first->second;
    request.duration_ms = duration_ms;
    request.interval = interval;
    auto& state = hot[{who, what}];
    state.life = {request.epoch, std::max<std::uint32_t>(state.life.attempt, 1)};
    const auto fresh = state.covered.fresh_ranges(interval);
    state.covered.add(interval);
    state.duration_ms = duration_ms;
    state.playtime_ms += interval.length_ms();
    const storage::pair_progress pair{{who, what}, state};
    wt::need(hot_store->merge({&pair, 1}, storage::merge_origin::ledger_and_memory));
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

  /// The student is enrolled again at once.
  void erase(const student_id& who) {
    const auto next = epochs.try_emplace(who, 1).first->second + 1;
    wt::need(hot_store->end_epochs_below(who, next, wall_ms{1}));
    heat.end_epochs({who, next});
    std::erase_if(hot, [&](const auto& each) { return each.first.student == who; });
    std::erase_if(dirty, [&](const auto& each) { return each.student == who; });
    wt::need(ledger->erase_student(who, "admin", "an-erasure", wall_ms{1}, next));
    heat.forget_rows();
    wt::enrol(*ledger, {std::string(who.view())});
    epochs[who] = wt::need(ledger->life_of(who)).epoch;
  }
  void reset(const pair_key& pair) {
    const auto known = hot.at(pair);
    wt::need(ledger->checkpoint({{{pair, known}}}, wall_ms{1}));
    const auto begun = wt::need(ledger->reset_progress(
        pair, known, {.actor = "admin", .reason = "again", .now_ms = wall_ms{1}}));
    hot[pair] = begun.value();
    dirty.erase(pair);
    const storage::pair_progress anew{pair, *begun};
    wt::need(hot_store->merge({&anew, 1}, storage::merge_origin::ledger));
    heat.end_attempt(pair);
    heat.forget_rows();
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
    return wt::need(heat.read(what, duration_ms, *reader, *hot_store));
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
  std::unique_ptr<storage::hot_store> hot_store = storage::make_memory_store();
  heatmap heat;
  std::map<student_id, std::uint32_t> epochs;
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
        if (random.one_in(20)) s.erase(who(random.between(0, students - 1)));
        if (random.one_in(20) && !s.hot.empty()) {
          auto any = s.hot.begin();
          std::advance(any, random.between<std::size_t>(0, s.hot.size() - 1));
          s.reset(any->first);
        }
        std::optional<ledger_turns::turn> writing;
        if (random.one_in(60)) writing.emplace(s.heat.ledger_turn());
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
        // One whose reply was lost.
        if (random.one_in(4) && !s.hot.empty()) {
          auto any = s.hot.begin();
          std::advance(any, random.between<std::size_t>(0, s.hot.size() - 1));
          wt::need(s.ledger->checkpoint({{{any->first, any->second}}}, wall_ms{1}));
          s.heat.write_failed();
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

/// A locked row of any module makes a checkpoint wait for seconds.
BOOST_AUTO_TEST_CASE(a_write_that_waits_holds_up_nobody_who_reads) {
  stage s;
  s.used = {partition_of(who(1)), partition_of(who(2))};
  s.play(who(1), m1, {0, 8'000});
  s.round([] {});
  s.play(who(2), m1, {5'000, 12'000});
  {
    const auto turn = s.heat.ledger_turn();
    s.check(m1);  // pair by pair
    BOOST_TEST(s.look(m1).students == 2u);
  }
  s.check(m1);  // reads the row
  const wt::sqlite_place elsewhere;
  const auto broken = elsewhere.make();  // not migrated: it has no tables
  const auto turn = s.heat.ledger_turn();
  s.play(who(1), m1, {12'000, 14'000});
  const auto view = wt::need(s.heat.read(m1, duration_ms, *broken, *s.hot_store));
  BOOST_TEST(view.bins.viewer_ms == s.truth(m1), boost::test_tools::per_element());
  BOOST_TEST(view.students == 2u);
}

BOOST_AUTO_TEST_CASE(an_erased_student_is_gone_at_once) {
  stage s;
  s.used = {partition_of(who(1)), partition_of(who(2))};
  s.play(who(1), m1, {0, 10'000});
  s.erase(who(1));
  s.check(m1);
  BOOST_TEST(s.look(m1).students == 0u);
  s.play(who(2), m1, {5'000, 8'000});
  s.check(m1);
  BOOST_TEST(s.look(m1).students == 1u);
  // In the middle of a round, and with coverage that nobody has read yet.
  s.round([&] {
    if (s.epochs[who(2)] > 1) return;
    s.play(who(2), m1, {0, 9'000}, false);
    s.erase(who(2));
    s.check(m1);
  });
  s.check(m1);
  BOOST_TEST(s.look(m1).students == 0u);
}

BOOST_AUTO_TEST_CASE(nothing_of_an_ended_attempt_is_shown) {
  stage s;
  s.play(who(1), m1, {0, 10'000});
  s.reset({who(1), m1});
  s.check(m1);
  BOOST_TEST(s.look(m1).students == 1u);  // the row of the new attempt
  s.play(who(1), m1, {0, 4'000}, false);
  s.check(m1);
  BOOST_TEST(s.look(m1).students == 1u);
}

/// Each module is answered from its sums again, once they are free of the life.
BOOST_AUTO_TEST_CASE(an_ended_life_leaves_the_sums) {
  const auto amy = *student_id::parse("amy");
  module_overlay overlay;
  overlay.layout = heatmap_layout::of(duration_ms);
  overlay.unread[amy].covered = wt::covering({{0, 1'000}});
  overlay.end_life(amy);
  BOOST_TEST(overlay.unread.empty());
  overlay.complete_round();
  BOOST_TEST(overlay.rounds_in_doubt > 0);
  heatmap_event event;
  event.played = {0, 9'000};
  event.fresh.push_back({0, 9'000});
  event.doubtful = true;
  overlay.take(event, true);
  overlay.complete_round();
  BOOST_TEST(overlay.rounds_in_doubt > 0);
  overlay.complete_round();
  BOOST_TEST(overlay.rounds_in_doubt == 0);
}

BOOST_AUTO_TEST_CASE(a_life_does_not_stay_in_doubt_for_ever) {
  module_overlay overlay;
  overlay.layout = heatmap_layout::of(duration_ms);
  overlay.end_life(*student_id::parse("amy"));
  for (int i = 0; i < module_overlay::rounds_in_doubt_max; ++i) {
    BOOST_TEST(overlay.rounds_in_doubt > 0);
    heatmap_event event;
    event.fresh.push_back({0, 9'000});
    event.doubtful = true;
    overlay.take(event, true);
    overlay.complete_round();
  }
  BOOST_TEST(overlay.rounds_in_doubt == 0);
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

BOOST_AUTO_TEST_SUITE_END()
