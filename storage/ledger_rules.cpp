#include "storage/ledger_rules.hpp"

namespace watchkeeper::storage {

mastery_decision decide_mastery(const pair_key& key, const progress& state,
                                const std::optional<module_rules>& rules, wall_ms now_ms) {
  const module_rules in_force = rules ? *rules : module_rules{.duration_ms = state.duration_ms};
  const auto covered_ms = state.covered.covered_ms();
  const bool reached = in_force.duration_ms > 0 && covered_ms >= mastery_covered_ms(in_force);

  mastery_decision decision;
  decision.newly = reached && state.mastered_ms == never;
  decision.event.student = key.student;
  decision.event.module = key.module;
  decision.event.life = state.life;
  decision.event.covered_ms = covered_ms;
  // A pair that was mastered before the catalogue changed keeps the duration it was mastered under.
  decision.event.duration_ms = reached ? in_force.duration_ms : state.duration_ms;
  decision.event.threshold_centipercent = in_force.mastery_centipercent;
  decision.event.mastered_ms = decision.newly ? now_ms : state.mastered_ms;
  return decision;
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

stored<std::vector<std::optional<progress>>> ledger::read(std::span<const pair_key> keys) {
  auto found = look_up(keys);
  if (!found) return found.error();
  std::vector<std::optional<progress>> states;
  states.reserve(keys.size());
  for (auto& pair : *found) states.push_back(std::move(pair.state));
  return states;
}

}  // namespace watchkeeper::storage
