#include "domain/progress.hpp"

#include <algorithm>

namespace watchkeeper {

progress_summary summarize(const progress& p, media_ms duration_ms) noexcept {
  return {.covered_ms = p.covered.covered_ms(),
          .measured_ms = p.covered.measured_ms(duration_ms),
          .duration_ms = duration_ms,
          .playtime_ms = p.playtime_ms,
          .resume_ms = p.resume_ms,
          .updated_ms = p.updated_ms,
          .mastered_ms = p.mastered_ms,
          .life = p.life,
          .begins_ms = p.begins_ms};
}

progress blank_progress(const student_life& life) noexcept {
  progress blank;
  blank.life = life.first_attempt();
  blank.begins_ms = life.begins_ms;
  return blank;
}

bool is_blank(const progress& p) noexcept {
  return p.life.attempt <= 1 && p.updated_ms == never && p.covered.empty();
}

void merge(progress& into, const progress& other) {
  if (into.life != other.life) {
    if (into.life < other.life) into = other;
    return;
  }
  // Both are the same, unless a clock was set while the life began in two stores.
  into.begins_ms = std::max(into.begins_ms, other.begins_ms);
  into.covered.unite(other.covered);
  into.covered.trim();
  if (other.updated_ms > into.updated_ms)
    into.duration_ms = other.duration_ms;
  else if (other.updated_ms == into.updated_ms)
    into.duration_ms = std::max(into.duration_ms, other.duration_ms);
  into.updated_ms = std::max(into.updated_ms, other.updated_ms);
  into.playtime_ms = std::max(into.playtime_ms, other.playtime_ms);

  // On a tie the farther position, so that the order of merging does not matter.
  if (other.resume_at_ms > into.resume_at_ms) {
    into.resume_at_ms = other.resume_at_ms;
    into.resume_ms = other.resume_ms;
  } else if (other.resume_at_ms == into.resume_at_ms) {
    into.resume_ms = std::max(into.resume_ms, other.resume_ms);
  }

  if (into.mastered_ms == never)
    into.mastered_ms = other.mastered_ms;
  else if (other.mastered_ms != never)
    into.mastered_ms = std::min(into.mastered_ms, other.mastered_ms);
}

media_ms resume_within(media_ms resume_ms, media_ms duration_ms) noexcept {
  return std::min(resume_ms, duration_ms);
}

std::int64_t seconds_watched(media_ms measured_ms) noexcept {
  return measured_ms / 1000;
}

std::int32_t completion_centipercent(media_ms measured_ms, media_ms duration_ms) noexcept {
  if (duration_ms <= 0 || measured_ms <= 0) return 0;
  return static_cast<std::int32_t>(
      std::min<std::int64_t>(std::int64_t{measured_ms} * 10'000 / duration_ms, 10'000));
}

media_ms mastery_measured_ms(const module_rules& rules) noexcept {
  const auto scaled = std::int64_t{rules.duration_ms} * rules.mastery_centipercent;
  return static_cast<media_ms>(std::max<std::int64_t>((scaled + 9'999) / 10'000, 1));
}

bool reaches_mastery(const coverage& covered, const module_rules& rules) noexcept {
  return rules.duration_ms > 0 &&
         covered.measured_ms(rules.duration_ms) >= mastery_measured_ms(rules);
}

}  // namespace watchkeeper
