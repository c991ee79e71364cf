#include "tests/actors/simulation/deployment.hpp"

#include <algorithm>
#include <iostream>
#include <utility>

/// What happens in a simulated deployment: devices play and retry, actors and threads get turns,
/// stores fail and gateways die.
namespace watchkeeper::actors::testing::simulation {

namespace {

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

}  // namespace

std::ostream& operator<<(std::ostream& out, const course& c) {
  out << c.processes << " gateways";
  if (c.kills) out << ", kills";
  if (c.clock_steps) out << ", clock steps";
  if (c.hot_emptied) out << ", hot store emptied";
  if (c.hot_older) out << ", hot store older";
  if (c.lives) out << ", lives";
  if (c.fair) out << ", fair weather";
  if (c.slow_news) out << ", slow news";
  if (c.tight_bucket) out << ", tight bucket";
  if (c.few_pairs) out << ", few pairs";
  return out << ", fault rate " << c.fault_rate;
}

/// Listens to the result of one heartbeat, as long as its gateway lives.
class deployment::ear final : public heartbeat_listener {
 public:
  ear(deployment& home, std::size_t device, std::size_t beat, const sending& sent,
      std::shared_ptr<const bool> gateway_lives)
      : home_(home),
        device_(device),
        beat_(beat),
        sent_(sent),
        gateway_lives_(std::move(gateway_lives)) {}
  void on_result(std::size_t, const heartbeat_result& result) noexcept override {
    if (*gateway_lives_) home_.take_result(device_, beat_, result, sent_);
  }

