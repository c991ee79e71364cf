#include <boost/test/unit_test.hpp>
#include <optional>
#include <random>

#include "actors/stores/revision_judge.hpp"
#include "storage/memory/faulty_store.hpp"
#include "storage/memory/memory_store.hpp"
#include "tests/actors/simulation/simulated_ledger.hpp"
#include "tests/actors/support.hpp"

namespace watchkeeper::actors::testing {
namespace {

/// A judge over model stores, with a module of one minute whose threshold is 95 %.
struct judging {
  judging() {
    put(9'500);
    while (judge.is_due()) judge.step();
  }
  void put(std::int32_t threshold_centipercent) {
    module_record module{.id = module_named("m1"), .title = "M", .rules = {}, .updated_ms = {}};
    module.rules = {.duration_ms = 60'000, .mastery_centipercent = threshold_centipercent};
    ledger.put_module(module);
  }
  static pair_key key_of(int who) { return {student(who), module_named("m1")}; }
  /// Checkpointed, and clean in the hot store if that has it.
  void play(int who, media_ms to_ms, bool in_hot_store) {
    storage::pair_progress pair{key_of(who), blank()};
    pair.state.covered.add({0, to_ms});
    (void)ledger.checkpoint({pair}, clock.wall_now());
    if (in_hot_store)
      BOOST_REQUIRE(hot.merge({&pair, 1}, storage::merge_origin::ledger_and_memory).has_value());
  }
  std::optional<progress> in_hot_store(int who) {
    const auto key = key_of(who);
    return (*hot.read({&key, 1}))[0];
  }
  int steps_until_done() {
    int steps = 0;
    for (judge.request(); judge.is_due(); ++steps) judge.step();
    return steps;
  }

  manual_clock clock;
  storage::memory_store hot{1000};
  storage::store_fault hot_fault = storage::store_fault::none;
  storage::faulty_store faulty_hot{hot, [this](std::string_view) { return hot_fault; }};
  test::ledger_model ledger{.has_everybody = true};
  store_weather weather;
  store_link link;
  fate never_ends;
  std::mt19937_64 random{1};
  weather_plan plan{weather, link, never_ends, random};
  simulated_ledger faulty_ledger{ledger, plan, never_ends};
  hot_store_probe hot_state;
  ledger_probe ledger_state;
  std::vector<std::string> log;
  revision_judge judge{{.hot = faulty_hot,
                        .ledger = faulty_ledger,
                        .probe = ledger_state,
                        .hot_probe = hot_state,
                        .time = clock,
                        .log = [this](log_level, const std::string&,
                                      const std::string& text) { log.push_back(text); },
                        .pairs_a_step = 2}};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(revision_judges)

BOOST_AUTO_TEST_CASE(a_lower_threshold_masters_all_who_reach_it) {
  judging j;
  for (int who = 0; who < 5; ++who) j.play(who, who < 4 ? 55'000 : 53'000, who % 2 == 0);
  BOOST_TEST(j.ledger.completions.empty());
  j.put(9'000);
  BOOST_TEST(j.steps_until_done() == 4);  // 2, 2, 1 of 5 pairs, and nothing
  BOOST_TEST(j.ledger.completions.size() == 4u);
  for (const auto& [key, event] : j.ledger.completions) BOOST_TEST(event.revision == 2);
  for (const int who : {0, 2}) BOOST_TEST(j.in_hot_store(who)->mastered_ms != never);
  BOOST_TEST(j.in_hot_store(4)->mastered_ms == never);
  BOOST_TEST(!j.in_hot_store(1).has_value());  // it was read from the ledger only
  BOOST_TEST(j.judge.jobs().empty());
}

BOOST_AUTO_TEST_CASE(the_jobs_show_how_far_it_is) {
  judging j;
  for (int who = 0; who < 5; ++who) j.play(who, 10'000, false);
  j.put(9'000);
  j.judge.request();
  j.judge.step();
  const auto jobs = j.judge.jobs();
  BOOST_REQUIRE(jobs.size() == 1u);
  BOOST_TEST((jobs[0] == storage::judging_progress{module_named("m1"), 2, 2, 5}));
  j.put(8'000);  // from the beginning, by the newer rules
  j.judge.step();
  BOOST_TEST((j.judge.jobs()[0] == storage::judging_progress{module_named("m1"), 3, 2, 5}));
}

BOOST_AUTO_TEST_CASE(while_another_gateway_judges_it_looks_every_second) {
  judging j;
  j.play(1, 10'000, false);
  using std::chrono::milliseconds;
  const milliseconds round(30'000);
  BOOST_TEST((j.judge.wait_max(round) == round));
  j.put(9'000);
  j.judge.request();
  BOOST_TEST((j.judge.wait_max(round) == milliseconds(0)));
  j.ledger.judged_elsewhere = true;
  j.judge.step();
  BOOST_TEST((j.judge.wait_max(round) == milliseconds(1000)));
  BOOST_TEST(j.judge.is_due());
  j.ledger.judged_elsewhere = false;
  j.judge.step();
  BOOST_TEST((j.judge.wait_max(round) == milliseconds(0)));
  j.judge.step();
  BOOST_TEST((j.judge.wait_max(round) == round));
  BOOST_TEST(!j.judge.is_due());
}

BOOST_AUTO_TEST_CASE(a_ledger_that_is_away_is_asked_again_when_requested) {
  judging j;
  j.play(1, 55'000, false);
  j.put(9'000);
  j.weather.is_down = true;
  BOOST_TEST(j.steps_until_done() == 1);
  BOOST_TEST(j.log.size() == 1u);
  BOOST_TEST(j.ledger.completions.empty());
  j.weather.is_down = false;
  BOOST_TEST(j.steps_until_done() == 2);
  BOOST_TEST(j.ledger.completions.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_hot_store_that_is_away_ends_nothing) {
  judging j;
  for (int who = 0; who < 5; ++who) j.play(who, 55'000, true);
  j.put(9'000);
  j.hot_fault = storage::store_fault::lost_request;
  BOOST_TEST(j.steps_until_done() == 4);
  BOOST_TEST(j.ledger.completions.size() == 5u);
  BOOST_TEST(j.hot_state.failures.load() == 3u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::actors::testing
