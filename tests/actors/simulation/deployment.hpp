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
  bool hot_emptied = false;
  bool hot_older = false;  // it comes back without its last writes
  bool lives = false;      // students are erased and enrolled again, pairs are reset
  bool fair = false;       // the stores are well for most of the time
  bool slow_news = false;  // gateways hear late of what others have changed
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
    c.tight_bucket = random() % 3 == 0;
    c.few_pairs = !hot_loses && random() % 3 == 0;
    constexpr double rates[] = {0, 0.01, 0.05, 0.2};
    c.fault_rate = rates[random() % std::size(rates)];
    return c;
  }
};

std::ostream& operator<<(std::ostream& out, const course& c);

/// What was known of a pair when a heartbeat of it was sent.
struct sending {
  life_number floor;         // lower lives had ended for certain
  std::uint64_t ends = 0;    // see pair_truth
  std::int64_t changes = 0;  // of the registry, that the gateway had heard of
};

/// A result that says how much of a heartbeat counts.
struct acknowledgement {
  life_number life;
  media_ms credited_ms = 0;
  sending sent;
};

/// A heartbeat that a device made.
struct beat {
  pair_key pair;
  media_interval interval;
  session_id session;
  std::uint32_t sequence = 0;
  std::string token;
  token_claims claims;
  bool settled = false;  // acknowledged, or finally rejected
  std::vector<acknowledgement> acks;
};

/// What must be true of a pair.
struct pair_truth {
  life_number floor;              // lower lives have ended: an erasure or a reset was answered
  coverage playable;              // of the heartbeats that may count
  wall_ms last_end_ms;            // when the last call began that may end a life
  wall_ms ended_ms;               // when the last such call ended, by the clock of devices
  std::uint64_t ends = 0;         // beginnings and ends of such calls
  unsigned ends_in_flight = 0;    // such calls
  std::int64_t last_reset = 0;    // the registry's last change after the last reset
  std::int64_t last_erasure = 0;  // the same for erasures
  storage::recorded_pair seen;    // what the API would have shown after the step before,
  std::uint64_t seen_ends = 0;    // and how many calls may have ended it by then
};

/// Whether a student is enrolled, as far as the answers of the API say so.
enum class enrolment_state : std::uint8_t { enrolled, absent, unknown };

/// A device, with all heartbeats that it made. Its student has no other.
struct device {
  const crypto::device_signer* signer = nullptr;
  student_id student;
  enrolment_state state = enrolment_state::enrolled;
  bool is_half_erased = false;   // an erasure has failed, or its answer was lost
  std::uint64_t life_calls = 0;  // beginnings and ends of erasures and enrolments
  std::vector<pair_truth> pairs;
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
  std::uint64_t older = 0;
  std::uint64_t enrolled = 0;
  std::uint64_t erased = 0;
  std::uint64_t reset = 0;
  std::uint64_t read = 0;
  std::uint64_t half_done = 0;  // such calls that failed, or whose answers were lost
  std::uint64_t mastered = 0;
  std::uint64_t degraded = 0;
};

/// A call of the API in flight.
struct api_call {
  enum class kind : std::uint8_t { enrol, erase, reset, read };
  kind what = kind::read;
  std::size_t who = 0;
  std::size_t module = 0;  // of a reset and a read
  std::shared_ptr<simulated_process> at;
  wall_ms begun_ms;              // by the gateway's clock
  std::uint64_t life_calls = 0;  // of the device, with this one's beginning
  std::uint64_t ends = 0;        // of the pair, before
  life_number floor;             // of the pair, before
  bool was_absent = false;
  api_reply reply;
  std::optional<simulated_call> steps;
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
  void turn_of_a_watcher();
  void pass_time(std::uint64_t ms);
  simulated_process& any() { return *processes_[below(processes_.size())]; }
  void start(std::shared_ptr<simulated_process>& place);
  static std::string state_of(const store_weather& w);
  void weather();
  void disaster();
  void take_hot_store_back();
  /// The hot store has just lost something.
  void note_loss();
  void play(std::size_t who);
  void retry(std::size_t who);
  void send(std::size_t who, std::size_t which);
  void take_result(std::size_t who, std::size_t which, const heartbeat_result& result,
                   const sending& sent);
  void take_rejection(device& d, beat& b, const credit_outcome& outcome);
  static media_ms length_of(const media_interval& i);
  static std::string_view name_of_problem(problem why);
  static coverage promised(const beat& b, const acknowledgement& ack);
  void turn_of_an_actor();

