#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "domain/progress.hpp"

namespace watchkeeper {

/// What a student may need in a module, the most pressing first.
enum class student_status : std::uint8_t {
  too_fast,     // played parts of more than too_fast_ms faster than counts, and went on
  skipping,     // went on and left out more than skipping_gap_ms in one piece
  stalled,      // not heard of for stalled_after_ms
  nearly_done,  // completion of at least nearly_done_centipercent
  none,
  mastered,  // none either: at the end of a list
};

inline constexpr media_ms too_fast_ms = 5'000;
inline constexpr media_ms skipping_gap_ms = 5'000;
inline constexpr std::int64_t stalled_after_ms = 24 * 3'600'000;
inline constexpr std::int32_t nearly_done_centipercent = 8'000;

/// `state.duration_ms` is that of the module now. The first that is true, in the order of the enum;
/// of a module that is mastered none is. Left out is a part that was not seen before a part that
/// was, or before the first, if playback is beyond it now (resume_ms): who goes back to it is on
/// the way. `refused`: what did not count because the student played too fast. What of it was seen
/// since does not matter; the rest is a gap that the student did not skip.
inline student_status student_status_of(const progress& state, wall_ms now_ms,
                                        const coverage& refused = {}) {
  if (state.mastered_ms != never) return student_status::mastered;
  const auto behind_ms = resume_within(state.resume_ms, state.duration_ms);
  media_ms lost_ms = 0;
  for (const auto& range : refused.without(state.covered))
    lost_ms += std::max(0, std::min(range.to_ms, behind_ms) - range.from_ms);
  if (lost_ms > too_fast_ms) return student_status::too_fast;
  media_ms end_ms = 0;
  const auto measured = state.covered.measured(state.duration_ms);
  for (const auto& piece : measured.pieces()) {
    if (piece.from_ms >= behind_ms) break;
    if (piece.from_ms - end_ms > skipping_gap_ms) return student_status::skipping;
    end_ms = piece.to_ms;
  }
  if (now_ms - state.updated_ms >= stalled_after_ms) return student_status::stalled;
  if (completion_centipercent(measured.covered_ms(), state.duration_ms) >= nearly_done_centipercent)
    return student_status::nearly_done;
  return student_status::none;
}

constexpr std::string_view name_of(student_status what) noexcept {
  switch (what) {
    case student_status::too_fast:
      return "too_fast";
    case student_status::skipping:
      return "skipping";
    case student_status::stalled:
      return "stalled";
    case student_status::nearly_done:
      return "nearly_done";
    default:
      return "none";
  }
}

}  // namespace watchkeeper
