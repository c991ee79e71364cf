#include <algorithm>
#include <string>
#include <utility>

#include "tests/actors/simulation/deployment.hpp"

/// What goes wrong in a simulated deployment: stores fail, lose what they had or come back older,
/// links are cut, clocks are set, and gateways die.
namespace watchkeeper::actors::testing::simulation {

void deployment::start(std::shared_ptr<simulated_process>& place) {
  const auto which = static_cast<std::size_t>(&place - processes_.data());
  place = std::make_shared<simulated_process>(world_, system_, which, course_.few_pairs ? 3 : 1000);
  everyone_.push_back(place);
}

std::string deployment::state_of(const store_weather& w) {
  return w.is_down ? "down" : w.refuses_writes ? "refuses writes" : "up";
}

void deployment::weather() {
  const bool is_hot = chance(2);
  auto& store = is_hot ? world_.hot_weather : world_.ledger_weather;
  note(std::string("hot store ") + state_of(world_.hot_weather) + ", ledger " +
       state_of(world_.ledger_weather));
  // What is wrong is put right more often than the other way round.
  switch (course_.fair && !chance(4) ? 3 + below(3) : below(6)) {
    case 0:
      store.is_down = true;
      happened(is_hot ? "hot store down" : "ledger down");
      break;
    case 1:
      store.refuses_writes = true;
      happened(is_hot ? "hot store refuses" : "ledger refuses");
      break;
    case 2:
      happened("link cut");
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
      happened("gateway killed");
      process->end();
    } else {  // in the middle of a call
      happened("killed in a call");
      process->end_.calls_left = 1 + below(6);
      process->end_.after_the_call = chance(2);
    }
  }
  if (course_.hot_emptied && chance(2)) {
    // As a store that ends and comes back empty: its clients may have noticed that it was away.
    happened("hot store emptied");
    world_.hot.store = storage::memory_store(1000);
    note("the hot store is emptied");
    if (chance(2)) process->hot_link.is_cut = true;
    note_loss();
  }
  if (course_.hot_older && chance(2)) {
    take_hot_store_back();
    if (chance(2)) process->hot_link.is_cut = true;
  }
  if (course_.ledger_older && chance(2))
    take_ledger_back(chance(2) ? 8 : ledger_history::transactions_max);
  if (course_.clock_steps) {
    constexpr std::int64_t steps_ms[] = {0, 0, 3'600'000, -3'600'000, 600'000, -30'000};
    process->clock_offset_ms = steps_ms[below(std::size(steps_ms))];
    if (process->clock_offset_ms != 0) happened("clock set");
    note("a clock stands at " + std::to_string(process->clock_offset_ms) + " ms");
  }
}

void deployment::take_hot_store_back() {
  const auto known = world_.hot.history.size();
  if (known == 0) return;
  happened("hot store older");
  // Of those that it has made: one that lacks them all is empty, and has nothing old to bring back.
  const auto writes = 1 + below(chance(2) ? std::min<std::size_t>(known, 8) : known);
  world_.hot.come_back_older(writes);
  note("the hot store comes back " + std::to_string(writes) + " writes older");
  note_loss();
  // What the ledger has lost as well is at most in the memory of gateways.
  if (world_.past.losses == 0) return;
  for (auto& d : devices_)
    for (std::size_t m = 0; m < modules_.size(); ++m)
      if (const auto& truth = d.pairs[m];
          truth.floor.attempt > 0 && !is_in_a_store(d, m, truth.floor))
        drop_resets_in_no_store(d, m);
}

