#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

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
  watch_buckets();
  watch_ledger();
  watch_hot_store();
  if (!world_.unexpected.empty()) fail("a thread of a gateway " + world_.unexpected);
  for (auto& d : devices_) {
    if (!is_erased_in_ledger(d)) d.back_at_step = step_;
    for (std::size_t m = 0; m < modules_.size(); ++m) {
      check_ended(d, m);
      watch_pair(d, m);
    }
  }
  watch_events();
  for (const auto& process : processes_)
    if (process->is_degraded()) happened("degraded");
}

bool deployment::have_caught_up(
    const std::function<bool(const simulated_process&)>& has_caught_up) const {
  bool somebody_lives = false;
  for (const auto& process : processes_) {
    if (!process->is_alive()) continue;  // what it had is lost, or somebody else's by now
    if (process->is_degraded() || !has_caught_up(*process)) return false;
    somebody_lives = true;
  }
  return somebody_lives;
}

void deployment::watch_ledger() {
  // No backup is restored that is older than what has left the hot store.
  if (std::exchange(world_.hot.retired, 0) > 0) world_.past.states.clear();
  if (!is_ledger_behind_) return;
  // What the first round has marked, and what the shards have handed over since, the next ones
  // have written.
  is_ledger_behind_ = !have_caught_up(
      [](const simulated_process& process) { return process.rounds_since_loss() >= 3; });
}

void deployment::watch_hot_store() {
  if (!is_hot_behind_) return;
  is_hot_behind_ = !have_caught_up(
      [](const simulated_process& process) { return process.rounds_since_hot_loss() >= 3; });
}

void deployment::watch_pair(device& d, std::size_t module) {
  auto& truth = d.pairs[module];
  const auto name = name_of({d.student, modules_[module]});
  auto now = shown({d.student, modules_[module]});
  const auto covered = now.state ? now.state->covered : coverage{};
  // An erased student is back until a gateway has noticed that the ledger went back.
  const bool is_back = d.back_at_step >= step_ - 1;
  if (!includes(truth.playable, covered) && !is_back && !is_half_known(d))
    fail("I2: " + name + ": the stores show " + show(covered) + ", but only " +
         show(truth.playable) + " was played in the life");
  const auto before = truth.seen.state ? truth.seen.state->covered : coverage{};
  // After a loss some of it is in memory alone, for a while. What ends takes its time.
  const bool may_fall =
      is_hot_behind_ || is_back || truth.may_end() || truth.ends != truth.seen_ends;
  if (!may_fall && truth.seen.state && truth.seen.state->mastered_ms != never &&
      !(now.state && now.state->mastered_ms != never))
    fail("I7: " + name + " was mastered, and is no longer");
  if (!may_fall && !includes(covered, before))
    fail("I4: " + name + " fell from " + show(before) + " to " + show(covered));
  truth.seen = std::move(now);
  truth.seen_ends = truth.ends;
}

void deployment::check_ended(const device& d, std::size_t module) {
  const auto& floor = d.pairs[module].floor;
  if (floor == life_number{}) return;
  const pair_key pair{d.student, modules_[module]};
  const auto name = name_of(pair);
  const bool is_erased = is_erased_in_ledger(d);
  if (const auto row = in_ledger(pair);
      row && (row->life.epoch < floor.epoch ? is_erased : row->life < floor && !may_lack_reset(d)))
    fail("I6: " + name + ": the ledger has a life that ended");
  const auto key = test::ledger_model::key_of(pair);
  const auto event = world_.ledger.completions.lower_bound({key, {}});
  if (event != world_.ledger.completions.end() && event->first.first == key &&
      event->first.second.epoch < floor.epoch && is_erased)
    fail("I6: " + name + ": the outbox has an epoch that ended");
  if (const auto hot = in_hot(pair); hot && hot->life.epoch < floor.epoch && !lacks_erasures())
    fail("I6: " + name + ": the hot store has an epoch that ended");
  else if (hot && hot->life < floor && is_hot_store_told_of_resets())
    fail("I6: " + name + ": the hot store has an attempt that ended");
}

