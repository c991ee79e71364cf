#include <algorithm>

#include "tests/actors/simulation/deployment.hpp"

/// What must hold in a simulated deployment: after every step, and at the end, when all is well
/// again.
namespace watchkeeper::actors::testing::simulation {

std::optional<progress> deployment::in_hot(const pair_key& key) {
  return (*world_.hot.read({&key, 1}))[0];
}

std::optional<progress> deployment::in_ledger(const pair_key& key) {
  const auto row = world_.ledger.pairs.find(test::ledger_model::key_of(key));
  return row == world_.ledger.pairs.end() ? std::nullopt : std::optional(row->second);
}

coverage deployment::durable(const pair_key& key) {
  coverage all;
  if (auto state = in_hot(key)) all.unite(state->covered);
  if (auto row = in_ledger(key)) all.unite(row->covered);
  return all;
}

void deployment::watch() {
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

void deployment::settle() {
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

void deployment::quieten() {
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

void deployment::check() {
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
    const auto events = world_.ledger.completions.count({test::ledger_model::key_of(pair), {1, 1}});
    if (events != (mastered ? 1u : 0u) || (ledger && (ledger->mastered_ms != never) != mastered))
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
    if (hot && hot->mastered_ms != never && !mastered)
      fail("I5: " + name + ": mastered in the hot store, not in the ledger");
    if (hot && hot->mastered_ms == never && mastered && !may_lag)
      fail("I5: " + name + ": mastered in the ledger, not in the hot store");
    for (auto& process : processes_) check_memory(*process, pair, ledger_covered);
  });
}

bool deployment::left_in_the_ledger() const {
  return std::any_of(everyone_.begin(), everyone_.end(), [](const auto& process) {
    return !process->is_alive() && process->is_degraded();
  });
}

void deployment::check_memory(simulated_process& process, const pair_key& pair,
                              const coverage& truth) {
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

}  // namespace watchkeeper::actors::testing::simulation
