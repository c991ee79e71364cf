#include "tests/actors/simulation/deployment.hpp"

#include <algorithm>
#include <iostream>
#include <utility>

/// What happens in a simulated deployment: devices play and retry, actors and threads get turns.
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
  if (c.ledger_older) out << ", ledger older";
  if (c.catalogue) out << ", catalogue";
  if (c.retires) out << ", pairs retire";
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
    module_truths_.push_back({.rules = {module.rules}});
  }
  if (course_.retires) world_.retention_ms = static_cast<std::int64_t>(20'000 + below(40'000));
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
  world_.past.is_kept = course_.ledger_older;
}

deployment::~deployment() {
  calls_.clear();
  for (auto& process : everyone_) process->end();
  while (scheduler().has_job()) scheduler().run_once();
}

result<ok_t, std::string> deployment::run() {
  world_.hot_weather.fault_rate = course_.fault_rate;
  world_.ledger_weather.fault_rate = course_.fault_rate / 2;
  for (; step_ < 400 && !wrong_; ++step_) {
    one_step();
    watch();
  }
  if (!wrong_) settle();
  if (!wrong_) check();
  note_totals();
  if (wrong_) return *wrong_;
  return ok;
}

void deployment::note_totals() {
  std::uint64_t retired = 0;
  for (const auto& process : everyone_) {
    counts.faults += process->faults();
    retired += process->retired_pairs();
  }
  const auto add = [&](std::string_view kind, std::uint64_t times) {
    if (times > 0) counts.happened[kind] += times;
  };
  for (const auto* store : {&world_.hot_weather, &world_.ledger_weather}) {
    add("request lost", store->lost_requests);
    add("reply lost", store->lost_replies);
    add("call refused", store->refused);
  }
  add("pair retired", retired);
  add("call half done", counts.half_done);
  if (course_.few_pairs) add("memory small", 1);
  if (const auto hot = counts.happened.find("hot store older"); hot != counts.happened.end())
    add("both stores older", std::min(hot->second, world_.past.losses));
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
  if (course_.catalogue && chance(40)) return begin_some_change();
  if (!calls_.empty() && chance(2)) turn_of_a_call(below(calls_.size()));
  if (course_.ledger_older && course_.lives && chance(5)) return begin_some_call();
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
  const bool follows = !course_.slow_news || chance(12);
  if (!follows && process.is_alive() && !process.has_heard_all()) happened("news late");
  process.turn_of_the_watcher(follows);
}

void deployment::pass_time(std::uint64_t ms) {
  world_.clock.advance(static_cast<std::int64_t>(ms));
}

void deployment::play(std::size_t who) {
  auto& d = devices_[who];
  if (d.sessions == 0 || chance(12) || d.position_ms >= rules_of(d.module).duration_ms) {
    // A new playback.
    if (d.position_ms >= rules_of(d.module).duration_ms)
      d.module = (d.module + 1) % modules_.size();
    ++d.sessions;
    d.next_sequence = 0;
    const auto last_ms = static_cast<std::uint64_t>(rules_of(d.module).duration_ms - 1000);
    d.position_ms = chance(3) ? static_cast<media_ms>(below(last_ms)) : 0;
  }
  beat made;
  made.pair = {d.student, modules_[d.module]};
  // Where duplicates must be whole, all that a device plays fits into a new bucket.
  const auto length_ms =
      static_cast<media_ms>(course_.may_cut() ? 2000 + below(9000) : 1000 + below(1000));
  made.interval = {d.position_ms,
                   std::min(d.position_ms + length_ms, rules_of(d.module).duration_ms)};
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
  const auto module = process.find_module(b.pair.module);
  if (!module || !*module) return note("the module is unknown there");
  const auto& rules = (*module)->rules;
  const auto interval =
      plausible_interval(b.interval, rules.duration_ms, world_.policy.max_interval_ms);
  if (!interval) {  // it lies behind the end that the module has now
    ++counts.rejected;
    d.beats[which].settled = true;
    return;
  }
  const auto& truth = truth_of(d, b.pair.module);
  const sending sent{.floor = truth.floor,
                     .ends = truth.ends,
                     .changes = process.changes_heard(),
                     .losses = world_.past.losses,
                     .hot_losses = world_.hot_losses,
                     .is_degraded = process.is_degraded(),
                     .degraded_spells = process.degraded_spells(),
                     .is_ledger_behind = is_ledger_behind_,
                     .step = step_,
                     .interval = *interval,
                     .by = &process};
  if (d.sent_ms == never) d.sent_ms = world_.clock.wall_now();
  auto job =
      process.job_for(b.token, std::make_shared<ear>(*this, who, which, sent, process.liveness()));
  job->token = *parse_engagement_token(job->text);
  job->parsed = true;
  job->received_ms = process.time().wall_now();
  job->credit = credit_of(b.claims, d.signer->kid(), process.time().wall_now(), rules.duration_ms);
  job->credit.interval = *interval;
  job->credit.mastery_measured_ms = mastery_measured_ms(rules);
  job->credit.epoch = record.epoch;
  job->credit.played_at_ms = b.claims.issued_at_ms;
  job->credit.max_rate_permille = rate_of(index_of(b.pair.module));
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
  note_earned(d, index_of(b.pair.module), outcome, sent);
  b.settled = true;
  if (outcome.status == credit_status::limited) happened("credit limited");
  acknowledgement ack{outcome.now.life, outcome.credited_ms, sent.by->is_degraded(), sent};
  if (outcome.status == credit_status::duplicate) {
    ++counts.duplicates;
    // Its first result may have been lost. If nothing is cut, it was credited whole.
    if (!course_.may_cut()) ack.credited_ms = length_of(sent.interval);
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
