#pragma once

#include <algorithm>

#include "base/units.hpp"
#include "domain/limits.hpp"

namespace watchkeeper {

/// Whether a clock was set back since it gave the time `noted`. What was noted says nothing then,
/// and time counts from `now_ms` on: nobody waits until the clock has caught up. A time that is a
/// little ahead is another gateway's.
[[nodiscard]] constexpr bool was_set_back(wall_ms noted, wall_ms now_ms) noexcept {
  return noted - now_ms > limits::clock_difference_ms_max;
}

/// The later of both times; `now_ms` if a clock was set back.
[[nodiscard]] constexpr wall_ms latest_of(wall_ms noted, wall_ms now_ms) noexcept {
  return was_set_back(noted, now_ms) ? now_ms : std::max(noted, now_ms);
}

}  // namespace watchkeeper
