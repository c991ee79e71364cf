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
  if (c.tight_bucket) out << ", tight bucket";
  if (c.few_pairs) out << ", few pairs";
  return out << ", fault rate " << c.fault_rate;
}

/// Listens to the result of one heartbeat, as long as its gateway lives.
class deployment::ear final : public heartbeat_listener {
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

deployment::deployment(std::uint64_t seed)
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

deployment::~deployment() {
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
  auto job = process.job_for(b.token, std::make_shared<ear>(*this, who, which, process.life()));
  job->token = *parse_engagement_token(job->text);
  job->parsed = true;
  job->received_ms = process.time().wall_now();
  job->credit = credit_of(b.claims, d.signer->kid(), process.time().wall_now(), duration_ms);
  job->credit.played_at_ms = b.claims.issued_at_ms;
  if (!course_.tight_bucket) job->credit.max_rate_permille = 400'000;
  job->device = std::make_shared<const device_entry>(
      device_record{d.signer->kid(), d.student, d.signer->public_key(), false, wall_ms{0}});
  process.submit(std::move(job));
}

void deployment::take_result(std::size_t who, std::size_t which, const heartbeat_result& result) {
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

media_ms deployment::length_of(const media_interval& i) {
  return i.to_ms - i.from_ms;
}

std::string_view deployment::name_of_problem(problem why) {
  return describe(why).name;
}

coverage deployment::promised(const beat& b) {
  coverage part;
  if (b.credited_ms.value_or(0) > 0)
    part.add({b.interval.from_ms, b.interval.from_ms + *b.credited_ms});
  return part;
}

void deployment::turn_of_an_actor() {
  auto& jobs = scheduler().jobs;
  if (jobs.empty()) return;
  std::swap(jobs.front(), jobs[below(jobs.size())]);
  scheduler().run_once();
}

}  // namespace watchkeeper::actors::testing::simulation
