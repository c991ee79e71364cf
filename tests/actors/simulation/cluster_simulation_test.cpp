#include <boost/test/unit_test.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <cstdlib>
#include <iostream>
#include <set>
#include <string>

#include "tests/actors/simulation/simulated_process.hpp"
#include "tests/actors/testing_system.hpp"

/// A seeded simulation of a whole deployment: gateways (their real sessions, shards, writers and
/// checkpointers) that die and start again, a hot store and a ledger with faults, devices that
/// retry and move. Everything moves one step at a time, in an order that the seed decides, so that
/// a seed always finds the same.
///
///   actors_test --run_test=simulation_of_gateways -- --seed 8141     one seed
///   actors_test --run_test=simulation_of_gateways -- --seeds 10000   1 … 10,000
///   … -- --first 20001 --seeds 10000                                 others

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

constexpr std::size_t device_count = 4;
constexpr media_ms duration_ms = 60'000;
constexpr media_ms mastery_ms = 57'000;

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

std::ostream& operator<<(std::ostream& out, const course& c) {
  out << c.processes << " gateways";
  if (c.kills) out << ", kills";
  if (c.clock_steps) out << ", clock steps";
  if (c.hot_emptied) out << ", hot store emptied";
  if (c.tight_bucket) out << ", tight bucket";
  if (c.few_pairs) out << ", few pairs";
  return out << ", fault rate " << c.fault_rate;
}

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

/// Signing keys cost more to make than a whole run: the devices of all runs share them.
const crypto::device_signer& signer_of(std::size_t i) {
  static const auto made = [] {
    std::vector<crypto::device_signer> all;
    for (std::size_t n = 0; n < device_count; ++n)
      all.push_back(crypto::device_signer::generate(signature_algorithm::eddsa));
    return all;
  }();
  return made[i];
}

class deployment {
 public:
  explicit deployment(std::uint64_t seed)
      : world_(seed), course_(course::of(world_.random)), system_(config_) {
    for (const char* name : {"m1", "m2", "m3"}) {
      module_record module;
      module.id = module_named(name);
      module.rules.duration_ms = duration_ms;
      world_.ledger.put_module(module);
      modules_.push_back(module.id);
    }
    world_.hot_weather.fault_rate = world_.ledger_weather.fault_rate = 0;
    for (std::size_t i = 0; i < course_.processes; ++i) start(processes_.emplace_back());
    for (std::size_t i = 0; i < device_count; ++i) {
      device d;
      d.signer = &signer_of(i);
      d.student = student(static_cast<int>(i));
      d.at = i % course_.processes;
      devices_.push_back(std::move(d));
    }
  }
  ~deployment() {
    for (auto& process : everyone_) process->end();
    while (scheduler().has_job()) scheduler().run_once();
  }

  /// The first invariant that was broken, or `ok`.
  [[nodiscard]] result<ok_t, std::string> run() {
    world_.hot_weather.fault_rate = course_.fault_rate;
    world_.ledger_weather.fault_rate = course_.fault_rate / 2;
    for (int step = 0; step < 400 && !wrong_; ++step) {
      one_step();
      watch();
    }
    if (!wrong_) settle();
    if (!wrong_) check();
    for (const auto& process : everyone_) counts.faults += process->faults();
    if (wrong_) return *wrong_;
    return ok;
  }
  [[nodiscard]] const course& what() const noexcept { return course_; }
  totals counts;
  static inline bool trace = false;

 private:
  class ear final : public heartbeat_listener {
   public:
    ear(deployment& home, std::size_t device, std::size_t beat, std::shared_ptr<const bool> life)
        : home_(home), device_(device), beat_(beat), life_(std::move(life)) {}
    void on_result(std::size_t, const heartbeat_result& result) noexcept override {
      if (*life_) home_.take_result(device_, beat_, result);
    }

   private:
    deployment& home_;
    std::size_t device_;
    std::size_t beat_;
    std::shared_ptr<const bool> life_;
  };