void deployment::take_ledger_back(std::size_t transactions_max) {
  auto& past = world_.past;
  if (past.states.empty()) return;
  const auto known = past.states.size();
  const auto transactions = 1 + below(std::min(known, transactions_max));
  const auto before = std::exchange(world_.ledger, std::move(past.states[known - transactions]));
  past.states.erase(past.states.end() - static_cast<std::ptrdiff_t>(transactions),
                    past.states.end());
  ++past.losses;
  is_ledger_behind_ = true;
  happened("ledger older");
  note("the ledger comes back " + std::to_string(transactions) + " transactions older");
  note_ledger_loss(before);
  // A standby has another timeline. A copy of the files has not: gateways look at its clock within
  // a second, before others have made up for what it lacks.
  if (!course_.kills && chance(3) && is_loss_noticed())
    happened("backup restored");
  else
    world_.ledger.history = "timeline-" + std::to_string(past.losses);
}

bool deployment::is_loss_noticed() {
  for (auto& process : processes_)
    for (int tries = 0; tries < 5 && process->is_alive() && !process->has_noticed_loss(); ++tries)
      process->turn_of_the_watcher();
  return std::all_of(processes_.begin(), processes_.end(), [](const auto& process) {
    return !process->is_alive() || process->has_noticed_loss();
  });
}

void deployment::note_ledger_loss(const test::ledger_model& before) {
  for (auto& d : devices_) {
    note_lost_life(d, before);
    for (std::size_t m = 0; m < modules_.size(); ++m) {
      // An erasure that failed may be in the log of erasures: the ledger is given it now.
      if (d.is_half_erased) d.pairs[m].may_end_late = true;
      note_lost_reset(d, m, before);
      d.pairs[m].seen = {};
    }
  }
  for (std::size_t m = 0; m < modules_.size(); ++m) {
    const std::string id(modules_[m].view());
    if (before.modules.contains(id) == world_.ledger.modules.contains(id) &&
        before.revisions.at(id) == world_.ledger.revisions.at(id))
      continue;
    module_truths_[m].is_revision_lost = true;
    happened("catalogue change lost");
  }
}

void deployment::note_lost_life(device& d, const test::ledger_model& before) {
  const std::string who(d.student.view());
  const auto had = before.life_of(who).epoch, has = world_.ledger.life_of(who).epoch;
  if (had == has) return;
  ++d.life_calls;  // what is in flight is not alone with the student
  for (auto& truth : d.pairs) {
    ++truth.ends;
    truth.last_end_ms = truth.ended_ms = world_.clock.wall_now();
    truth.may_end_late = truth.may_end_late || has > 0;  // by a log of erasures, answered or not
  }
  if (has > 0) happened("erasure lost");
  if (had == 0) return;
  happened("enrolment lost");
  d.state = enrolment_state::unknown;
  d.enrolment_lost = world_.past.losses;
}

void deployment::note_lost_reset(device& d, std::size_t module, const test::ledger_model& before) {
  const auto had = before.look_up({d.student, modules_[module]}).state;
  if (!had || had->life.attempt < 2) return;
  const auto has = in_ledger({d.student, modules_[module]});
  if (!has || has->life < had->life) happened("reset lost");
  // Else only the ledger had it, answered or not, and perhaps the memory of a degraded gateway.
  if (!is_in_a_store(d, module, had->life)) drop_resets_in_no_store(d, module);
}

void deployment::drop_resets_in_no_store(device& d, std::size_t module) {
  auto& truth = d.pairs[module];
  truth.may_end_late = true;
  ++truth.ends;
  truth.last_end_ms = truth.ended_ms = world_.clock.wall_now();
  while (!truth.begun.empty() && truth.begun.back().life.attempt > 0 &&
         !is_in_a_store(d, module, truth.begun.back().life))
    truth.begun.pop_back();
  set_floor(d, module);
}

void deployment::note_loss() {
  has_lost_ = is_hot_behind_ = true;
  ++world_.hot_losses;
  // An emptied one begins anew; of an older one, what it had was spent since.
  allow_everybody(course_.hot_emptied ? limits::bucket_start_us : limits::bucket_capacity_us);
  lost_at_ = world_.checkpoints;
  ledger_faults_at_loss_ = ledger_faults();
}

}  // namespace watchkeeper::actors::testing::simulation
