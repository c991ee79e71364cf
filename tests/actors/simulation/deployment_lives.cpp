#include <algorithm>
#include <utility>

#include "tests/actors/simulation/deployment.hpp"

/// Lives in a simulated deployment: students are erased and enrolled again, and pairs are reset and
/// read, through the API of any gateway.
namespace watchkeeper::actors::testing::simulation {

namespace {

constexpr std::size_t calls_max = 3;

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
  }
  return "";
}

std::string text_of(const life_number& life) {
  return std::to_string(life.epoch) + "." + std::to_string(life.attempt);
}

}  // namespace

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
  const auto dice = below(12);
  switch (devices_[who].state) {
    case enrolment_state::enrolled:
      return begin_call(dice < 3    ? erase
                        : dice < 7  ? reset
                        : dice < 11 ? read
                                    : enrol,
                        who, module);
    case enrolment_state::absent:
      return begin_call(dice < 1 ? erase : dice < 2 ? reset : dice < 4 ? read : enrol, who, module);
    case enrolment_state::unknown:
      return begin_call(dice < 5 ? erase : dice < 6 ? read : enrol, who, module);
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
  const bool is_of_life = what == api_call::kind::erase || what == api_call::kind::enrol;
  if (is_of_life) ++d.life_calls;
  if (what == api_call::kind::erase) d.is_half_erased = true;
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
  if (has_ended && course_.hot_older && !is_settling_ && chance(3)) take_hot_store_back();
}

void deployment::finish(const api_call& call) {
  auto& d = devices_[call.who];
  note(std::string(name_of_kind(call.what)) + " of " + name_of({d.student, modules_[call.module]}) +
       (call.reply.is_answered ? " is answered, life " + text_of(call.reply.begun) : " fails"));
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
      d.pairs[call.module].last_reset = static_cast<std::int64_t>(world_.ledger.changes.size());
      if (!call.reply.is_answered || call.reply.begun == life_number{}) return;
      ++counts.reset;
      return raise_floor(d, call.module, call.reply.begun, call.begun_ms);
    case api_call::kind::read:
      return finish_read(call, d);
  }
}

void deployment::finish_enrolment(const api_call& call, device& d) {
  const bool is_alone = d.life_calls == call.life_calls;
  ++d.life_calls;
  if (!call.reply.is_answered) return;
  ++counts.enrolled;
  if (is_alone && !d.is_half_erased) d.state = enrolment_state::enrolled;
}

void deployment::finish_erasure(const api_call& call, device& d) {
  const bool is_alone = d.life_calls == call.life_calls;
  ++d.life_calls;
  for (auto& truth : d.pairs)
    truth.last_erasure = static_cast<std::int64_t>(world_.ledger.changes.size());
  if (!call.reply.is_answered) return;
  ++counts.erased;
  for (std::size_t m = 0; m < modules_.size(); ++m)
    raise_floor(d, m, call.reply.begun, call.begun_ms);
  if (!is_alone) return;
  d.state = enrolment_state::absent;
  d.is_half_erased = false;
}

void deployment::raise_floor(device& d, std::size_t module, life_number floor, wall_ms begun_ms) {
  auto& truth = d.pairs[module];
  if (floor <= truth.floor) return;
  truth.floor = floor;
  truth.playable = {};
  for (const auto& b : d.beats)
    if (b.pair.module == modules_[module] && b.claims.issued_at_ms >= begun_ms)
      truth.playable.add(b.interval);
}

void deployment::finish_read(const api_call& call, device& d) {
  if (!call.reply.is_answered) return;
  ++counts.read;
  // Without the ledger nobody knows which life goes on.
  if (!call.reply.shown || !call.reply.ledger_replied) return;
  const auto& truth = d.pairs[call.module];
  const auto& shown = *call.reply.shown;
  const auto name = name_of({d.student, modules_[call.module]});
  if (shown.life < call.floor)
    fail("I6: " + name + ": the API shows the life " + text_of(shown.life) + " after " +
         text_of(call.floor) + " has begun");
  if (truth.ends == call.ends && !includes(truth.playable, shown.covered))
    fail("I6: " + name + ": the API shows " + show(shown.covered) + ", but only " +
         show(truth.playable) + " was played in the life");
}

void deployment::settle_lives() {
  for (std::size_t who = 0; who < device_count && !wrong_; ++who) {
    const auto& d = devices_[who];
    if (d.state == enrolment_state::unknown && !call_and_wait(api_call::kind::erase, who))
      return fail("an erasure fails though all is well");
    if (d.state == enrolment_state::absent && chance(2) &&
        !call_and_wait(api_call::kind::enrol, who))
      return fail("an enrolment fails though all is well");
  }
}

bool deployment::call_and_wait(api_call::kind what, std::size_t who) {
  const auto before = counts.half_done;
  begin_call(what, who, 0);
  quieten();
  return counts.half_done == before;
}

}  // namespace watchkeeper::actors::testing::simulation
