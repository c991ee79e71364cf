#include "actors/heatmap/heatmap.hpp"

#include <array>
#include <boost/test/unit_test.hpp>
#include <map>
#include <random>

#include "tests/domain/support.hpp"
#include "tests/storage/ledger_fixtures.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
namespace wt = watchkeeper::test;

namespace {

constexpr media_ms duration_ms = 30'000;

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
  /// In a round the number of students may lack those who are new.
  void check(bool in_round = false) {
    bin_sums truth(heatmap_layout::of(duration_ms).bins);
    for (const auto& [who, state] : all)
      for (const auto& piece : state.covered.pieces())
        add_range(truth, heatmap_layout::of(duration_ms), piece);
    for (auto& heat : gateways) {
      const auto view = wt::need(heat->read(m1, duration_ms, *ledger, *hot));
      BOOST_REQUIRE(view.bins.viewer_ms == truth);
      BOOST_REQUIRE(in_round ? view.students <= all.size() : view.students == all.size());
    }
  }
  const module_id m1 = *module_id::parse("m1");
  wt::sqlite_place place;
  std::unique_ptr<storage::ledger> ledger = wt::make_migrated(place);
  std::unique_ptr<storage::hot_store> hot = storage::make_memory_store();
  std::array<std::unique_ptr<heatmap>, 2> gateways{std::make_unique<heatmap>(3),
                                                   std::make_unique<heatmap>(2)};
  std::map<student_id, progress> all;
  std::vector<std::pair<std::size_t, student_id>> on_the_wire;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(heatmap_on_top_of_the_ledger)

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
        two.check(true);
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
