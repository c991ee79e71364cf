#pragma once

#include <caf/scheduler/test_coordinator.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "domain/limits.hpp"
#include "tests/actors/simulation/course.hpp"
#include "tests/actors/simulation/simulated_process.hpp"
#include "tests/actors/testing_system.hpp"

/// The whole deployment that the simulation of gateways runs, and the invariants that must hold in
/// it.
namespace watchkeeper::actors::testing::simulation {

inline constexpr std::size_t device_count = 4;
inline constexpr media_ms duration_ms = 60'000;  // of all modules, until the catalogue changes

/// What was known of a pair when a heartbeat of it was sent.
struct sending {
  life_number floor;          // lower lives had ended for certain
  std::uint64_t ends = 0;     // see pair_truth
  registry_position changes;  // that the gateway had heard of
  std::uint64_t losses = 0;   // of the ledger
  std::uint64_t hot_losses = 0;
  bool is_degraded = false;           // the gateway,
  std::uint64_t degraded_spells = 0;  // which had been so often
  bool is_ledger_behind = false;
  int step = 0;
  media_interval interval;  // what the module has of it
  const simulated_process* by = nullptr;
};

/// A result that says how much of a heartbeat counts.
struct acknowledgement {
  life_number life;
  media_ms credited_ms = 0;
  bool is_degraded = false;  // the gateway
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
  struct beginning {
    life_number life;
    wall_ms begun_ms;  // by the clock of the gateway
  };
  std::vector<beginning> begun;    // by erasures and resets that were answered
  life_number floor;               // the last of them: lower lives have ended
  coverage playable;               // of the heartbeats that may count
  wall_ms last_end_ms;             // when the last call began that may end a life
  wall_ms ended_ms;                // when the last such call ended, by the clock of devices
  std::uint64_t ends = 0;          // beginnings and ends of such calls
  unsigned ends_in_flight = 0;     // such calls
  bool may_end_late = false;       // by a reset that only a degraded gateway still knows
  registry_position last_reset;    // the registry's last change after the last reset
  registry_position last_erasure;  // the same for erasures
  storage::recorded_pair seen;     // what the API would have shown after the step before,
  std::uint64_t seen_ends = 0;     // and how many calls may have ended it by then

  /// At any moment from now on.
  bool may_end() const { return ends_in_flight > 0 || may_end_late; }
};

/// Whether a student is enrolled, as far as the answers of the API say so.
enum class enrolment_state : std::uint8_t { enrolled, absent, unknown };

/// What came of one bucket of a student, in real time by the rates of the modules.
struct bucket_account {
  credit_us granted_us = 0;  // at the beginning, and by losses since
  credit_us earned_us = 0;   // what was acknowledged
  wall_ms begins_ms;         // time counts from here on,
  wall_ms last_ms;           // up to the last heartbeat that earned something
  std::uint64_t spell = 0;   // of a degraded gateway, by simulated_process::degraded_spells
};

/// A device, with all heartbeats that it made. Its student has no other.
struct device {
  const crypto::device_signer* signer = nullptr;
  student_id student;
  enrolment_state state = enrolment_state::enrolled;
  bool is_half_erased = false;       // an erasure has failed, or its answer was lost
  std::uint64_t life_calls = 0;      // beginnings and ends of erasures and enrolments
  std::uint32_t erased_below = 0;    // these epochs have ended, by the last answered erasure,
  std::uint64_t erased_at_loss = 0;  // which began after so many losses of the ledger
  int back_at_step = -1;             // when the ledger had a student who was erased
  std::uint64_t enrolment_lost = 0;  // by this loss of the ledger; 0: it was not
  std::vector<pair_truth> pairs;
  std::size_t at = 0;  // the process it talks to
  std::size_t module = 0;
  unsigned sessions = 0;
  std::uint32_t next_sequence = 0;
  media_ms position_ms = 0;
  std::vector<beat> beats;
  /// Of the bucket in the hot store.
  bucket_account hot{.granted_us = limits::bucket_start_us, .begins_ms = {}, .last_ms = {}};
  /// Of the buckets that gateways without their hot store have in its place.
  std::map<const simulated_process*, bucket_account> degraded;
  wall_ms sent_ms;      // the first heartbeat
  wall_ms recorded_ms;  // the last credit that the ledger had before this step
};

/// What has been put for a module, whether the ledger still has it or not.
struct module_truth {
  std::vector<module_rules> rules;
  bool is_revision_lost = false;  // the ledger has lost a change
};

/// A call of the API in flight.
struct api_call {
  enum class kind : std::uint8_t { enrol, erase, reset, read, put_module, remove_module };
  kind what = kind::read;
  std::size_t who = 0;
  std::size_t module = 0;  // of a reset and a read
  std::shared_ptr<simulated_process> at;
  wall_ms begun_ms;              // by the gateway's clock
  std::uint64_t life_calls = 0;  // of the device, with this one's beginning
  std::uint64_t ends = 0;        // of the pair, before
  life_number floor;             // of the pair, before
  std::uint64_t losses = 0;      // of the ledger, before
  bool is_ledger_behind = false;
  bool was_absent = false;
  bool was_removed = false;          // the module
  std::optional<life_number> event;  // the life in which the pair had a completion, before
  module_rules rules;                // that are put
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
  static std::string show_life(const life_number& life);
  static std::string show_interval(const media_interval& i);
  static bool includes(const coverage& whole, const coverage& part);

  // What happens (deployment.cpp, deployment_faults.cpp).

