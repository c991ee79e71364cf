#include "domain/credit_bucket.hpp"

#include <algorithm>
#include <cmath>

namespace watchkeeper {

void credit_bucket::refill(unix_ms now_ms, std::int32_t rate_permille) noexcept {
  if (refilled_at_ms_ == 0) {
    refilled_at_ms_ = now_ms;
    return;
  }
  if (now_ms <= refilled_at_ms_) return;
  const auto elapsed_ms = now_ms - refilled_at_ms_;
  refilled_at_ms_ = now_ms;
  if (level_us_ >= limits::bucket_capacity_us) {
    level_us_ = limits::bucket_capacity_us;
    return;
  }
  if (rate_permille <= 0) return;
  // Compared in milliseconds, so that no pause, however long, overflows the product.
  const auto missing_us = limits::bucket_capacity_us - level_us_;
  const auto full_after_ms = (missing_us + rate_permille - 1) / rate_permille;
  level_us_ = elapsed_ms >= full_after_ms ? limits::bucket_capacity_us
                                          : level_us_ + elapsed_ms * rate_permille;
}

media_ms credit_bucket::available_ms() const noexcept {
  return static_cast<media_ms>(std::clamp<credit_us>(level_us_, 0, limits::bucket_capacity_us) /
                               1000);
}

std::int32_t bucket_rate_permille(double max_rate) noexcept {
  if (!(max_rate > 0)) return 0;
  constexpr double highest = 1'000'000;  // far above any playback rate; keeps the cast defined
  return static_cast<std::int32_t>(
      std::lround(std::min(max_rate * limits::bucket_allowance_permille, highest)));
}

}  // namespace watchkeeper