 private:
  deployment& home_;
  std::size_t device_;
  std::size_t beat_;
  sending sent_;
  std::shared_ptr<const bool> gateway_lives_;
};

deployment::deployment(std::uint64_t seed)
    : world_(seed), course_(course::of(world_.random)), system_(config_) {
  for (const char* name : {"m1", "m2", "m3"}) {
    module_record module;
    module.id = module_named(name);
    module.rules.duration_ms = duration_ms;
    world_.ledger.put_module(module);
    modules_.push_back(module.id);
  }
  world_.hot.keeps_history = course_.hot_older;
  world_.hot_weather.fault_rate = world_.ledger_weather.fault_rate = 0;
  for (std::size_t i = 0; i < course_.processes; ++i) start(processes_.emplace_back());
  for (std::size_t i = 0; i < device_count; ++i) {
    device d;
    d.signer = &signer_of(i);
    d.student = student(static_cast<int>(i));
    d.at = i % course_.processes;
    d.pairs.resize(modules_.size());
    (void)world_.ledger.put_device(record_of(d), {.now_ms = world_.clock.wall_now()});
    devices_.push_back(std::move(d));
  }
}

deployment::~deployment() {
  calls_.clear();
  for (auto& process : everyone_) process->end();
  while (scheduler().has_job()) scheduler().run_once();
}

result<ok_t, std::string> deployment::run() {
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

caf::scheduler::test_coordinator& deployment::scheduler() {
  return dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
}

void deployment::note(const std::string& what) const {
  if (trace) std::cerr << world_.clock.wall_now().value() % 100'000'000 << " " << what << "\n";
}

std::string deployment::name_of(const pair_key& pair) {
  return std::string(pair.student.view()) + "/" + std::string(pair.module.view());
}

std::string deployment::show(const coverage& covered) {
  std::string text;
  for (const auto& piece : covered.pieces())
    text += "[" + std::to_string(piece.from_ms) + "," + std::to_string(piece.to_ms) + ")";
  return text.empty() ? "nothing" : text;
}

std::string deployment::show_interval(const media_interval& i) {
  return "[" + std::to_string(i.from_ms) + "," + std::to_string(i.to_ms) + ")";
}

bool deployment::includes(const coverage& whole, const coverage& part) {
  auto both = whole;
  both.unite(part);
  return both == whole;
}

void deployment::one_step() {
  pass_time(below(1800));
  const auto dice = below(course_.lives ? 126 : 100);
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
    turn_of_a_watcher();
  else if (dice < 92)
    devices_[below(device_count)].at = below(course_.processes);
  else if (dice < 98)
    weather();
  else if (dice < 100)
    disaster();
  else if (dice < 104)
    turn_of_a_watcher();
  else if (dice < 110)
    begin_some_call();
  else if (dice < 114)
    devices_[below(device_count)].at = below(course_.processes);
  else if (!calls_.empty())
    turn_of_a_call(below(calls_.size()));
}

void deployment::turn_of_a_watcher() {
  auto& process = any();
  process.turn_of_the_watcher(!course_.slow_news || chance(12));
}

void deployment::pass_time(std::uint64_t ms) {
  world_.clock.advance(static_cast<std::int64_t>(ms));
}

void deployment::start(std::shared_ptr<simulated_process>& place) {
  place = std::make_shared<simulated_process>(world_, system_, course_.few_pairs ? 3 : 1000);
  everyone_.push_back(place);
}

std::string deployment::state_of(const store_weather& w) {
  return w.is_down ? "down" : w.refuses_writes ? "refuses writes" : "up";
}

void deployment::weather() {
  auto& store = chance(2) ? world_.hot_weather : world_.ledger_weather;
  note(std::string("hot store ") + state_of(world_.hot_weather) + ", ledger " +
       state_of(world_.ledger_weather));
  // What is wrong is put right more often than the other way round.
  switch (course_.fair && !chance(4) ? 3 + below(3) : below(6)) {
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

void deployment::disaster() {
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
    world_.hot.store = storage::memory_store(1000);
    note("the hot store is emptied");
    if (chance(2)) process->hot_link.is_cut = true;
    note_loss();
  }
  if (course_.hot_older && chance(2)) {
    take_hot_store_back();
    if (chance(2)) process->hot_link.is_cut = true;
  }
  if (course_.clock_steps) {
    constexpr std::int64_t steps_ms[] = {0, 0, 3'600'000, -3'600'000, 600'000, -30'000};
    process->clock_offset_ms = steps_ms[below(std::size(steps_ms))];
  }
}

void deployment::take_hot_store_back() {
  const auto known = world_.hot.history.size();
  if (known == 0) return;
  ++counts.older;
  // Of those that it has made: one that lacks them all is empty, and has nothing old to bring back.
  const auto writes = 1 + below(chance(2) ? std::min<std::size_t>(known, 8) : known);
  world_.hot.come_back_older(writes);
  note("the hot store comes back " + std::to_string(writes) + " writes older");
  note_loss();
}

void deployment::note_loss() {
  has_lost_ = true;
  lost_at_ = world_.checkpoints;
  ledger_faults_at_loss_ = ledger_faults();
}

void deployment::play(std::size_t who) {
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
                          world_.clock.wall_now(), std::string(made.session.view()),
                          std::string(made.pair.module.view()));
  made.token = d.signer->sign_token(made.claims);
  truth_of(d, made.pair.module).playable.add(made.interval);
  d.beats.push_back(std::move(made));
  send(who, d.beats.size() - 1);
}

void deployment::retry(std::size_t who) {
  auto& d = devices_[who];
  for (std::size_t i = 0; i < d.beats.size(); ++i)
    if (!d.beats[i].settled) return send(who, i);
}

void deployment::send(std::size_t who, std::size_t which) {
  auto& d = devices_[who];
  const auto& b = d.beats[which];
  auto& process = *processes_[d.at];
  ++counts.sent;
  note("device " + std::to_string(who) + " sends " + name_of(b.pair) + " " +
       std::string(b.session.view()) + "/" + std::to_string(b.sequence) + " " +
       show_interval(b.interval) + " to gateway " + std::to_string(d.at));
  if (!process.is_alive()) return;
  const auto found = process.find_device(d.signer->kid());
  if (!found) return;  // the ledger is away: 503
  if (!*found) {
    note("it is unknown there");
    if (d.life_calls == 0) fail("a device is unknown whose student was never erased");
    return;
  }
  const auto& record = (*found)->record;
  const auto& truth = truth_of(d, b.pair.module);
  const sending sent{.floor = truth.floor, .ends = truth.ends, .changes = process.changes_heard()};
  auto job =
      process.job_for(b.token, std::make_shared<ear>(*this, who, which, sent, process.liveness()));
  job->token = *parse_engagement_token(job->text);
  job->parsed = true;
  job->received_ms = process.time().wall_now();
  job->credit = credit_of(b.claims, d.signer->kid(), process.time().wall_now(), duration_ms);
  job->credit.epoch = record.epoch;
  job->credit.played_at_ms = b.claims.issued_at_ms;
  if (!course_.tight_bucket) job->credit.max_rate_permille = 400'000;
  job->device = std::make_shared<const device_entry>(record);  // with a rate of its own
  process.submit(std::move(job));
}

void deployment::take_result(std::size_t who, std::size_t which, const heartbeat_result& result,
                             const sending& sent) {
  auto& d = devices_[who];
  auto& b = d.beats[which];
  const auto& outcome = result.outcome;
  note("device " + std::to_string(who) + " gets the result " +
       std::to_string(static_cast<int>(outcome.status)) + " (" +
       std::string(describe(outcome.why).name) + ") " + std::to_string(outcome.credited_ms) +
       " ms for " + name_of(b.pair) + " " + show_interval(b.interval));
  if (outcome.status == credit_status::rejected) return take_rejection(d, b, outcome);
  ++counts.acknowledged;
  b.settled = true;
  acknowledgement ack{outcome.now.life, outcome.credited_ms, sent};
  if (outcome.status == credit_status::duplicate) {
    ++counts.duplicates;
    // Its first result may have been lost. If nothing is cut, it was credited whole.
    if (!course_.may_cut()) ack.credited_ms = length_of(b.interval);
  }
  b.acks.push_back(ack);
  check_promise(d, b, ack);
}

void deployment::take_rejection(device& d, beat& b, const credit_outcome& outcome) {
  ++counts.rejected;
  const auto& truth = truth_of(d, b.pair.module);
  switch (outcome.why) {
    case problem::storage_unavailable:
    case problem::overloaded:
      return;
    case problem::stale_token:
      // A replay window starts anew while the hot store is away, and is then far behind.
      b.settled = true;
      if (outcome.stale == stale_cause::life && !course_.clock_steps &&
          b.claims.issued_at_ms >= truth.last_end_ms)
        fail(name_of(b.pair) + ": a heartbeat is stale, although no later life has begun");
      return;
    case problem::sequence_reused:
      // It was credited in a life that ended later: while the call that ended it was in flight, or
      // whose end a clock has dated back.
      if (truth.ends == 0) break;
      if (!course_.clock_steps && b.claims.issued_at_ms > truth.ended_ms) break;
      b.settled = true;
      return;
    default:
      break;
  }
  fail("a heartbeat was rejected for " + std::string(name_of_problem(outcome.why)));
}

media_ms deployment::length_of(const media_interval& i) {
  return i.to_ms - i.from_ms;
}

std::string_view deployment::name_of_problem(problem why) {
  return describe(why).name;
}

coverage deployment::promised(const beat& b, const acknowledgement& ack) {
  coverage part;
  if (ack.credited_ms > 0) part.add({b.interval.from_ms, b.interval.from_ms + ack.credited_ms});
  return part;
}

void deployment::turn_of_an_actor() {
  auto& jobs = scheduler().jobs;
  if (jobs.empty()) return;
  std::swap(jobs.front(), jobs[below(jobs.size())]);
  scheduler().run_once();
}

}  // namespace watchkeeper::actors::testing::simulation