  void one_step();
  void turn_of_a_watcher();
  void pass_time(std::uint64_t ms);
  void note_totals();
  simulated_process& any() { return *processes_[below(processes_.size())]; }
  void start(std::shared_ptr<simulated_process>& place);
  static std::string state_of(const store_weather& w);
  void weather();
  void disaster();
  void happened(std::string_view kind) { ++counts.happened[kind]; }
  void take_hot_store_back();
  /// The hot store has just lost something.
  void note_loss();
  void take_ledger_back(std::size_t transactions_max);
  /// As a file that is put back: its clock is lower. False: some gateway would not notice.
  bool is_loss_noticed();
  void note_ledger_loss(const test::ledger_model& before);
  void note_lost_life(device& d, const test::ledger_model& before);
  void note_lost_reset(device& d, std::size_t module, const test::ledger_model& before);
  void drop_resets_in_no_store(device& d, std::size_t module);
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
  /// Of a pair that has progress, if the student has any.
  void begin_reset_of_played(std::size_t who);
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
  /// After the beginnings have changed.
  void set_floor(device& d, std::size_t module);
  /// Else only a degraded gateway may have it in memory.
  bool is_in_a_store(const device& d, std::size_t module, life_number life);
  /// The ledger has the last answered erasure, or was given it again after it went back.
  bool is_erased_in_ledger(const device& d) const;
  /// Until everybody is enrolled or not, for certain.
  void settle_lives();
  bool call_and_wait(api_call::kind what, std::size_t who, std::size_t module = 0);

  // The catalogue (deployment_catalogue.cpp).

  void begin_some_change();
  /// Begins the call of a change.
  void change_module(api_call& call);
  void finish_change(const api_call& call);
  /// The rules of the newest revision, also of a module that was removed.
  const module_rules& rules_of(std::size_t module) const;
  bool is_removed(std::size_t module) const;
  /// The one that the ledger has for the life, if any.
  const storage::completion* event_of(const pair_key& pair, life_number life) const;
  /// I7 and the numbers of the outbox, after each step.
  void watch_events();
  void check_new_event(const storage::completion& event);
  /// I3 and I7 of a pair.
  void check_mastery(std::size_t module, const pair_key& pair,
                     const std::optional<progress>& recorded);
  /// Some of the removed modules return.
  void settle_catalogue();

  // Buckets (deployment_buckets.cpp).

  /// The `max_rate` of the module, in thousandths. It stays what it is.
  std::int32_t rate_of(std::size_t module) const;
  void allow_everybody(credit_us more_us);
  void note_earned(device& d, std::size_t module, const credit_outcome& outcome,
                   const sending& sent);
  /// With the first credit begins the time of the bucket in the hot store.
  void watch_first_credits();
  void watch_degraded_buckets(const simulated_process& process);
  void check_bucket(const device& d, const bucket_account& account);
  /// For I8, which is checked with each result.
  void watch_buckets();

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
  bool lacks_erasures() const {
    // By a clock that was set, an erasure that the ledger has lost is too old to be repeated.
    const bool may_be_told_no_more = course_.clock_steps && world_.past.losses > 0;
    return lost_at_ && (*lost_at_ == world_.checkpoints || may_be_told_no_more);
  }
  /// Before a reset is answered: no gateway has ever been without the hot store, which has all that
  /// it was told, as has the ledger.
  bool is_hot_store_told_of_resets() const;
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
  /// Only the ledger had it, which has lost it: the gateway has died before it could give it to the
  /// hot store, or the student was unknown when it could.
  bool is_lost_with_the_ledger(const device& d, const acknowledgement& ack) const;
  /// The ledger went back, and not all that it lacks is there again.
  bool is_behind_since(bool was_behind, std::uint64_t losses) const {
    return was_behind || is_ledger_behind_ || losses != world_.past.losses;
  }
  /// Of this student. It is in the hot store, unless half an erasure has removed it there.
  bool may_lack_reset(const device& d) const { return is_ledger_behind_ || is_half_known(d); }
  bool is_half_known(const device& d) const {
    return world_.past.losses > 0 && d.state == enrolment_state::unknown;
  }
  /// Whether each gateway that lives has its hot store and has caught up, and one lives.
  bool have_caught_up(const std::function<bool(const simulated_process&)>& has_caught_up) const;
  void watch_ledger();
  void watch_hot_store();
  /// Until all gateways have noticed that the ledger went back.
  void spread_losses();
  /// Puts everything right, and waits until each heartbeat has its result and is checkpointed.
  void settle();
  /// Until each gateway knows what has changed in the ledger.
  void spread_changes();
  /// Until nobody has anything to do.
  void quieten();
  /// At the end: the invariants of each pair.
  void check();
  void check_absent(const device& d, const pair_key& pair);
  void check_enrolled(const device& d, std::size_t module);
  void check_stores_agree(const pair_key& pair, const std::optional<progress>& recorded);
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
  std::vector<module_truth> module_truths_;
  std::map<std::int64_t, std::pair<test::ledger_model::key, life_number>> outbox_;  // ever seen
  int step_ = 0;
  std::vector<std::shared_ptr<simulated_process>> processes_;
  std::vector<std::shared_ptr<simulated_process>> everyone_;  // the dead as well
  std::vector<device> devices_;
  std::vector<std::unique_ptr<api_call>> calls_;
  bool is_settling_ = false;
  bool has_lost_ = false;                 // the hot store was emptied, or came back older
  bool is_hot_behind_ = false;            // and not all gateways have given it what they have
  std::optional<std::uint64_t> lost_at_;  // when, in complete checkpoints
  std::uint64_t ledger_faults_at_loss_ = 0;
  bool is_ledger_behind_ = false;  // it went back, and not all gateways have caught up
  std::optional<std::string> wrong_;
};

}  // namespace watchkeeper::actors::testing::simulation
