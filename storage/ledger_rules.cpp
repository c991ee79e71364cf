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
  decision.event.covered_ms = covered_ms;
  // A pair that was mastered before the catalogue changed keeps the duration it was mastered under.
  decision.event.duration_ms = reached ? in_force.duration_ms : state.duration_ms;
  decision.event.threshold_centipercent = in_force.mastery_centipercent;
  decision.event.mastered_ms = decision.newly ? now_ms : state.mastered_ms;
  return decision;
}

}  // namespace watchkeeper::storage
