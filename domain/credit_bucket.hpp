#pragma once

#include "base/units.hpp"
#include "domain/limits.hpp"

namespace watchkeeper {

/// How much media time a student may still earn (docs/protocol.md, section 5, rule 5), over all
/// devices, sessions and modules together. Closing a gap is charged after the fact, so the level
/// may fall below zero by at most 2 × limits::gap_closed_ms; it is then repaid first.
class credit_bucket {
 public:
  credit_bucket() = default;  // a student seen for the first time
  credit_bucket(credit_us level_us, unix_ms refilled_at_ms)
      : level_us_(level_us), refilled_at_ms_(refilled_at_ms) {}

  /// Earns `rate_permille` microseconds a millisecond since the last refill, up to the capacity.
  /// A clock that went back earns nothing and is not remembered. The first refill only sets the
  /// time.
  void refill(unix_ms now_ms, std::int32_t rate_permille) noexcept;

  /// Whole milliseconds that may be spent; never negative.
  [[nodiscard]] media_ms available_ms() const noexcept;
  void charge(media_ms spent_ms) noexcept { level_us_ -= credit_us{spent_ms} * 1000; }

  [[nodiscard]] credit_us level_us() const noexcept { return level_us_; }
  [[nodiscard]] unix_ms refilled_at_ms() const noexcept { return refilled_at_ms_; }
  friend bool operator==(const credit_bucket&, const credit_bucket&) = default;

 private:
  credit_us level_us_ = limits::bucket_start_us;
  unix_ms refilled_at_ms_ = 0;  // 0: never
};

/// max_rate × 1.1 in permille, rounded to the nearest: 2.0 -> 2200.
std::int32_t bucket_rate_permille(double max_rate) noexcept;

}  // namespace watchkeeper