  // Lives (deployment_lives.cpp).

  std::size_t index_of(const module_id& module) const;
  pair_truth& truth_of(device& d, const module_id& module) { return d.pairs[index_of(module)]; }
  device_record record_of(const device& d) const;
  void begin_some_call();
  void begin_call(api_call::kind what, std::size_t who, std::size_t module);
  static bool may_end(const api_call& call) {
    return call.what == api_call::kind::erase || call.what == api_call::kind::reset ||
           (call.what == api_call::kind::enrol && call.was_absent);
  }
  template <class Look>
  void each_pair_of(const api_call& call, Look look);
  void turn_of_a_call(std::size_t which);
  void finish(const api_call& call);
  void finish_enrolment(const api_call& call, device& d);
  void finish_erasure(const api_call& call, device& d);
  void finish_read(const api_call& call, device& d);
  /// An erasure or a reset was answered: what belongs to lower lives is gone.
  void raise_floor(device& d, std::size_t module, life_number floor, wall_ms begun_ms);
  /// Until everybody is enrolled or not, for certain.
  void settle_lives();
  bool call_and_wait(api_call::kind what, std::size_t who);

  // What must hold (deployment_checks.cpp).

  std::optional<progress> in_hot(const pair_key& key);
  std::optional<progress> in_ledger(const pair_key& key);
  /// What the API shows if it can read both stores.
  storage::recorded_pair shown(const pair_key& key);
  /// After every step.
  void watch();
  /// I4: what both stores have together never shrinks within a life.
  void watch_pair(device& d, std::size_t module);
  /// I6: nothing of a life that ended is in a store.
  void check_ended(const device& d, std::size_t module);
  /// The hot store may have lost erasures that have not been repeated.
  bool lacks_erasures() const { return lost_at_ && *lost_at_ == world_.checkpoints; }
  /// Of all processes, also the dead ones.
  std::uint64_t ledger_faults() const;
  /// Without the ledger, a gateway goes on from memory if the hot store has lost the pair.
  bool may_go_on_from_memory() const {
    return has_lost_ && ledger_faults() != ledger_faults_at_loss_;
  }
  /// I1, at the moment when the promise is given.
  void check_promise(device& d, const beat& b, const acknowledgement& ack);
  /// The gateway that took the heartbeat had not heard of a reset, which was answered, or may have
  /// taken effect.
  static bool is_unheard(const pair_truth& truth, const sending& sent) {
    return sent.changes < truth.last_reset;
  }
  /// Puts everything right, and waits until each heartbeat has its result and is checkpointed.
  void settle();
  /// Until each gateway knows what has changed in the ledger.
  void spread_changes();
  /// Until nobody has anything to do.
  void quieten();
  /// At the end: the invariants of each pair.
  void check();
  void check_absent(const device& d, const pair_key& pair);
  void check_enrolled(const device& d, const pair_truth& truth, const pair_key& pair);
  /// Credit that was acknowledged, and did not end with its life.
  coverage acknowledged(const device& d, const pair_truth& truth, const pair_key& pair,
                        life_number life);
  bool left_in_the_ledger() const;
  /// The progress in a shard's memory must be right too, although it may be behind another
  /// gateway's.
  void check_memory(simulated_process& process, const pair_key& pair,
                    const std::optional<progress>& truth);

  simulated_world world_;
  const course course_;
  testing_config config_;
  caf::actor_system system_;
  std::vector<module_id> modules_;
  std::vector<std::shared_ptr<simulated_process>> processes_;
  std::vector<std::shared_ptr<simulated_process>> everyone_;  // the dead as well
  std::vector<device> devices_;
  std::vector<std::unique_ptr<api_call>> calls_;
  bool is_settling_ = false;
  bool has_lost_ = false;                 // the hot store was emptied, or came back older
  std::optional<std::uint64_t> lost_at_;  // when, in complete checkpoints
  std::uint64_t ledger_faults_at_loss_ = 0;
  std::optional<std::string> wrong_;
};

}  // namespace watchkeeper::actors::testing::simulation
