#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <string_view>

#include "tests/actors/simulation/deployment.hpp"

/// A seeded simulation of a whole deployment: gateways (their real sessions, shards, writers and
/// checkpointers) that die and start again, a hot store and a ledger with faults, devices that
/// retry and move. Everything moves one step at a time, in an order that the seed decides, so that
/// a seed always finds the same.
///
///   actors_test --run_test=simulation_of_gateways -- --seed 8141     one seed
///   actors_test --run_test=simulation_of_gateways -- --seeds 10000   1 … 10,000
///   … -- --first 20001 --seeds 10000                                 others

using namespace watchkeeper;
using namespace watchkeeper::actors::testing::simulation;

namespace {

std::optional<std::uint64_t> option(const std::string& name) {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  for (int i = 1; i + 1 < suite.argc; ++i)
    if (suite.argv[i] == name) return std::strtoull(suite.argv[i + 1], nullptr, 10);
  return std::nullopt;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(simulation_of_gateways)

BOOST_AUTO_TEST_CASE(results_that_devices_got_stay_true) {
  const auto one = option("--seed");
  const auto first = one ? *one : option("--first").value_or(1);
  const auto count = one ? 1 : option("--seeds").value_or(300);
  deployment::trace = one.has_value();
  totals all;
  std::uint64_t failures = 0;
  std::map<std::string_view, std::uint64_t> seeds_with;
  for (auto seed = first; seed < first + count; ++seed) {
    deployment run(seed);
    if (const auto finished = run.run(); !finished) {
      BOOST_ERROR(finished.error()
                  << "\nin a run of: " << run.what()
                  << "\nreplay: actors_test --run_test=simulation_of_gateways -- --seed " << seed);
      if (++failures == 10) break;
    }
    const auto& t = run.counts;
    all.sent += t.sent;
    all.acknowledged += t.acknowledged;
    all.duplicates += t.duplicates;
    all.rejected += t.rejected;
    all.faults += t.faults;
    all.read += t.read;
    all.half_done += t.half_done;
    all.mastered += t.mastered;
    for (const auto& [kind, times] : t.happened) {
      all.happened[kind] += times;
      ++seeds_with[kind];
    }
  }
  std::cout << "simulation: " << count << " seeds from " << first << ", " << all.sent
            << " heartbeats sent, " << all.acknowledged << " acknowledged (" << all.duplicates
            << " duplicates), " << all.rejected << " rejected, " << all.faults << " store faults, "
            << all.mastered << " mastered, " << all.read << " reads, " << failures
            << " violations\n";
  for (const auto kind : kinds)
    std::cout << "  " << kind << ": " << seeds_with[kind] << " seeds, " << all.happened[kind]
              << " times\n";
  if (one) return;
  // Each of these must have come up in some run.
  BOOST_TEST(all.acknowledged > count * 10);
  BOOST_TEST(all.duplicates > 0u);
  BOOST_TEST(all.rejected > 0u);
  BOOST_TEST(all.faults > count);
  BOOST_TEST(all.mastered > 0u);
  BOOST_TEST(all.read > 0u);
  // Each kind in 500 of 20,000 seeds, or at all in a short run.
  if (count < 200) return;
  for (const auto kind : kinds)
    BOOST_TEST(seeds_with[kind] >= (count < 2000 ? 1 : count / 40), kind);
}

BOOST_AUTO_TEST_CASE(a_seed_runs_the_same_way_again) {
  for (const std::uint64_t seed : {3u, 17u, 99u}) {
    deployment one(seed);
    deployment other(seed);
    (void)one.run();
    (void)other.run();
    BOOST_TEST(one.counts.sent == other.counts.sent);
    BOOST_TEST(one.counts.acknowledged == other.counts.acknowledged);
    BOOST_TEST(one.counts.rejected == other.counts.rejected);
    BOOST_TEST(one.counts.faults == other.counts.faults);
  }
}

BOOST_AUTO_TEST_SUITE_END()
