#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <ostream>
#include <random>
#include <string_view>

/// What may happen in a run of the simulation of gateways, and what did.
namespace watchkeeper::actors::testing::simulation {

/// What may happen in a run, drawn from its seed.
struct course {
  std::size_t processes = 1;
  bool kills = false;
  bool clock_steps = false;
  bool hot_emptied = false;
  bool hot_older = false;     // it comes back without its last writes
  bool ledger_older = false;  // it comes back without its last transactions
  bool lives = false;         // students are erased and enrolled again, pairs are reset
  bool catalogue = false;     // modules get other rules, are removed and return
  bool retires = false;       // pairs leave the hot store soon after they were played last
  bool fair = false;          // the stores are well for most of the time
  bool slow_news = false;     // gateways hear late of what others have changed
  bool tight_bucket = false;
  bool few_pairs = false;  // shards must evict pairs
  double fault_rate = 0;

  /// A bucket that is not filled as fast as is played, or not while the clock stands behind.
  bool may_cut() const { return tight_bucket || clock_steps; }
  /// What the hot store loses may have been in the memory of a dead gateway only.
  bool may_lose() const { return kills && (hot_emptied || hot_older); }

  static course of(std::mt19937_64& random) {
    course c;
    c.processes = 1 + random() % 3;
    c.lives = random() % 3 != 0;
    c.fair = c.lives && random() % 2 == 0;
    c.slow_news = c.lives && random() % 3 == 0;
    c.hot_emptied = random() % 6 == 0;
    c.hot_older = !c.hot_emptied && random() % 3 == 0;
    const bool hot_loses = c.hot_emptied || c.hot_older;
    c.kills = hot_loses ? c.hot_older && c.lives && random() % 4 == 0 : random() % 3 != 0;
    c.clock_steps = random() % 4 == 0;
    c.ledger_older = (!hot_loses || (c.hot_older && !c.kills)) && random() % 2 == 0;
    if (c.ledger_older && !hot_loses && random() % 4 != 0) c.lives = c.fair = true;
    c.catalogue = random() % 2 == 0;
    c.retires = random() % 3 == 0;
    c.tight_bucket = random() % 3 == 0;
    c.few_pairs = !hot_loses && random() % 3 == 0;
    constexpr double rates[] = {0, 0.01, 0.05, 0.2};
    c.fault_rate = rates[random() % std::size(rates)];
    return c;
  }
};

std::ostream& operator<<(std::ostream& out, const course& c);

/// What happened in a run.
struct totals {
  std::uint64_t sent = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t rejected = 0;
  std::uint64_t faults = 0;
  std::uint64_t read = 0;
  std::uint64_t half_done = 0;  // calls of the API that failed, or whose answers were lost
  std::uint64_t mastered = 0;
  std::map<std::string_view, std::uint64_t> happened;  // by kind, see kinds
};

/// What has to happen in some of the seeds.
inline constexpr std::string_view kinds[] = {
    "request lost",    "reply lost",        "call refused",      "hot store down",
    "ledger down",     "hot store refuses", "ledger refuses",    "link cut",
    "gateway killed",  "killed in a call",  "clock set",         "hot store emptied",
    "hot store older", "ledger older",      "both stores older", "backup restored",
    "enrolment lost",  "erasure lost",      "reset lost",        "catalogue change lost",
    "degraded",        "credit limited",    "bucket used up",    "news late",
    "memory small",    "pair retired",      "enrolled again",    "erased",
    "reset",           "rules changed",     "module removed",    "module returned",
    "call half done"};

}  // namespace watchkeeper::actors::testing::simulation
