#pragma once

#include <cstdint>
#include <string_view>

#include "domain/progress.hpp"

namespace watchkeeper {

/// What a student may need in a module, the most pressing first.
enum class attention : std::uint8_t {
  skipping,     // went on and left out more than attention_gap_ms in one piece
  stalled,      // not heard of for attention_stalled_ms
  nearly_done,  // completion of at least attention_nearly_centipercent
  none,
  mastered,  // none either: at the end of a list
};

inline constexpr media_ms attention_gap_ms = 5'000;
inline constexpr std::int64_t attention_stalled_ms = 24 * 3'600'000;
inline constexpr std::int32_t attention_nearly_centipercent = 8'000;

/// The first that is true, in the order of the enum; of a module that is mastered none is. Left out
/// is a part that was not seen before a part that was, or before the first, if playback is beyond
/// it now (resume_ms): who goes back to it is on the way.
inline attention attention_of(const progress& state, unix_ms now_ms) noexcept {
  if (state.mastered_ms != 0) return attention::mastered;
  media_ms end_ms = 0;
  for (const auto& piece : state.covered.pieces()) {
    if (piece.from_ms >= state.resume_ms) break;
    if (piece.from_ms - end_ms > attention_gap_ms) return attention::skipping;
    end_ms = piece.to_ms;
  }
  if (now_ms - state.updated_ms >= attention_stalled_ms) return attention::stalled;
  if (completion_centipercent(state.covered.covered_ms(), state.duration_ms) >=
      attention_nearly_centipercent)
    return attention::nearly_done;
  return attention::none;
}

constexpr std::string_view name_of(attention what) noexcept {
  switch (what) {
    case attention::skipping:
      return "skipping";
    case attention::stalled:
      return "stalled";
    case attention::nearly_done:
      return "nearly_done";
    default:
      return "none";
  }
}

}  // namespace watchkeeper
