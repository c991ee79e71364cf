#pragma once

#include <algorithm>
#include <cstdint>

namespace watchkeeper {

/// The growing pause between attempts: it doubles with each failure in a row, up to a cap, and is
/// random from zero on (full jitter), so that clients that failed together do not come back
/// together. No clock. One thread.
class backoff {
 public:
  constexpr backoff(std::int64_t base_ms, std::int64_t cap_ms) noexcept
      : base_ms_(base_ms), cap_ms_(cap_ms) {}

  /// The pause after a further failure: 0 to base × 2^failures, at most the cap. `random` is evenly
  /// distributed over all its values.
  [[nodiscard]] std::int64_t next_ms(std::uint64_t random) noexcept {
    const auto ceiling_ms = std::min(cap_ms_, base_ms_ << std::min(failures_, doublings_max));
    if (failures_ < doublings_max) ++failures_;
    return static_cast<std::int64_t>(random % static_cast<std::uint64_t>(ceiling_ms + 1));
  }
  void reset() noexcept { failures_ = 0; }

  /// In a row; counted up to `doublings_max`.
  [[nodiscard]] unsigned failures() const noexcept { return failures_; }

 private:
  static constexpr unsigned doublings_max = 20;
  std::int64_t base_ms_;
  std::int64_t cap_ms_;
  unsigned failures_ = 0;
};

}  // namespace watchkeeper
