#pragma once

#include <cstdint>

#include "base/units.hpp"
#include "domain/coverage.hpp"
#include "domain/ids.hpp"
#include "domain/life.hpp"

namespace watchkeeper {

/// What is kept of a {student, module} pair. `mastered_ms` = 0: not mastered.
struct progress {
  life_number life;   // that all of this belongs to
  wall_ms begins_ms;  // of the life: what was played before does not count. `never`: all counts
  coverage covered;
  media_ms duration_ms = 0;      // of the module when last credited
  std::int64_t playtime_ms = 0;  // all that was credited, rewatching included
  media_ms resume_ms = 0;        // end of the interval played last by the device's clock
  wall_ms resume_at_ms;          // `iat` of that interval
  wall_ms updated_ms;            // server's clock at the last credit
  wall_ms mastered_ms;
  friend bool operator==(const progress&, const progress&) = default;
};

/// The numbers of a progress without its coverage: what a response to a device needs.
struct progress_summary {
  media_ms covered_ms = 0;   // all that was ever seen, of whatever duration the module was then
  media_ms measured_ms = 0;  // what counts of it: coverage::measured_ms(duration_ms)
  media_ms duration_ms = 0;  // of the module now
  std::int64_t playtime_ms = 0;
  media_ms resume_ms = 0;
  wall_ms updated_ms;
  wall_ms mastered_ms;
  life_number life;
  wall_ms begins_ms;
  friend bool operator==(const progress_summary&, const progress_summary&) = default;
};
/// `duration_ms`: of the module now.
progress_summary summarize(const progress& p, media_ms duration_ms) noexcept;

/// A pair in the first attempt of an epoch, with nothing in it.
[[nodiscard]] progress blank_progress(const student_life& life) noexcept;
/// Whether nothing was ever credited in it, and it was not reset: there is nothing to show.
[[nodiscard]] bool is_blank(const progress& p) noexcept;

/// Two copies of one pair become one. Of two lives the higher one wins as a whole. Within a life,
/// coverage is united, times and playtime take the larger, the resume position the later one, the
/// earliest mastery wins; `duration_ms` takes that of the copy updated last (the larger on a tie).
/// Idempotent, commutative, associative (at the limit of pieces with the exception that the comment
/// of `coverage` tells). A default-constructed progress changes nothing.
void merge(progress& into, const progress& other);

/// Where playback goes on, in a module of this duration: not beyond its end, where playback may
/// have been before the module became shorter.
[[nodiscard]] media_ms resume_within(media_ms resume_ms, media_ms duration_ms) noexcept;

/// floor(measured_ms / 1000).
std::int64_t seconds_watched(media_ms measured_ms) noexcept;
/// measured / duration × 100 in hundredths of a percent, rounded down, at most 10000; 0 for no
/// duration.
std::int32_t completion_centipercent(media_ms measured_ms, media_ms duration_ms) noexcept;

/// What the catalogue says of a module.
struct module_rules {
  media_ms duration_ms = 0;
  std::int32_t mastery_centipercent = 9500;  // 95.00 %
  std::int32_t max_rate_permille = 2000;     // 2.0 ×
  friend bool operator==(const module_rules&, const module_rules&) = default;
};
/// The coverage from which a pair is mastered: the smallest measured_ms with
/// measured_ms / duration_ms × 100 >= threshold; at least 1.
media_ms mastery_measured_ms(const module_rules& rules) noexcept;
/// Whether a pair with this coverage is mastered by these rules; false for no duration.
bool reaches_mastery(const coverage& covered, const module_rules& rules) noexcept;

}  // namespace watchkeeper
