#include "storage/ledger_rules.hpp"

#include <algorithm>

namespace watchkeeper::storage {

mastery_decision decide_mastery(const pair_key& key, const progress& state,
                                const std::optional<recorded_module>& module, wall_ms now_ms) {
  const bool reached = module && reaches_mastery(state.covered, module->newest.rules);
  mastery_decision decision;
  decision.newly = reached && !module->is_removed && state.mastered_ms == never;
  if (!decision.newly && state.mastered_ms == never) return decision;
  auto& event = decision.event.emplace();
  event.student = key.student;
  event.module = key.module;
  event.life = state.life;
  event.mastered_ms = decision.newly ? now_ms : state.mastered_ms;
  event.revision = 0;
  if (reached) name_revision(decision.event, state.covered, {&module->newest, 1});
  return decision;
}

void name_revision(std::optional<completion>& event, const coverage& covered,
                   std::span<const module_revision> newest_first) {
  if (newest_first.empty()) return event.reset();
  const auto found = std::find_if(newest_first.begin(), newest_first.end(), [&](const auto& each) {
    return reaches_mastery(covered, each.rules);
  });
  const auto& [revision, rules] = found == newest_first.end() ? newest_first.front() : *found;
  event->revision = revision;
  event->covered_ms = covered.measured_ms(rules.duration_ms);
  event->duration_ms = rules.duration_ms;
  event->threshold_centipercent = rules.mastery_centipercent;
}

module_change change_of(const std::optional<recorded_module>& before, const module_rules& rules) {
  if (!before) return {};
  const auto& [revision, had] = before->newest;
  if (before->is_removed) return {.revision = revision + 1};
  if (had == rules)
    return {.revision = revision, .is_new = false, .begins_revision = false, .judges_pairs = false};
  return {.revision = revision + 1,
          .is_new = false,
          .begins_revision = true,
          .judges_pairs = had.duration_ms != rules.duration_ms ||
                          had.mastery_centipercent != rules.mastery_centipercent};
}

void judge(judged_pairs& into, const pair_progress& pair, bool is_completed,
           const recorded_module& module, std::span<const module_revision> newest_first,
           wall_ms now_ms) {
  auto decision = decide_mastery(pair.key, pair.state, module, now_ms);
  if (decision.newly) {
    into.mastered.push_back(pair);
    into.mastered.back().state.mastered_ms = now_ms;
  }
  if (!decision.event || is_completed) return;
  if (decision.event->revision == 0)
    name_revision(decision.event, pair.state.covered, newest_first);
  if (decision.event) into.events.push_back(*decision.event);
}

progress next_attempt(const std::optional<progress>& recorded, const std::optional<progress>& known,
                      wall_ms now_ms) {
  progress before = recorded.value_or(progress{});
  if (known) merge(before, *known);
  progress next;
  next.life = {before.life.epoch, before.life.attempt + 1};
  next.begins_ms = next.updated_ms = now_ms;
  next.duration_ms = before.duration_ms;
  return next;
}

void merge_if_living(recorded_pair& into, const std::optional<progress>& copy) {
  if (!copy || !is_living(into, *copy)) return;
  if (into.state)
    merge(*into.state, *copy);
  else
    into.state = copy;
}

stored<std::vector<std::optional<progress>>> ledger::read(std::span<const pair_key> keys) {
  auto found = look_up(keys);
  if (!found) return found.error();
  std::vector<std::optional<progress>> states;
  states.reserve(keys.size());
  for (auto& pair : *found) states.push_back(std::move(pair.state));
  return states;
}

}  // namespace watchkeeper::storage
