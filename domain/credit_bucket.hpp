#pragma once

#include "base/units.hpp"
#include "domain/limits.hpp"

namespace watchkeeper {

/// How much real time a student may still report (docs/protocol.md, section 5, rule 5), over all
/// devices, sessions and modules together. An interval of media costs its length divided by the
/// `max_rate` of its module. Closing a gap is charged after the fact, so the level may fall below
/// zero by the cost of 2 × limits::gap_closed_ms; it is then repaid first.
class credit_bucket {
 public:
  credit_bucket() = default;  // a student seen for the first time
  credit_bucket(credit_us level_us, wall_ms refilled_at_ms)
      : level_us_(level_us), refilled_at_ms_(refilled_at_ms) {}
  /// In place of a bucket that cannot be read: what was earned since the student was last credited,
  /// at most what a new student has. `never`, or a time from before a clock was set back: a new
  /// student's.
  [[nodiscard]] static credit_bucket since(wall_ms credited_ms, wall_ms now_ms) noexcept;

  /// Earns 1.1 times the time since the last refill, up to the capacity. The first refill only sets
  /// the time. If the last refill lies in the future, nothing is earned; if it lies further ahead
  /// than clocks differ, a clock was set back, and time counts from now on.
  void refill(wall_ms now_ms) noexcept;

  /// Whole milliseconds of media that may be credited in a module; never negative.
  [[nodiscard]] media_ms available_ms(std::int32_t max_rate_permille) const noexcept;
  /// Pays for media that was credited in a module; rounded up.
  void charge(media_ms media, std::int32_t max_rate_permille) noexcept;

  [[nodiscard]] credit_us level_us() const noexcept { return level_us_; }
  [[nodiscard]] wall_ms refilled_at_ms() const noexcept { return refilled_at_ms_; }
  friend bool operator==(const credit_bucket&, const credit_bucket&) = default;

 private:
  credit_us level_us_ = limits::bucket_start_us;
  wall_ms refilled_at_ms_;  // 0: never
};

}  // namespace watchkeeper