  std::uint64_t below(std::uint64_t bound) { return world_.below(bound); }
  bool chance(std::uint64_t of) { return below(of) == 0; }
  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
  }
  /// Prints the event in the replay of a single seed.
  void note(const std::string& what) const {
    if (trace) std::cerr << world_.clock.now_ms % 100'000'000 << " " << what << "\n";
  }
  void fail(std::string why) {
    if (!wrong_) wrong_ = std::move(why);
  }
  static std::string name_of(const pair_key& pair) {
    return std::string(pair.student.view()) + "/" + std::string(pair.module.view());
  }
  static std::string show(const coverage& covered) {
    std::string text;
    for (const auto& piece : covered.pieces())
      text += "[" + std::to_string(piece.from_ms) + "," + std::to_string(piece.to_ms) + ")";
    return text.empty() ? "nothing" : text;
  }
  static std::string show_interval(const media_interval& i) {
    return "[" + std::to_string(i.from_ms) + "," + std::to_string(i.to_ms) + ")";
  }
  static bool includes(const coverage& whole, const coverage& part) {
    auto both = whole;
    both.unite(part);
    return both == whole;
  }

  // -- what happens -------------------------------------------------------------------------------

  void one_step() {
    pass_time(below(1800));
    const auto dice = below(100);
    if (dice < 22)
      play(below(device_count));
    else if (dice < 34)
      retry(below(device_count));
    else if (dice < 66)
      turn_of_an_actor();
    else if (dice < 80)
      any().turn_of_the_writer();
    else if (dice < 88)
      any().turn_of_the_checkpointer();
    else if (dice < 90)
      any().tick();
    else if (dice < 92)
      devices_[below(device_count)].at = below(course_.processes);
    else if (dice < 98)
      weather();
    else
      disaster();
  }

  void pass_time(std::uint64_t ms) {
    world_.clock.now_ms += static_cast<std::int64_t>(ms);
    world_.clock.monotonic_us += ms * 1000;
  }
  simulated_process& any() { return *processes_[below(processes_.size())]; }

  void start(std::shared_ptr<simulated_process>& place) {
    place = std::make_shared<simulated_process>(world_, system_, course_.few_pairs ? 3 : 1000);
    everyone_.push_back(place);
  }

  static std::string state_of(const store_weather& w) {
    return w.is_down ? "down" : w.refuses_writes ? "refuses writes" : "up";
  }

  void weather() {
    auto& store = chance(2) ? world_.hot_weather : world_.ledger_weather;
    note(std::string("hot store ") + state_of(world_.hot_weather) + ", ledger " +
         state_of(world_.ledger_weather));
    // What is wrong is put right more often than the other way round.
    switch (below(6)) {
      case 0:
        store.is_down = true;
        break;
      case 1:
        store.refuses_writes = true;
        break;
      case 2:
        (chance(2) ? any().hot_link : any().ledger_link).is_cut = true;
        break;
      case 3:
        store.is_down = false;
        break;
      case 4:
        store.refuses_writes = false;
        break;
      case 5:
        for (auto& process : processes_)
          process->hot_link.is_cut = process->ledger_link.is_cut = false;
        break;
    }
  }

  void disaster() {
    auto& process = processes_[below(processes_.size())];
    note("a disaster");
    if (!process->is_alive()) return start(process);
    if (course_.kills) {
      if (chance(2)) {
        process->end();
      } else {  // in the middle of a call
        process->end_.calls_left = 1 + below(6);
        process->end_.after_the_call = chance(2);
      }
    }
    if (course_.hot_emptied && chance(2)) {
      // As a store that ends and comes back empty: its clients may have noticed that it was away.
      ++counts.emptied;
      world_.hot = storage::memory_store(1000);
      note("the hot store is emptied");
      if (chance(2)) process->hot_link.is_cut = true;
      emptied_ = true;
    }
    if (course_.clock_steps) {
      constexpr std::int64_t steps_ms[] = {0, 0, 3'600'000, -3'600'000, 600'000, -30'000};
      process->clock_offset_ms = steps_ms[below(std::size(steps_ms))];
    }
  }

  void play(std::size_t who) {
    auto& d = devices_[who];
    if (d.sessions == 0 || chance(12) || d.position_ms >= duration_ms) {  // a new playback
      if (d.position_ms >= duration_ms) d.module = (d.module + 1) % modules_.size();
      ++d.sessions;
      d.next_sequence = 0;
      d.position_ms = chance(3) ? static_cast<media_ms>(below(duration_ms - 1000)) : 0;
    }
    beat made;
    made.pair = {d.student, modules_[d.module]};
    // Where duplicates must be whole, all that a device plays fits into a new bucket.
    const auto length_ms =
        static_cast<media_ms>(course_.may_cut() ? 2000 + below(9000) : 1000 + below(1000));
    made.interval = {d.position_ms, std::min(d.position_ms + length_ms, duration_ms)};
    d.position_ms = made.interval.to_ms;
    made.session = *session_id::parse("s" + std::to_string(d.sessions));
    made.sequence = d.next_sequence++;
    made.claims = claims_of(d.student, made.sequence, made.interval.from_ms, made.interval.to_ms,
                            world_.clock.now_ms, std::string(made.session.view()),
                            std::string(made.pair.module.view()));
    made.token = d.signer->sign_token(made.claims);
    d.beats.push_back(std::move(made));
    send(who, d.beats.size() - 1);
  }

  void retry(std::size_t who) {
    auto& d = devices_[who];
    for (std::size_t i = 0; i < d.beats.size(); ++i)
      if (!d.beats[i].settled) return send(who, i);
  }

  void send(std::size_t who, std::size_t which) {
    auto& d = devices_[who];
    const auto& b = d.beats[which];
    auto& process = *processes_[d.at];
    ++counts.sent;
    note("device " + std::to_string(who) + " sends " + name_of(b.pair) + " " +
         std::string(b.session.view()) + "/" + std::to_string(b.sequence) + " " +
         show_interval(b.interval) + " to gateway " + std::to_string(d.at));
    if (!process.is_alive()) return;
    auto job = process.job_for(b.token, std::make_shared<ear>(*this, who, which, process.life()));
    job->token = *parse_engagement_token(job->text);
    job->parsed = true;
    job->received_ms = process.now_ms();
    job->credit = credit_of(b.claims, d.signer->kid(), process.now_ms(), duration_ms);
    job->credit.played_at_ms = b.claims.issued_at_ms;
    if (!course_.tight_bucket) job->credit.rate_permille = 400'000;
    job->device = std::make_shared<const device_entry>(
        device_record{d.signer->kid(), d.student, d.signer->public_key(), false, 0});
    process.submit(std::move(job));
  }

  void take_result(std::size_t who, std::size_t which, const heartbeat_result& result) {
    auto& b = devices_[who].beats[which];
    const auto& outcome = result.outcome;
    note("device " + std::to_string(who) + " gets the result " +
         std::to_string(static_cast<int>(outcome.status)) + " (" +
         std::string(describe(outcome.why).name) + ") " + std::to_string(outcome.credited_ms) +
         " ms for " + name_of(b.pair) + " " + show_interval(b.interval));
    if (outcome.status == credit_status::rejected) {
      ++counts.rejected;
      // A replay window starts anew while the hot store is away, and is then far behind.
      if (outcome.why == problem::stale_token)
        b.settled = true;
      else if (outcome.why != problem::storage_unavailable && outcome.why != problem::overloaded)
        fail("a heartbeat was rejected for " + std::string(name_of_problem(outcome.why)));
      return;
    }
    ++counts.acknowledged;
    b.settled = true;
    if (outcome.status == credit_status::duplicate) {
      ++counts.duplicates;
      // Its first result may have been lost. If nothing is cut, it was credited whole.
      if (!b.credited_ms && !course_.may_cut()) b.credited_ms = length_of(b.interval);
    } else {
      b.credited_ms = std::max(b.credited_ms.value_or(0), outcome.credited_ms);
    }
    if (b.credited_ms.value_or(0) == 0 || emptied_) return;
    // The promise, at the moment it is given.
    const auto stored = durable(b.pair);
    if (coverage part = promised(b); !includes(stored, part))
      fail("I1: " + name_of(b.pair) + ": the result credits " + show(part) +
           ", but the stores have " + show(stored));
  }

  static media_ms length_of(const media_interval& i) { return i.to_ms - i.from_ms; }
  static std::string_view name_of_problem(problem why) { return describe(why).name; }
  static coverage promised(const beat& b) {
    coverage part;
    if (b.credited_ms.value_or(0) > 0)
      part.add({b.interval.from_ms, b.interval.from_ms + *b.credited_ms});
    return part;
  }

  void turn_of_an_actor() {
    auto& jobs = scheduler().jobs;
    if (jobs.empty()) return;
    std::swap(jobs.front(), jobs[below(jobs.size())]);
    scheduler().run_once();
  }

  // -- what must hold -----------------------------------------------------------------------------

  std::optional<progress> in_hot(const pair_key& key) { return (*world_.hot.read({&key, 1}))[0]; }
  std::optional<progress> in_ledger(const pair_key& key) {
    const auto row = world_.ledger.pairs.find(test::ledger_model::key_of(key));
    return row == world_.ledger.pairs.end() ? std::nullopt : std::optional(row->second);
  }
  coverage durable(const pair_key& key) {
    coverage all;
    if (auto state = in_hot(key)) all.unite(state->covered);
    if (auto row = in_ledger(key)) all.unite(row->covered);
    return all;
  }
  template <class Look>
  void each_pair(Look look) {
    for (const auto& d : devices_)
      for (const auto& module : modules_) look(d, pair_key{d.student, module});
  }

  /// After every step. I4: what both stores have together never shrinks.
  void watch() {
    if (emptied_) return;  // then some of it is in memory alone, for a while
    each_pair([&](const device&, const pair_key& pair) {
      const auto stored_ms = durable(pair).covered_ms();
      auto& before = highest_[name_of(pair)];
      if (stored_ms < before)
        fail("I4: " + name_of(pair) + " fell from " + std::to_string(before) + " to " +
             std::to_string(stored_ms) + " ms");
      before = stored_ms;
    });
    for (const auto& process : processes_) counts.degraded += process->is_degraded() ? 1 : 0;
  }

  void settle() {
    for (auto* store : {&world_.hot_weather, &world_.ledger_weather}) *store = {};
    for (auto& process : processes_) {
      process->clock_offset_ms = 0;
      process->end_ = {};
      process->hot_link.is_cut = process->ledger_link.is_cut = false;
      if (!process->is_alive()) start(process);
    }
    // Rejections because of a clock that ran ahead, and waits before a retry of a store, come to an
    // end.
    for (int round = 0; round < 6; ++round) {
      quieten();
      pass_time(6000);
      for (std::size_t who = 0; who < device_count; ++who)
        for (std::size_t i = 0; i < devices_[who].beats.size(); ++i)
          if (!devices_[who].beats[i].settled) send(who, i);
      for (auto& process : processes_) process->tick();
    }
    quieten();
    for (const auto& d : devices_)
      for (const auto& b : d.beats)
        if (!b.settled) return fail("a heartbeat of " + name_of(b.pair) + " never got a result");
    for (auto& process : processes_)
      if (process->is_degraded()) return fail("a gateway does not go back to the hot store");
    // One checkpoint interval: I5.
    for (auto& process : processes_) {
      if (!process->checkpoint_all()) return fail("a checkpoint fails though all is well");
      quieten();
    }
  }

  /// Until nobody has anything to do.
  void quieten() {
    for (int i = 0; i < 100'000; ++i) {
      bool busy = scheduler().has_job();
      turn_of_an_actor();
      for (auto& process : processes_) {
        busy = busy || process->is_busy();
        process->turn_of_the_writer();
        process->turn_of_the_checkpointer();
      }
      if (!busy) return;
    }
    fail("it does not come to rest");
  }

  void check() {
    each_pair([&](const device& d, const pair_key& pair) {
      coverage acknowledged;
      coverage sent;
      for (const auto& b : d.beats) {
        if (b.pair != pair) continue;
        sent.add(b.interval);
        acknowledged.unite(promised(b));
      }
      const auto hot = in_hot(pair);
      const auto ledger = in_ledger(pair);
      const auto hot_covered = hot ? hot->covered : coverage{};
      const auto ledger_covered = ledger ? ledger->covered : coverage{};
      const auto name = name_of(pair);
      if (!includes(ledger_covered, acknowledged))
        fail("I1: " + name + ": acknowledged " + show(acknowledged) + ", the ledger has " +
             show(ledger_covered));
      for (const auto* stored : {&hot_covered, &ledger_covered})
        if (!includes(sent, *stored))
          fail("I2: " + name + ": sent " + show(sent) + ", stored is " + show(*stored));
      const bool mastered = ledger_covered.covered_ms() >= mastery_ms;
      const auto events = world_.ledger.completions.count(test::ledger_model::key_of(pair));
      if (events != (mastered ? 1u : 0u) || (ledger && (ledger->mastered_ms != 0) != mastered))
        fail("I3: " + name + ": " + std::to_string(events) + " completions at " +
             std::to_string(ledger_covered.covered_ms()) + " ms");
      counts.mastered += events;
      // I5. A hot store that was emptied may lack what is checkpointed. It also lacks what a
      // gateway wrote to the ledger if the gateway died before the hot store was back.
      const bool may_lag = left_in_the_ledger();
      if (may_lag ? !includes(ledger_covered, hot_covered)
                  : (hot ? hot_covered != ledger_covered : ledger && !emptied_))
        fail("I5: " + name + ": the hot store has " + show(hot_covered) + ", the ledger " +
             show(ledger_covered));
      if (hot && hot->mastered_ms != 0 && !mastered)
        fail("I5: " + name + ": mastered in the hot store, not in the ledger");
      if (hot && hot->mastered_ms == 0 && mastered && !may_lag)
        fail("I5: " + name + ": mastered in the ledger, not in the hot store");
      for (auto& process : processes_) check_memory(*process, pair, ledger_covered);
    });
  }

  bool left_in_the_ledger() const {
    return std::any_of(everyone_.begin(), everyone_.end(), [](const auto& process) {
      return !process->is_alive() && process->is_degraded();
    });
  }

  /// The progress in a shard's memory must be right too, although it may be behind another
  /// gateway's.
  void check_memory(simulated_process& process, const pair_key& pair, const coverage& truth) {
    auto query = process.ask(pair);
    auto reply = query->future();
    quieten();
    const auto found = reply.get();
    if (!found || !*found) return;
    const auto& covered = (*found)->covered;
    // It may be behind, because another gateway credits too, or a reply of the store was lost. A
    // reader of progress unites it with what the stores have.
    if (!includes(truth, covered))
      fail("I5: " + name_of(pair) + ": a shard shows " + show(covered) + ", the stores " +
           show(truth));
  }

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
    all.mastered += t.mastered;
    all.degraded += t.degraded;
  }
  std::cout << "simulation: " << count << " seeds from " << first << ", " << all.sent
            << " heartbeats sent, " << all.acknowledged << " acknowledged (" << all.duplicates
            << " duplicates), " << all.rejected << " rejected, " << all.faults << " store faults, "
            << all.emptied << " times emptied, " << all.mastered << " mastered, " << failures
            << " violations\n";
  if (one) return;
  // Each of these must have come up in some run.
  BOOST_TEST(all.acknowledged > count * 10);
  BOOST_TEST(all.duplicates > 0u);
  BOOST_TEST(all.rejected > 0u);
  BOOST_TEST(all.faults > count);
  BOOST_TEST(all.mastered > 0u);
  BOOST_TEST(all.degraded > 0u);
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
