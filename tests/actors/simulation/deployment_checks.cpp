#include <algorithm>

#include "tests/actors/simulation/deployment.hpp"

/// What must hold in a simulated deployment: after every step, and at the end, when all is well
/// again.
namespace watchkeeper::actors::testing::simulation {

std::optional<progress> deployment::in_hot(const pair_key& key) {
  return (*world_.hot.store.read({&key, 1}))[0];
}

std::optional<progress> deployment::in_ledger(const pair_key& key) {
  return world_.ledger.look_up(key).state;
}

storage::recorded_pair deployment::shown(const pair_key& key) {
  auto all = world_.ledger.look_up(key);
  merge_if_living(all, in_hot(key));
  return all;
}

void deployment::watch() {
  for (auto& d : devices_)
    for (std::size_t m = 0; m < modules_.size(); ++m) {
      check_ended(d, m);
      watch_pair(d, m);
    }
  for (const auto& process : processes_) counts.degraded += process->is_degraded() ? 1 : 0;
}

void deployment::watch_pair(device& d, std::size_t module) {
  auto& truth = d.pairs[module];
  const auto name = name_of({d.student, modules_[module]});
  auto now = shown({d.student, modules_[module]});
  const auto covered = now.state ? now.state->covered : coverage{};
  if (!includes(truth.playable, covered))
    fail("I2: " + name + ": the stores show " + show(covered) + ", but only " +
         show(truth.playable) + " was played in the life");
  const auto before_ms = truth.seen.state ? truth.seen.state->covered.covered_ms() : 0;
  // After a loss some of it is in memory alone, for a while. What ends takes its time.
  const bool may_fall = has_lost_ || truth.ends_in_flight > 0 || truth.ends != truth.seen_ends;
  if (!may_fall && covered.covered_ms() < before_ms)
    fail("I4: " + name + " fell from " + std::to_string(before_ms) + " to " +
         std::to_string(covered.covered_ms()) + " ms");
  truth.seen = std::move(now);
  truth.seen_ends = truth.ends;
}

void deployment::check_ended(const device& d, std::size_t module) {
  const auto& floor = d.pairs[module].floor;
  if (floor == life_number{}) return;
  const pair_key pair{d.student, modules_[module]};
  const auto name = name_of(pair);
  if (const auto row = in_ledger(pair); row && row->life < floor)
    fail("I6: " + name + ": the ledger has a life that ended");
  const auto key = test::ledger_model::key_of(pair);
  const auto event = world_.ledger.completions.lower_bound({key, {}});
  if (event != world_.ledger.completions.end() && event->first.first == key &&
      event->first.second.epoch < floor.epoch)
    fail("I6: " + name + ": the outbox has an epoch that ended");
  if (const auto hot = in_hot(pair); hot && hot->life.epoch < floor.epoch && !lacks_erasures())
    fail("I6: " + name + ": the hot store has an epoch that ended");
}

void deployment::check_promise(device& d, const beat& b, const acknowledgement& ack) {
  const auto& truth = truth_of(d, b.pair.module);
  const auto& sent = ack.sent;
  const bool unheard = is_unheard(truth, sent);
  const bool is_excused = ack.life.epoch < sent.floor.epoch
                              ? may_go_on_from_memory() && sent.changes < truth.last_erasure
                              : unheard;
  if (ack.life < sent.floor && !is_excused)
    fail("I6: " + name_of(b.pair) + ": a heartbeat is acknowledged in a life that ended");
  const bool may_have_ended = truth.ends_in_flight > 0 || truth.ends != sent.ends || unheard;
  if (ack.credited_ms == 0 || has_lost_ || may_have_ended) return;
  const auto stored = shown(b.pair);
  const auto covered = stored.state ? stored.state->covered : coverage{};
  if (coverage part = promised(b, ack); !includes(covered, part))
    fail("I1: " + name_of(b.pair) + ": the result credits " + show(part) +
         ", but the stores have " + show(covered));
}

std::uint64_t deployment::ledger_faults() const {
  std::uint64_t sum = 0;
  for (const auto& process : everyone_) sum += process->ledger_link.faults;
  return sum;
}

void deployment::settle() {
  is_settling_ = true;
  for (auto* store : {&world_.hot_weather, &world_.ledger_weather}) *store = {};
  for (auto& process : processes_) {
    process->clock_offset_ms = 0;
    process->end_ = {};
    process->hot_link.is_cut = process->ledger_link.is_cut = false;
    if (!process->is_alive()) start(process);
  }
  quieten();
  settle_lives();
  // Rejections because of a clock that ran ahead, and waits before a retry of a store, come to an
  // end.
  for (int round = 0; round < 6; ++round) {
    spread_changes();
    quieten();
    pass_time(6000);
    for (std::size_t who = 0; who < device_count; ++who)
      for (std::size_t i = 0; i < devices_[who].beats.size(); ++i)
        if (!devices_[who].beats[i].settled) send(who, i);
  }
  quieten();
  for (const auto& d : devices_)
    for (const auto& b : d.beats)
      if (!b.settled && d.state == enrolment_state::enrolled)
        return fail("a heartbeat of " + name_of(b.pair) + " never got a result");
  for (auto& process : processes_)
    if (process->is_degraded()) return fail("a gateway does not go back to the hot store");
  // One checkpoint interval: I5.
  for (auto& process : processes_) {
    if (!process->checkpoint_all()) return fail("a checkpoint fails though all is well");
    quieten();
  }
  watch();
}

void deployment::spread_changes() {
  for (auto& process : processes_)
    for (int turn = 0; turn < 3 || !process->has_heard_all(); ++turn) {
      if (turn == 100) return fail("a gateway does not hear of the changes");
      process->turn_of_the_watcher();
      quieten();
    }
}

void deployment::quieten() {
  for (int i = 0; i < 100'000; ++i) {
    bool busy = scheduler().has_job() || !calls_.empty();
    turn_of_an_actor();
    for (auto& process : processes_) {
      busy = busy || process->is_busy();
      process->turn_of_the_writer();
      process->turn_of_the_checkpointer();
    }
    if (!calls_.empty()) turn_of_a_call(below(calls_.size()));
    if (!busy) return;
  }
  fail("it does not come to rest");
}

void deployment::check() {
  for (auto& d : devices_)
    for (std::size_t m = 0; m < modules_.size(); ++m) {
      const pair_key pair{d.student, modules_[m]};
      if (d.state == enrolment_state::enrolled)
        check_enrolled(d, d.pairs[m], pair);
      else
        check_absent(d, pair);
      for (auto& process : processes_) check_memory(*process, pair, in_ledger(pair));
    }
}

void deployment::check_absent(const device&, const pair_key& pair) {
  const auto name = name_of(pair);
  if (in_ledger(pair)) fail("I6: " + name + ": the ledger has an erased student");
  if (in_hot(pair)) fail("I6: " + name + ": the hot store has an erased student");
  for (const auto& [key, event] : world_.ledger.completions)
    if (event.student == pair.student) fail("I6: " + name + ": the outbox has an erased student");
}

coverage deployment::acknowledged(const device& d, const pair_truth& truth, const pair_key& pair,
                                  life_number life) {
  coverage all;
  for (const auto& b : d.beats) {
    if (b.pair != pair) continue;
    for (const auto& ack : b.acks) {
      const bool unheard = is_unheard(truth, ack.sent) || ack.sent.changes < truth.last_erasure;
      const bool has_ended = ack.life != life && (ack.sent.ends != truth.ends || unheard);
      if (!has_ended) all.unite(promised(b, ack));
    }
  }
  return all;
}

void deployment::check_enrolled(const device& d, const pair_truth& truth, const pair_key& pair) {
  const auto hot = in_hot(pair);
  const auto ledger = in_ledger(pair);
  const auto name = name_of(pair);
  const auto life = ledger ? ledger->life : life_number{};
  const auto ledger_covered = ledger ? ledger->covered : coverage{};
  const bool hot_lives = hot && (!ledger || hot->life == life);
  const auto hot_covered = hot_lives ? hot->covered : coverage{};
  if (const auto promised = acknowledged(d, truth, pair, life);
      !course_.may_lose() && !includes(ledger_covered, promised))
    fail("I1: " + name + ": acknowledged " + show(promised) + ", the ledger has " +
         show(ledger_covered));
  for (const auto* stored : {&hot_covered, &ledger_covered})
    if (!includes(truth.playable, *stored))
      fail("I2: " + name + ": played in the life " + show(truth.playable) + ", stored is " +
           show(*stored));
  const bool mastered = ledger_covered.covered_ms() >= mastery_ms;
  const auto events = world_.ledger.completions.count({test::ledger_model::key_of(pair), life});
  if (events != (mastered ? 1u : 0u) || (ledger && (ledger->mastered_ms != never) != mastered))
    fail("I3: " + name + ": " + std::to_string(events) + " completions at " +
         std::to_string(ledger_covered.covered_ms()) + " ms");
  counts.mastered += events;
  // I5. A hot store that was emptied, or came back older, may lack what is checkpointed. It also
  // lacks what a gateway wrote to the ledger if the gateway died before the hot store was back.
  const bool may_lag = has_lost_ || left_in_the_ledger();
  if (hot && ledger && !hot_lives && (hot->life > life || !may_lag))
    fail("I5: " + name + ": the stores are in different lives");
  if (may_lag ? !includes(ledger_covered, hot_covered)
              : (hot ? hot_covered != ledger_covered : ledger && !has_lost_))
    fail("I5: " + name + ": the hot store has " + show(hot_covered) + ", the ledger " +
         show(ledger_covered));
  if (hot_lives && hot->mastered_ms != never && !mastered)
    fail("I5: " + name + ": mastered in the hot store, not in the ledger");
  if (hot_lives && hot->mastered_ms == never && mastered && !may_lag)
    fail("I5: " + name + ": mastered in the ledger, not in the hot store");
}

bool deployment::left_in_the_ledger() const {
  return std::any_of(everyone_.begin(), everyone_.end(), [](const auto& process) {
    return !process->is_alive() && process->is_degraded();
  });
}

void deployment::check_memory(simulated_process& process, const pair_key& pair,
                              const std::optional<progress>& truth) {
  auto query = process.ask(pair);
  auto reply = query->future();
  quieten();
  const auto found = reply.get();
  if (!found || !*found) return;
  const auto& state = **found;
  if (!truth && is_blank(state)) return;  // nothing of it was credited
  if (state.life != (truth ? truth->life : life_number{}))
    return fail("I6: " + name_of(pair) + ": a shard has a life that is not the ledger's");
  // It may be behind, because another gateway credits too, or a reply of the store was lost. A
  // reader of progress unites it with what the stores have.
  if (!includes(truth ? truth->covered : coverage{}, state.covered))
    fail("I5: " + name_of(pair) + ": a shard shows " + show(state.covered) + ", the stores " +
         show(truth ? truth->covered : coverage{}));
}

}  // namespace watchkeeper::actors::testing::simulation
