#pragma once

#include <compare>
#include <cstdint>

#include "base/units.hpp"

namespace watchkeeper {

/// Numbers the lives of a pair, so that no copy of an ended life is taken for a late one
/// (docs/adr/0018-lives.md). The epoch belongs to the student: an erasure ends it, and the next
/// enrolment begins a higher one. The attempt belongs to the pair: a reset begins the next. Lives
/// are ordered; the default is no life, and lower than any.
struct life_number {
  std::uint32_t epoch = 0;    // a student's first one is about the second of the enrolment
  std::uint32_t attempt = 0;  // from 1 on
  friend auto operator<=>(const life_number&, const life_number&) = default;
};

/// In place of the lowest epoch that lives: all that there were have ended, whichever they were. A
/// later one may live.
inline constexpr std::uint32_t all_epochs = UINT32_MAX;

/// The epoch that a student is in.
struct student_life {
  std::uint32_t epoch = 0;  // 0: the student is not enrolled, or was erased
  /// What was played before does not count in it. `never`: everything counts, because no epoch
  /// came before.
  wall_ms begins_ms;
  [[nodiscard]] life_number first_attempt() const noexcept { return {epoch, 1}; }
  friend bool operator==(const student_life&, const student_life&) = default;
};

}  // namespace watchkeeper
