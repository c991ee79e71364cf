#include <algorithm>
#include <utility>

#include "tests/actors/simulation/deployment.hpp"

/// Lives in a simulated deployment: students are erased and enrolled again, and pairs are reset and
/// read, through the API of any gateway.
namespace watchkeeper::actors::testing::simulation {

namespace {

constexpr std::size_t calls_max = 4;

const char* name_of_kind(api_call::kind what) {
  switch (what) {
    case api_call::kind::enrol:
      return "enrolment";
    case api_call::kind::erase:
      return "erasure";
    case api_call::kind::reset:
      return "reset";
    case api_call::kind::read:
      return "read";
    case api_call::kind::put_module:
      return "change";
    case api_call::kind::remove_module:
      return "removal";
  }
  return "";
}

}  // namespace

std::string deployment::show_life(const life_number& life) {
  return std::to_string(life.epoch) + "." + std::to_string(life.attempt);
}

std::size_t deployment::index_of(const module_id& module) const {
  return static_cast<std::size_t>(std::find(modules_.begin(), modules_.end(), module) -
                                  modules_.begin());
}

device_record deployment::record_of(const device& d) const {
  return {.kid = d.signer->kid(),
          .student = d.student,
          .key = d.signer->public_key(),
          .revoked = false,
          .created_ms = world_.clock.wall_now()};
}

void deployment::begin_some_call() {
  if (calls_.size() >= calls_max) return;
  const auto who = below(device_count);
  const auto module = chance(3) ? below(modules_.size()) : devices_[who].module;
  using enum api_call::kind;
  if (course_.ledger_older && chance(2)) return begin_reset_of_played(who);
  const auto dice = below(12);
  switch (devices_[who].state) {
    case enrolment_state::enrolled:
      return begin_call(dice < 2    ? erase
                        : dice < 8  ? reset
                        : dice < 11 ? read
                                    : enrol,
                        who, module);
    case enrolment_state::absent:
      return begin_call(dice < 1 ? erase : dice < 2 ? reset : dice < 4 ? read : enrol, who, module);
    case enrolment_state::unknown:
      return begin_call(dice < 5 ? erase : dice < 6 ? read : enrol, who, module);
  }
}

void deployment::begin_reset_of_played(std::size_t who) {
  const auto& d = devices_[who];
  if (d.state != enrolment_state::enrolled) return;
  for (std::size_t m = 0; m < modules_.size(); ++m) {
    if (!in_hot({d.student, modules_[m]})) continue;
    begin_call(api_call::kind::reset, who, m);
    // Mostly before much else happens: a ledger that goes back then has had little more.
    for (int turn = 0; turn < 40 && !chance(40) && !calls_.empty(); ++turn) {
      turn_of_an_actor();
      for (auto& process : processes_) process->turn_of_the_writer();
      turn_of_a_call(calls_.size() - 1);
    }
    return;
  }
}

template <class Look>
void deployment::each_pair_of(const api_call& call, Look look) {
  for (std::size_t m = 0; m < modules_.size(); ++m)
    if (call.what != api_call::kind::reset || m == call.module) look(devices_[call.who].pairs[m]);
}

void deployment::begin_call(api_call::kind what, std::size_t who, std::size_t module) {
  auto& at = processes_[below(processes_.size())];
  if (!at->is_alive()) return;
  auto& d = devices_[who];
  auto call = std::make_unique<api_call>();
  call->what = what;
  call->who = who;
  call->module = module;
  call->at = at;
  call->begun_ms = at->time().wall_now();
  call->was_absent = d.state != enrolment_state::enrolled;
  call->floor = d.pairs[module].floor;
  call->ends = d.pairs[module].ends;
  call->losses = world_.past.losses;
  call->is_ledger_behind = is_ledger_behind_;
  const bool is_of_life = what == api_call::kind::erase || what == api_call::kind::enrol;
  if (is_of_life) ++d.life_calls;
  if (what == api_call::kind::erase) {
    d.is_half_erased = true;
    d.hot.granted_us += limits::bucket_start_us;  // of the next epoch
  }
  if (what == api_call::kind::erase || (is_of_life && call->was_absent))
    d.state = enrolment_state::unknown;
  call->life_calls = d.life_calls;
  if (may_end(*call))
    each_pair_of(*call, [&](pair_truth& truth) {
      ++truth.ends;
      ++truth.ends_in_flight;
      truth.last_end_ms = std::max(truth.last_end_ms, call->begun_ms);
    });
  const pair_key pair{d.student, modules_[module]};
  note(std::string(name_of_kind(what)) + " of " + name_of(pair) + " begins");
  if (const auto row = in_ledger(pair); row && event_of(pair, row->life)) call->event = row->life;
  auto& api = at->api();
  switch (what) {
    case api_call::kind::enrol:
      call->steps.emplace(api.enrol(record_of(d), call->reply));
      break;
    case api_call::kind::erase:
      call->steps.emplace(api.erase(d.student, call->reply));
      break;
    case api_call::kind::reset:
      call->steps.emplace(api.reset(pair, call->reply));
      break;
    case api_call::kind::read:
      call->steps.emplace(api.read(pair, call->reply));
      break;
    case api_call::kind::put_module:
    case api_call::kind::remove_module:
      change_module(*call);
      break;
  }
  calls_.push_back(std::move(call));
  turn_of_a_call(calls_.size() - 1);
}

void deployment::turn_of_a_call(std::size_t which) {
  auto& call = *calls_[which];
  const auto is_over = [&] { return !call.at->is_alive() || call.steps->is_done(); };
  if (!is_over()) {
    if (call.steps->waits()) return;
    call.at->go_on(*call.steps);
  }
  if (!is_over()) return;
  if (!call.at->is_alive()) call.reply = {};
  const auto finished = std::move(calls_[which]);
  calls_.erase(calls_.begin() + static_cast<std::ptrdiff_t>(which));
  finish(*finished);
  // A replica that lacks what was just written is promoted.
  const bool has_ended = finished->what != api_call::kind::read && finished->reply.is_answered;
  if (!has_ended || is_settling_) return;
  if (course_.hot_older && chance(3)) take_hot_store_back();
  const bool is_reset = finished->reply.begun.attempt > 0;
  if (course_.ledger_older && (is_reset || !chance(3))) take_ledger_back(is_reset ? 2 : 4);
}

void deployment::finish(const api_call& call) {
  auto& d = devices_[call.who];
  note(std::string(name_of_kind(call.what)) + " of " + name_of({d.student, modules_[call.module]}) +
       (call.reply.is_answered ? " is answered, life " + show_life(call.reply.begun) : " fails"));
  if (may_end(call))
    each_pair_of(call, [&](pair_truth& truth) {
      ++truth.ends;
      --truth.ends_in_flight;
      truth.ended_ms = world_.clock.wall_now();
    });
  if (!call.reply.is_answered && call.what != api_call::kind::read) ++counts.half_done;
  switch (call.what) {
    case api_call::kind::enrol:
      return finish_enrolment(call, d);
    case api_call::kind::erase:
      return finish_erasure(call, d);
    case api_call::kind::reset:
      d.pairs[call.module].last_reset = world_.newest_change();
      if (!call.reply.is_answered || call.reply.begun == life_number{}) return;
      happened("reset");
      if (call.losses != world_.past.losses && !is_in_a_store(d, call.module, call.reply.begun)) {
        d.pairs[call.module].may_end_late = true;
        return set_floor(d, call.module);
      }
      return raise_floor(d, call.module, call.reply.begun, call.begun_ms);
    case api_call::kind::read:
      return finish_read(call, d);
    case api_call::kind::put_module:
    case api_call::kind::remove_module:
      return finish_change(call);
  }
}

void deployment::finish_enrolment(const api_call& call, device& d) {
  const bool is_alone = d.life_calls == call.life_calls;
  ++d.life_calls;
  if (!call.reply.is_answered) return;
  if (call.was_absent) happened("enrolled again");
  // A ledger that went back may have the student from before an erasure, until it is repeated.
  const bool is_known = call.losses == world_.past.losses && is_erased_in_ledger(d);
  if (is_alone && !d.is_half_erased && is_known) d.state = enrolment_state::enrolled;
}

void deployment::finish_erasure(const api_call& call, device& d) {
  const bool is_alone = d.life_calls == call.life_calls;
  ++d.life_calls;
  for (auto& truth : d.pairs) truth.last_erasure = world_.newest_change();
  if (!call.reply.is_answered) return;
  happened("erased");
  if (call.reply.begun.epoch >= d.erased_below) {
    d.erased_below = call.reply.begun.epoch;
    d.erased_at_loss = call.losses;
  }
  for (std::size_t m = 0; m < modules_.size(); ++m) {
    if (call.losses == world_.past.losses) d.pairs[m].may_end_late = false;
    raise_floor(d, m, call.reply.begun, call.begun_ms);
  }
  if (!is_alone) return;
  d.state = enrolment_state::absent;
  d.is_half_erased = false;
}

void deployment::raise_floor(device& d, std::size_t module, life_number floor, wall_ms begun_ms) {
  auto& truth = d.pairs[module];
  if (floor < truth.floor) return;
  if (floor == truth.floor) {
    // Two resets at once, with a ledger that went back in between: their attempts are united.
    if (floor.attempt > 0) truth.may_end_late = true;
    return set_floor(d, module);
  }
  truth.begun.push_back({floor, begun_ms});
  set_floor(d, module);
}

void deployment::set_floor(device& d, std::size_t module) {
  auto& truth = d.pairs[module];
  truth.floor = truth.begun.empty() ? life_number{} : truth.begun.back().life;
  auto since = truth.begun.rbegin();
  // An attempt that the ledger has lost may be in the memory of a degraded gateway, and have the
  // number that it gives to another one.
  while (truth.may_end_late && since != truth.begun.rend() && since->life.attempt > 0) ++since;
  truth.playable = {};
  for (const auto& b : d.beats)
    if (b.pair.module == modules_[module] &&
        (since == truth.begun.rend() || b.claims.issued_at_ms >= since->begun_ms))
      truth.playable.add(b.interval);
}

bool deployment::is_in_a_store(const device& d, std::size_t module, life_number life) {
  const pair_key pair{d.student, modules_[module]};
  const auto row = in_ledger(pair), hot = in_hot(pair);
  return (row && row->life >= life) || (hot && hot->life >= life);
}

bool deployment::is_erased_in_ledger(const device& d) const {
  if (d.erased_below == 0 || d.erased_at_loss == world_.past.losses) return true;
  return std::any_of(
      world_.erasure_logs.begin(), world_.erasure_logs.end(), [&](const auto& of_place) {
        const auto& log = of_place.second;
        const auto logged = log.entries.find(d.student);
        return log.repeated_at_loss == world_.past.losses && logged != log.entries.end() &&
               logged->second.next_epoch >= d.erased_below;
      });
}

void deployment::finish_read(const api_call& call, device& d) {
  if (!call.reply.is_answered) return;
  ++counts.read;
  // Without the ledger nobody knows which life goes on.
  if (!call.reply.shown || !call.reply.ledger_replied) return;
  const auto& truth = d.pairs[call.module];
  const auto& shown = *call.reply.shown;
  const auto name = name_of({d.student, modules_[call.module]});
  if (is_behind_since(call.is_ledger_behind, call.losses)) return;
  if (call.event && shown.life == *call.event && shown.mastered_ms == never)
    fail("I7: " + name + ": the API shows no mastery, although its event is in the outbox");
  if (shown.life < call.floor)
    fail("I6: " + name + ": the API shows the life " + show_life(shown.life) + " after " +
         show_life(call.floor) + " has begun");
  if (truth.ends == call.ends && !includes(truth.playable, shown.covered))
    fail("I6: " + name + ": the API shows " + show(shown.covered) + ", but only " +
         show(truth.playable) + " was played in the life");
}

void deployment::settle_lives() {
  for (std::size_t who = 0; who < device_count && !wrong_; ++who) {
    const auto& d = devices_[who];
    using enum api_call::kind;
    // Whose enrolment is lost enrols again, and goes on.
    if (d.state == enrolment_state::unknown && d.enrolment_lost > 0 && !d.is_half_erased &&
        !chance(4) && !call_and_wait(enrol, who))
      return fail("an enrolment fails though all is well");
    if (d.state == enrolment_state::unknown && !call_and_wait(erase, who))
      return fail("an erasure fails though all is well");
    if (d.state == enrolment_state::absent && chance(2) && !call_and_wait(enrol, who))
      return fail("an enrolment fails though all is well");
  }
}

bool deployment::call_and_wait(api_call::kind what, std::size_t who, std::size_t module) {
  const auto before = counts.half_done;
  begin_call(what, who, module);
  quieten();
  return counts.half_done == before;
}

}  // namespace watchkeeper::actors::testing::simulation
