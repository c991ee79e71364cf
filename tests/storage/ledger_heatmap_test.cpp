#include <barrier>
#include <boost/test/unit_test.hpp>
#include <numeric>
#include <thread>

#include "tests/storage/ledger_fixtures.hpp"
#include "tests/storage/ledger_sql.hpp"

namespace watchkeeper::test {
using namespace storage;
namespace {

std::uint64_t total(const bin_sums& sums) {
  return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

heatmap_record need_heatmap(ledger& tested, std::string_view id) {
  const auto found = need(tested.heatmap_of(module(id)));
  if (!found) BOOST_FAIL("no heatmap of " << id);
  return *found;
}

pair_progress seen(std::string_view who, std::string_view what, const coverage& covered,
                   media_ms duration_ms = 600'000) {
  return {pair(who, what), {.life = {1, 1}, .covered = covered, .duration_ms = duration_ms}};
}

/// Of students who enrol with it.
void checkpoint(ledger& tested, std::vector<pair_progress> pairs) {
  for (const auto& each : pairs) enrol(tested, {std::string(each.key.student.view())});
  need(tested.checkpoint(pairs, wall_ms{1}));
}

/// Every millisecond that a pair of the ledger covers is in its module's bins, once.
void check_conservation(ledger& tested) {
  std::size_t modules = 0;
  std::optional<module_id> at;
  while (auto next = need(tested.next_watched_module(at))) {
    at = next;
    ++modules;
    std::uint64_t covered_ms = 0;
    std::string cursor;
    do {
      const auto part = need(tested.progress_of_module(*at, cursor, 500));
      for (const auto& item : part.items)
        covered_ms += static_cast<std::uint64_t>(item.state.covered.covered_ms());
      cursor = part.next.value_or("");
    } while (!cursor.empty());
    const auto found = need(tested.heatmap_of(*at));
    BOOST_TEST(covered_ms == (found ? total(found->bins.viewer_ms) : 0));
    BOOST_TEST(need(tested.recount_heatmap(*at, false)).right());
  }
  BOOST_TEST(modules > 0u);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ledger_heatmaps)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_checkpoint_adds_what_is_new, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  BOOST_TEST(!need(tested->heatmap_of(module("m"))).has_value());
  need(tested->put_module({module("m"), "M", {.duration_ms = 2'500}, wall_ms{1}}));

  enrol(*tested, {"ann", "bob", "cid"});
  std::vector<heatmap_delta> grown;
  const std::vector<pair_progress> first{seen("ann", "m", covering({{0, 1'500}})),
                                         seen("bob", "m", covering({{500, 2'500}})),
                                         seen("cid", "other", covering({{0, 700'000}}), 700'000)};
  need(tested->checkpoint(first, wall_ms{1}, &grown));
  BOOST_REQUIRE(grown.size() == 2u);
  BOOST_TEST(grown[0].module == module("m"));
  BOOST_TEST(grown[0].duration_ms == 2'500);
  BOOST_TEST(grown[0].ms == (bin_sums{1'500, 1'500, 500}), boost::test_tools::per_element());
  auto found = need_heatmap(*tested, "m");
  BOOST_TEST(found.students == 2u);
  BOOST_TEST(found.bins.viewer_ms == grown[0].ms, boost::test_tools::per_element());
  BOOST_TEST(found.bins.play_ms == bin_sums(3), boost::test_tools::per_element());
  BOOST_TEST(need_heatmap(*tested, "other").bins.layout.bins == 700u);

  need(tested->checkpoint(first, wall_ms{2}, &grown));  // again: nothing is new
  BOOST_TEST(grown.empty());
  BOOST_TEST(need_heatmap(*tested, "m").bins == found.bins);
  // From another gateway: what both know counts once, and so does a gap of 200 ms that closes.
  need(tested->checkpoint(std::vector{seen("ann", "m", covering({{1'700, 2'000}}))}, wall_ms{3},
                          &grown));
  BOOST_REQUIRE(grown.size() == 1u);
  BOOST_TEST(grown[0].ms == (bin_sums{0, 500, 0}), boost::test_tools::per_element());
  check_conservation(*tested);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(any_checkpoints_and_erasures_conserve, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, names(8, [](int i) { return "s" + std::to_string(i); }));
  std::mt19937_64 random(ledger_seed());
  for (int round = 0; round < 60; ++round) {
    std::map<std::string, pair_progress> batch;
    for (int i = 0; i < 12; ++i) {
      const auto s = "s" + std::to_string(random() % 8);
      const auto m = "m" + std::to_string(random() % 3);
      // Now and then beyond the duration of the bins: the module was longer once.
      batch[s + m] = {pair(s, m), random_progress(random, random() % 5 == 0 ? 90'000 : 20'000)};
      // Mostly of the life that the ledger has; a later one ends it.
      auto& life = batch[s + m].state.life;
      life.epoch = std::max(need(tested->life_of(student(s))).epoch, 1u);
      if (random() % 40 == 0) ++life.epoch;
      if (random() % 20 == 0) ++life.attempt;
    }
    std::vector<pair_progress> given;
    for (auto& [name, each] : batch) given.push_back(each);
    std::shuffle(given.begin(), given.end(), random);
    need(tested->checkpoint(given, wall_ms{round}));
    if (random() % 6 == 0) {
      const auto who = "s" + std::to_string(random() % 8);
      need(tested->erase_student(student(who), "admin", "00", wall_ms{round}, 0));
      if (random() % 2 == 0)
        need(tested->put_device(device(static_cast<std::uint8_t>(round), who), {}));
    }
    if (random() % 10 == 0) need(tested->recount_heatmap(module("m1"), true));
  }
  std::optional<module_id> at;
  while (auto next = need(tested->next_watched_module(at))) {
    at = next;
    BOOST_TEST(need(tested->recount_heatmap(*at, false)).wrong_bins == 0u);
    need(tested->recount_heatmap(*at, true));
  }
  check_conservation(*tested);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_erasure_takes_the_viewer_and_leaves_the_plays, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  checkpoint(*tested, {seen("ann", "m", covering({{0, 90'000}})),
                       seen("bob", "m", covering({{80'000, 95'000}})),
                       seen("ann", "n", covering({{0, 1'000}}))});
  const std::vector<heatmap_delta> plays{{module("m"), 600'000, bin_sums(600, 7)}};
  need(tested->add_plays(plays, "gateway-1", 1));
  BOOST_TEST(need(tested->erase_student(student("ann"), "admin", "00", wall_ms{2}, 0)));
  const auto found = need_heatmap(*tested, "m");
  BOOST_TEST(found.students == 1u);
  BOOST_TEST(total(found.bins.viewer_ms) == 15'000u);
  BOOST_TEST(found.bins.viewer_ms[80] == 1'000u);
  BOOST_TEST(found.bins.viewer_ms[79] == 0u);
  BOOST_TEST(found.bins.play_ms == bin_sums(600, 7), boost::test_tools::per_element());
  BOOST_TEST(total(need_heatmap(*tested, "n").bins.viewer_ms) == 0u);
  check_conservation(*tested);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(plays_are_added_once_a_sequence_number, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  const std::vector<heatmap_delta> plays{{module("m"), 70'000, bin_sums(70, 1'000)},
                                         {module("a"), 1'000, {2'000}}};
  need(tested->add_plays(plays, "one", 1));
  need(tested->add_plays(plays, "one", 1));  // the answer was lost: asked again
  BOOST_TEST(need_heatmap(*tested, "m").bins.play_ms == bin_sums(70, 1'000),
             boost::test_tools::per_element());
  need(tested->add_plays(plays, "one", 2));
  need(tested->add_plays(plays, "two", 1));
  need(tested->add_plays({}, "two", 2));
  BOOST_TEST(need_heatmap(*tested, "m").bins.play_ms == bin_sums(70, 3'000),
             boost::test_tools::per_element());
  BOOST_TEST(need_heatmap(*tested, "a").bins.play_ms[0] == 6'000u);
  BOOST_TEST(need_heatmap(*tested, "a").students == 0u);
  // A gateway that knows another duration: the total arrives all the same.
  need(tested->add_plays(std::vector<heatmap_delta>{{module("m"), 3'000, {1, 2, 3}}}, "two", 3));
  BOOST_TEST(total(need_heatmap(*tested, "m").bins.play_ms) == 210'006u);
  BOOST_TEST(need_heatmap(*tested, "m").bins.play_ms[2] == 3'003u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_recount_follows_the_catalogue, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  need(tested->put_module({module("m"), "M", {.duration_ms = 10'000}, wall_ms{1}}));
  checkpoint(*tested, {seen("ann", "m", covering({{0, 9'500}}), 10'000)});
  need(tested->add_plays(std::vector<heatmap_delta>{{module("m"), 10'000, bin_sums(10, 100)}}, "g",
                         1));
  BOOST_TEST(need(tested->recount_heatmap(module("m"), false)).right());

  need(tested->put_module({module("m"), "M", {.duration_ms = 4'000}, wall_ms{2}}));
  auto told = need(tested->recount_heatmap(module("m"), false));
  BOOST_TEST(told.other_duration);
  BOOST_TEST(told.recorded_ms == 9'500u);
  BOOST_TEST(told.counted_ms == 4'000u);  // what lies beyond the end does not count
  BOOST_TEST(need_heatmap(*tested, "m").bins.layout.duration_ms == 10'000);  // nothing was written
  told = need(tested->recount_heatmap(module("m"), true));
  BOOST_TEST(told.students == 1u);
  const auto found = need_heatmap(*tested, "m");
  BOOST_TEST(found.bins.viewer_ms == bin_sums(4, 1'000), boost::test_tools::per_element());
  BOOST_TEST(found.bins.play_ms == bin_sums(4, 100), boost::test_tools::per_element());
  BOOST_TEST(need(tested->recount_heatmap(module("m"), false)).right());
  // What comes later is added in the new bins.
  checkpoint(*tested, {seen("bob", "m", covering({{3'000, 4'000}}), 4'000)});
  BOOST_TEST(need_heatmap(*tested, "m").bins.viewer_ms[3] == 2'000u);

  BOOST_TEST(need(tested->recount_heatmap(module("nobody"), true)).right());
  BOOST_TEST(!need(tested->heatmap_of(module("nobody"))).has_value());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_recount_finds_and_mends_what_is_wrong, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  checkpoint(*tested, {seen("ann", "m", covering({{0, 100'000}}))});
  execute(place, "DELETE FROM heatmap_part WHERE part = 0");
  auto told = need(tested->recount_heatmap(module("m"), false));
  BOOST_TEST(!told.right());
  BOOST_TEST(told.wrong_bins == 64u);
  BOOST_TEST(told.recorded_ms == 36'000u);
  BOOST_TEST(told.counted_ms == 100'000u);
  BOOST_TEST(!need(tested->recount_heatmap(module("m"), true)).right());
  BOOST_TEST(need(tested->recount_heatmap(module("m"), true)).right());
  check_conservation(*tested);
}

/// What a gateway from before heatmaps left is counted by the first migration, once.
BOOST_AUTO_TEST_CASE_TEMPLATE(migrating_counts_what_was_there_before, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  checkpoint(*tested, {seen("ann", "m", covering({{0, 5'000}})),
                       seen("bob", "n", covering({{1'000, 2'000}}))});
  const auto forget = [&] {
    execute(place, "DELETE FROM heatmap_part");
    execute(place, "DELETE FROM heatmap");
  };
  forget();
  execute(place, "DELETE FROM deployment WHERE key = 'heatmaps'");
  need(place.make()->migrate());
  check_conservation(*tested);
  BOOST_TEST(total(need_heatmap(*tested, "m").bins.viewer_ms) == 5'000u);
  forget();
  need(place.make()->migrate());
  BOOST_TEST(!need(tested->heatmap_of(module("m"))).has_value());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(modules_that_are_watched_are_listed, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  BOOST_TEST(!need(tested->next_watched_module({})).has_value());
  checkpoint(*tested, {seen("ann", "b", {}), seen("ann", "B", covering({{0, 1}}))});
  need(tested->add_plays(std::vector<heatmap_delta>{{module("c"), 1'000, {1}}}, "g", 1));
  need(tested->put_module({module("bb"), "not watched", {.duration_ms = 1}, wall_ms{1}}));
  std::string all;
  std::optional<module_id> at;
  while ((at = need(tested->next_watched_module(at)))) all += std::string(at->view()) + " ";
  BOOST_TEST(all == "B b c ");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_broken_part_is_corrupt, Place, places) {
  constexpr bool sqlite = std::is_same_v<Place, sqlite_place>;
  const Place place;
  const auto tested = make_migrated(place);
  checkpoint(*tested, {seen("ann", "m", covering({{0, 1'000}}), 1'000)});
  // A number behind the end of the module.
  execute(place, sqlite ? "UPDATE heatmap_part SET viewer_ms = x'" + std::string(1023, '0') + "1'"
                        : "UPDATE heatmap_part SET viewer_ms[64] = 1");
  const auto applied = tested->heatmap_of(module("m"));
  BOOST_REQUIRE(!applied.has_value());
  BOOST_TEST(applied.error().code == storage_error::corrupt);
}

/// The same pairs, new to the ledger, from two gateways at once: each millisecond counts once.
BOOST_AUTO_TEST_CASE_TEMPLATE(gateways_at_once_count_once, Place, places) {
  const Place place;
  const auto migrated = make_migrated(place);
  constexpr int rounds = 12;
  for (int round = 0; round < rounds; ++round)
    enrol(*migrated,
          names(30, [&](int i) { return "s" + std::to_string(round) + "-" + std::to_string(i); }));
  constexpr int gateways = 3;
  std::barrier together(gateways);
  std::atomic<int> failed{0};
  {
    std::vector<std::jthread> threads;
    for (int g = 0; g < gateways; ++g)
      threads.emplace_back([&, g] {
        const auto own = place.make();
        std::mt19937_64 random(ledger_seed() + static_cast<unsigned>(g));
        for (int round = 0; round < rounds; ++round) {
          std::vector<pair_progress> batch;
          for (int i = 0; i < 30; ++i)
            batch.push_back(seen("s" + std::to_string(round) + "-" + std::to_string(i),
                                 "m" + std::to_string(i % 4),
                                 covering({{g * 2'000, 10'000 + g * 3'000}}), 20'000));
          std::shuffle(batch.begin(), batch.end(), random);
          std::vector<heatmap_delta> plays{{module("m0"), 20'000, bin_sums(20, 1)},
                                           {module("m3"), 20'000, bin_sums(20, 1)}};
          together.arrive_and_wait();
          if (!own->checkpoint(batch, wall_ms{round})) ++failed;
          if (!own->add_plays(plays, "g" + std::to_string(g), round)) ++failed;
          if (g == 0 && round % 3 == 0 && !own->recount_heatmap(module("m1"), true)) ++failed;
          if (g == 1 && round % 4 == 0 &&
              !own->erase_student(student("s" + std::to_string(round) + "-1"), "admin", "00",
                                  wall_ms{1}, 0))
            ++failed;
        }
      });
  }
  BOOST_TEST(failed == 0);
  const auto reader = place.make();
  check_conservation(*reader);
  BOOST_TEST(need_heatmap(*reader, "m0").bins.play_ms == bin_sums(20, gateways * rounds),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
