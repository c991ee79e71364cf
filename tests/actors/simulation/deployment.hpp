#pragma once

#include <caf/scheduler/test_coordinator.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "tests/actors/simulation/simulated_process.hpp"
#include "tests/actors/testing_system.hpp"

/// The whole deployment that the simulation of gateways runs, and the invariants that must hold in
/// it.
namespace watchkeeper::actors::testing::simulation {

inline constexpr std::size_t device_count = 4;
inline constexpr media_ms duration_ms = 60'000;
inline constexpr media_ms mastery_ms = 57'000;

/// What may happen in a run, drawn from its seed.
struct course {
  std::size_t processes = 1;
  bool kills = false;
  bool clock_steps = false;
  bool hot_emptied = false;  // then nobody is killed: what only a dead gateway had would be lost
  bool tight_bucket = false;
  bool few_pairs = false;  // shards must evict pairs
  double fault_rate = 0;

  /// A bucket that is not filled as fast as is played, or not while the clock stands behind.
  bool may_cut() const { return tight_bucket || clock_steps; }

  static course of(std::mt19937_64& random) {
    course c;
    c.processes = 1 + random() % 3;
    c.hot_emptied = random() % 5 == 0;
    c.kills = !c.hot_emptied && random() % 3 != 0;
    c.clock_steps = random() % 4 == 0;
    c.tight_bucket = random() % 3 == 0;
    c.few_pairs = !c.hot_emptied && random() % 3 == 0;
    constexpr double rates[] = {0, 0.01, 0.05, 0.2};
    c.fault_rate = rates[random() % std::size(rates)];
    return c;
  }
};

std::ostream& operator<<(std::ostream& out, const course& c);

/// A heartbeat that a device made.
struct beat {
  pair_key pair;
  media_interval interval;
  session_id session;
  std::uint32_t sequence = 0;
  std::string token;
  token_claims claims;
  bool settled = false;                 // acknowledged, or finally rejected
  std::optional<media_ms> credited_ms;  // by its results
};

/// A device, with all heartbeats that it made.
struct device {
  const crypto::device_signer* signer = nullptr;
  student_id student;
  std::size_t at = 0;  // the process it talks to
  std::size_t module = 0;
  unsigned sessions = 0;
  std::uint32_t next_sequence = 0;
  media_ms position_ms = 0;
  std::vector<beat> beats;
};

/// What happened in a run.
struct totals {
  std::uint64_t sent = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t rejected = 0;
  std::uint64_t deaths = 0;
  std::uint64_t faults = 0;
  std::uint64_t emptied = 0;
  std::uint64_t mastered = 0;
  std::uint64_t degraded = 0;
};

/// Gateways, two stores and devices, in a run that a seed decides. Not thread-safe: one thread runs
/// all.
class deployment {
 public:
  explicit deployment(std::uint64_t seed);
  ~deployment();

  /// The first invariant that was broken, or `ok`.
  [[nodiscard]] result<ok_t, std::string> run();
  [[nodiscard]] const course& what() const noexcept { return course_; }
  totals counts;
  static inline bool trace = false;

 private:
  class ear;

  std::uint64_t below(std::uint64_t bound) { return world_.below(bound); }
  bool chance(std::uint64_t of) { return below(of) == 0; }
  caf::scheduler::test_coordinator& scheduler();
  /// Prints the event in the replay of a single seed.
  void note(const std::string& what) const;
  void fail(std::string why) {
    if (!wrong_) wrong_ = std::move(why);
  }
  static std::string name_of(const pair_key& pair);
  static std::string show(const coverage& covered);
  static std::string show_interval(const media_interval& i);
  static bool includes(const coverage& whole, const coverage& part);

  // What happens (deployment.cpp).

  void one_step();
  void pass_time(std::uint64_t ms);
  simulated_process& any() { return *processes_[below(processes_.size())]; }
  void start(std::shared_ptr<simulated_process>& place);
  static std::string state_of(const store_weather& w);
  void weather();
  void disaster();
  void play(std::size_t who);
  void retry(std::size_t who);
  void send(std::size_t who, std::size_t which);
  void take_result(std::size_t who, std::size_t which, const heartbeat_result& result);
  static media_ms length_of(const media_interval& i);
  static std::string_view name_of_problem(problem why);
  static coverage promised(const beat& b);
  void turn_of_an_actor();

  // What must hold (deployment_checks.cpp).

  std::optional<progress> in_hot(const pair_key& key);
  std::optional<progress> in_ledger(const pair_key& key);
  coverage durable(const pair_key& key);
  template <class Look>
  void each_pair(Look look) {
    for (const auto& d : devices_)
      for (const auto& module : modules_) look(d, pair_key{d.student, module});
  }
  /// After every step. I4: what both stores have together never shrinks.
  void watch();
  /// Puts everything right, and waits until each heartbeat has its result and is checkpointed.
  void settle();
  /// Until nobody has anything to do.
  void quieten();
  /// At the end: the invariants of each pair.
  void check();
  bool left_in_the_ledger() const;
  /// The progress in a shard's memory must be right too, although it may be behind another
  /// gateway's.
  void check_memory(simulated_process& process, const pair_key& pair, const coverage& truth);

  simulated_world world_;
  const course course_;
  testing_config config_;
  caf::actor_system system_;
  std::vector<module_id> modules_;
  std::vector<std::shared_ptr<simulated_process>> processes_;
  std::vector<std::shared_ptr<simulated_process>> everyone_;  // the dead as well
  std::vector<device> devices_;
  std::map<std::string, media_ms> highest_;
  bool emptied_ = false;
  std::optional<std::string> wrong_;
};

}  // namespace watchkeeper::actors::testing::simulation
