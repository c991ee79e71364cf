#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <iostream>
#include <string>

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
  std::uint64_t seeds_with_lives = 0, seeds_older = 0, seeds_erased = 0, seeds_reset = 0;
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
    all.emptied += t.emptied;
    all.older += t.older;
    all.enrolled += t.enrolled;
    all.erased += t.erased;
    all.reset += t.reset;
    all.read += t.read;
    all.half_done += t.half_done;
    seeds_with_lives += run.what().lives ? 1 : 0;
    seeds_older += t.older > 0 ? 1 : 0;
    seeds_erased += t.erased > 0 ? 1 : 0;
    seeds_reset += t.reset > 0 ? 1 : 0;
    all.mastered += t.mastered;
    all.degraded += t.degraded;
  }
  std::cout << "simulation: " << count << " seeds from " << first << ", " << all.sent
            << " heartbeats sent, " << all.acknowledged << " acknowledged (" << all.duplicates
            << " duplicates), " << all.rejected << " rejected, " << all.faults << " store faults, "
            << all.emptied << " times emptied, " << all.older << " times older (" << seeds_older
            << " seeds), " << all.mastered << " mastered, " << failures << " violations\n"
            << "lives: " << seeds_with_lives << " seeds, " << all.erased << " erasures ("
            << seeds_erased << " seeds), " << all.enrolled << " enrolments, " << all.reset
            << " resets (" << seeds_reset << " seeds), " << all.read << " reads, " << all.half_done
            << " calls without an answer\n";
  if (one) return;
  // Each of these must have come up in some run.
  BOOST_TEST(all.acknowledged > count * 10);
  BOOST_TEST(all.duplicates > 0u);
  BOOST_TEST(all.rejected > 0u);
  BOOST_TEST(all.faults > count);
  BOOST_TEST(all.mastered > 0u);
  BOOST_TEST(all.degraded > 0u);
  BOOST_TEST(all.older > 0u);
  BOOST_TEST(all.erased > 0u);
  BOOST_TEST(all.enrolled > 0u);
  BOOST_TEST(all.reset > 0u);
  BOOST_TEST(all.read > 0u);
  BOOST_TEST(all.half_done > 0u);
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