bool deployment::is_hot_store_told_of_resets() const {
  return !has_lost_ && world_.past.losses == 0 &&
         std::all_of(everyone_.begin(), everyone_.end(), [](const auto& process) {
           return process->degraded_spells() == 0 && !process->is_degraded();
         });
}

void deployment::check_promise(device& d, const beat& b, const acknowledgement& ack) {
  const auto& truth = truth_of(d, b.pair.module);
  const auto& sent = ack.sent;
  const bool unheard = is_unheard(truth, sent);
  const bool is_excused =
      ack.life.epoch < sent.floor.epoch
          ? may_go_on_from_memory() && sent.changes < truth.last_erasure
          : unheard || may_lack_reset(d) || is_behind_since(sent.is_ledger_behind, sent.losses);
  if (ack.life < sent.floor && !is_excused && d.back_at_step < sent.step - 1)
    fail("I6: " + name_of(b.pair) + ": a heartbeat is acknowledged in a life that ended");
  if (ack.life < sent.floor) return;  // it ends with that life
  const bool may_have_ended = truth.may_end() || truth.ends != sent.ends || unheard;
  if (ack.credited_ms == 0 || is_hot_behind_ || may_have_ended) return;
  if (has_lost_ && course_.may_lose()) return;  // it may repeat what a dead gateway had in memory
  // While it was on its way.
  if (sent.losses != world_.past.losses || sent.hot_losses != world_.hot_losses) return;
  const auto stored = shown(b.pair);
  // The ledger may have lost the enrolment. The student goes on with the next one.
  if (stored.student.epoch < ack.life.epoch && d.enrolment_lost > 0) return;
  const auto covered = stored.state ? stored.state->covered : coverage{};
  if (coverage part = promised(b, ack); !includes(covered, part))
    fail("I1: " + name_of(b.pair) + ": the result credits " + show(part) + " in " +
         show_life(ack.life) + ", but the stores have " + show(covered) + " in " +
         show_life(stored.state ? stored.state->life : stored.student.first_attempt()));
}

std::uint64_t deployment::ledger_faults() const {
  std::uint64_t sum = 0;
  for (const auto& process : everyone_) sum += process->ledger_link.faults;
  return sum;
}

void deployment::settle() {
  is_settling_ = true;
  for (auto* store : {&world_.hot_weather, &world_.ledger_weather}) {
    store->is_down = store->refuses_writes = false;
    store->fault_rate = 0;
  }
  for (auto& process : processes_) {
    process->clock_offset_ms = 0;
    process->end_ = {};
    process->hot_link.is_cut = process->ledger_link.is_cut = false;
    if (!process->is_alive()) start(process);
  }
  quieten();
  spread_losses();
  settle_catalogue();
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
      if (!b.settled && d.state == enrolment_state::enrolled &&
          !is_removed(index_of(b.pair.module)))
        return fail("a heartbeat of " + name_of(b.pair) + " never got a result");
  for (auto& process : processes_)
    if (process->is_degraded()) return fail("a gateway does not go back to the hot store");
  if (!world_.ledger.unfinished().empty())
    return fail("I7: nobody judges the pairs of a module by its new rules");
  // One checkpoint interval: I5.
  for (auto& process : processes_) {
    if (!process->checkpoint_all()) return fail("a checkpoint fails though all is well");
    quieten();
  }
  watch();
}

void deployment::spread_losses() {
  for (int round = 0; round < 3 && world_.past.losses > 0; ++round)
    for (auto& process : processes_) {
      process->turn_of_the_watcher();
      quieten();
      if (!process->checkpoint_all()) return fail("a checkpoint fails though all is well");
      quieten();
    }
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
      watch_first_credits();
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
        check_enrolled(d, m);
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
      const bool has_ended =
          ack.life < ack.sent.floor ||
          (ack.life != life && (ack.sent.ends != truth.ends || truth.may_end() || unheard));
      if (!has_ended && !is_lost_with_the_ledger(d, ack)) all.unite(promised(b, ack));
    }
  }
  return all;
}

