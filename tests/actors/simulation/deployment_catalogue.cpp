#include <algorithm>
#include <string>

#include "tests/actors/simulation/deployment.hpp"

/// The catalogue of a simulated deployment: modules get other rules, are removed and return through
/// the API of any gateway; and what must hold of mastery and of the outbox.
namespace watchkeeper::actors::testing::simulation {

namespace {

constexpr media_ms durations_ms[] = {45'000, 60'000, 80'000};
constexpr std::int32_t thresholds_centipercent[] = {5'000, 8'000, 9'500, 10'000};

}  // namespace

const module_rules& deployment::rules_of(std::size_t module) const {
  return world_.ledger.revisions.at(std::string(modules_[module].view())).back();
}

bool deployment::is_removed(std::size_t module) const {
  return !world_.ledger.modules.contains(std::string(modules_[module].view()));
}

const storage::completion* deployment::event_of(const pair_key& pair, life_number life) const {
  const auto found = world_.ledger.completions.find({test::ledger_model::key_of(pair), life});
  return found == world_.ledger.completions.end() ? nullptr : &found->second;
}

void deployment::begin_some_change() {
  auto module = below(modules_.size());
  // Nothing is played of what was removed: it mostly returns soon.
  for (std::size_t m = 0; m < modules_.size(); ++m)
    if (is_removed(m) && !chance(3)) module = m;
  const bool removes = !is_removed(module) && chance(4);
  begin_call(removes ? api_call::kind::remove_module : api_call::kind::put_module,
             below(device_count), module);
}

void deployment::change_module(api_call& call) {
  auto& api = call.at->api();
  call.was_removed = is_removed(call.module);
  if (call.what == api_call::kind::remove_module) {
    call.steps.emplace(api.remove_module(modules_[call.module], call.reply));
    return;
  }
  module_record module;
  module.id = modules_[call.module];
  module.rules = rules_of(call.module);
  // A module often returns as it was.
  if (!call.was_removed || chance(2)) {
    if (!chance(3)) module.rules.duration_ms = durations_ms[below(std::size(durations_ms))];
    if (!chance(3))
      module.rules.mastery_centipercent =
          thresholds_centipercent[below(std::size(thresholds_centipercent))];
  }
  call.rules = module.rules;
  module_truths_[call.module].rules.push_back(module.rules);
  note("it has " + std::to_string(module.rules.duration_ms) + " ms, " +
       std::to_string(module.rules.mastery_centipercent));
  call.steps.emplace(api.put_module(module, call.reply));
}

void deployment::finish_change(const api_call& call) {
  if (!call.reply.is_answered) return;
  happened(call.what == api_call::kind::remove_module ? "module removed"
           : call.was_removed                         ? "module returned"
                                                      : "rules changed");
}

void deployment::watch_events() {
  for (const auto& [key, event] : world_.ledger.completions) {
    const auto [seen, is_new] = outbox_.try_emplace(event.sequence, key);
    if (is_new)
      check_new_event(event);
    else if (seen->second != key)
      fail("I7: the number " + std::to_string(event.sequence) + " of " +
           name_of({event.student, event.module}) + " was that of another event");
  }
  if (world_.past.losses > 0) return;
  // Those of earlier attempts are history. They go with the student.
  for (const auto& [number, key] : outbox_) {
    const auto student = world_.ledger.students.find(key.first.first);
    if (student != world_.ledger.students.end() && student->second.epoch == key.second.epoch &&
        !world_.ledger.completions.contains(key))
      fail("I7: the event " + std::to_string(number) + " of " + key.first.first + '/' +
           key.first.second + " has vanished");
  }
}

void deployment::check_new_event(const storage::completion& event) {
  const pair_key pair{event.student, event.module};
  const auto module = index_of(event.module);
  const auto name = name_of(pair);
  const auto& revisions = world_.ledger.revisions.at(std::string(event.module.view()));
  if (event.revision < 1 || static_cast<std::size_t>(event.revision) > revisions.size())
    return fail("I7: " + name + ": the event names a revision that never was");
  const auto& rules = revisions[static_cast<std::size_t>(event.revision) - 1];
  if (event.duration_ms != rules.duration_ms ||
      event.threshold_centipercent != rules.mastery_centipercent)
    fail("I7: " + name + ": the event has other rules than its revision");
  // By rules that the ledger has lost, somebody may be mastered whom it cannot explain.
  if (event.covered_ms < mastery_measured_ms(rules) && !module_truths_[module].is_revision_lost)
    fail("I7: " + name + ": the event names a revision by which the pair is not mastered");
  if (const auto row = in_ledger(pair); row && row->life == event.life && row->mastered_ms == never)
    fail("I7: " + name + ": there is an event of a pair that is not mastered");
  // A gateway that has not heard of the removal masters the pair in the hot store first.
  const bool is_degraded = std::any_of(processes_.begin(), processes_.end(),
                                       [](const auto& each) { return each->is_degraded(); });
  const auto hot = in_hot(pair);
  if (is_removed(module) && hot && hot->life == event.life && hot->mastered_ms == never &&
      !is_degraded && !is_hot_behind_ && world_.past.losses == 0)
    fail("I7: " + name + ": mastered while the module is removed");
}

void deployment::check_mastery(std::size_t module, const pair_key& pair,
                               const std::optional<progress>& recorded) {
  const auto name = name_of(pair);
  const auto covered = recorded ? recorded->covered : coverage{};
  const bool mastered = recorded && recorded->mastered_ms != never;
  const auto events = event_of(pair, recorded ? recorded->life : life_number{}) ? 1u : 0u;
  const auto& put = module_truths_[module].rules;
  const bool may_be = std::any_of(put.begin(), put.end(), [&](const module_rules& rules) {
    return reaches_mastery(covered, rules);
  });
  const bool must_be = !is_removed(module) && reaches_mastery(covered, rules_of(module));
  if (events != (mastered ? 1u : 0u))
    fail("I3: " + name + ": " + std::to_string(events) + " completions at " +
         std::to_string(covered.covered_ms()) + " ms");
  if (must_be && !mastered) fail("I7: " + name + ": not mastered, although the rules say so");
  if (mastered && !may_be) fail("I7: " + name + ": mastered, although no rules say so");
  counts.mastered += events;
}

void deployment::settle_catalogue() {
  for (std::size_t m = 0; m < modules_.size() && !wrong_; ++m)
    if (is_removed(m) && chance(2) && !call_and_wait(api_call::kind::put_module, 0, m))
      return fail("a change of a module fails though all is well");
}

}  // namespace watchkeeper::actors::testing::simulation
