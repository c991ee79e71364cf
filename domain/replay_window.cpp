#include "domain/replay_window.hpp"

#include <cassert>

namespace watchkeeper {

replay_window::sequence_state replay_window::check(std::uint32_t sequence) const noexcept {
  if (seen_ == 0 || sequence > highest_) return sequence_state::fresh;
  const auto age = highest_ - sequence;
  if (age >= limits::replay_window_numbers) return sequence_state::too_old;
  return seen_ >> age & 1 ? sequence_state::seen : sequence_state::fresh;
}

void replay_window::mark(std::uint32_t sequence) noexcept {
  assert(check(sequence) == sequence_state::fresh);
  if (seen_ == 0) {
    highest_ = sequence;
    seen_ = 1;
  } else if (sequence > highest_) {
    const auto advance = sequence - highest_;
    // Shifting by the width of the type is undefined, hence the comparison.
    seen_ = advance < limits::replay_window_numbers ? seen_ << advance | 1 : 1;
    highest_ = sequence;
  } else {
    seen_ |= std::uint64_t{1} << (highest_ - sequence);
  }
}

static_assert(limits::replay_window_numbers == 64, "one bit of `seen` a number");

}  // namespace watchkeeper