bool deployment::is_lost_with_the_ledger(const device& d, const acknowledgement& ack) const {
  const auto& sent = ack.sent;
  if (!ack.is_degraded || sent.losses == world_.past.losses) return false;
  return d.enrolment_lost > sent.losses || (!sent.by->is_alive() && sent.by->is_degraded());
}

void deployment::check_enrolled(const device& d, std::size_t module) {
  const auto& truth = d.pairs[module];
  const pair_key pair{d.student, modules_[module]};
  const auto ledger = in_ledger(pair);
  const auto name = name_of(pair);
  const auto covered = ledger ? ledger->covered : coverage{};
  if (const auto promised = acknowledged(d, truth, pair, ledger ? ledger->life : life_number{});
      !course_.may_lose() && !includes(covered, promised))
    fail("I1: " + name + ": acknowledged " + show(promised) + ", the ledger has " + show(covered));
  if (!includes(truth.playable, covered))
    fail("I2: " + name + ": played in the life " + show(truth.playable) + ", the ledger has " +
         show(covered));
  check_mastery(module, pair, ledger);
  check_stores_agree(pair, ledger);
}

void deployment::check_stores_agree(const pair_key& pair, const std::optional<progress>& ledger) {
  const auto name = name_of(pair);
  const auto hot = in_hot(pair);
  const auto life = ledger ? ledger->life : life_number{};
  const auto ledger_covered = ledger ? ledger->covered : coverage{};
  const bool mastered = ledger && ledger->mastered_ms != never;
  const bool hot_lives = hot && (!ledger || hot->life == life);
  const auto hot_covered = hot_lives ? hot->covered : coverage{};
  // A hot store that was emptied, or came back older, may lack what is checkpointed. It also lacks
  // what a gateway wrote to the ledger if the gateway died before the hot store was back.
  const bool may_lag = has_lost_ || left_in_the_ledger();
  // A reset first writes what memory has to the ledger; then its gateway may die.
  const bool may_die = course_.lives && course_.kills;
  const bool may_lack = may_lag || (!hot && (course_.retires || may_die));
  if (hot && ledger && !hot_lives && (hot->life > life || !may_lag))
    fail("I5: " + name + ": the stores are in different lives");
  if (may_lack ? !includes(ledger_covered, hot_covered)
               : (hot ? hot_covered != ledger_covered : ledger && !has_lost_))
    fail("I5: " + name + ": the hot store has " + show(hot_covered) + ", the ledger " +
         show(ledger_covered));
  if (hot_lives && hot->mastered_ms != never && !mastered)
    fail("I5: " + name + ": mastered in the hot store, not in the ledger");
  // Who is mastered by new rules is so in the hot store with the next credit at the latest.
  if (hot_lives && hot->mastered_ms == never && mastered && !may_lag && !course_.catalogue)
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
  if (reply.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
    return fail("I5: " + name_of(pair) + ": a shard does not reply");
  const auto found = reply.get();
  if (!found || !*found) return;
  const auto& state = **found;
  if (!truth && is_blank(state)) return;  // nothing of it was credited
  // Of a reset that the ledger has lost, and got from the hot store again, nobody hears. The memory
  // of the pair is then behind until the pair is played.
  if (world_.past.losses > 0 && truth && state.life.epoch == truth->life.epoch &&
      state.life < truth->life)
    return;
  if (state.life != (truth ? truth->life : life_number{}))
    return fail("I6: " + name_of(pair) + ": a shard has a life that is not the ledger's");
  // It may be behind, because another gateway credits too, or a reply of the store was lost. A
  // reader of progress unites it with what the stores have.
  if (!includes(truth ? truth->covered : coverage{}, state.covered))
    fail("I5: " + name_of(pair) + ": a shard shows " + show(state.covered) + ", the stores " +
         show(truth ? truth->covered : coverage{}));
}

}  // namespace watchkeeper::actors::testing::simulation
