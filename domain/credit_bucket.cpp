#include "domain/credit_bucket.hpp"

#include <algorithm>

#include "domain/wall_clock.hpp"

namespace watchkeeper {

credit_bucket credit_bucket::since(wall_ms credited_ms, wall_ms now_ms) noexcept {
  if (credited_ms == never || was_set_back(credited_ms, now_ms)) return {};
  credit_bucket empty{0, std::min(credited_ms, now_ms)};
  empty.refill(now_ms);
  return {std::min(empty.level_us_, limits::bucket_start_us), now_ms};
}

void credit_bucket::refill(wall_ms now_ms) noexcept {
  if (refilled_at_ms_ == never || was_set_back(refilled_at_ms_, now_ms)) {
    refilled_at_ms_ = now_ms;
    return;
  }
  if (now_ms <= refilled_at_ms_) return;
  const auto elapsed_ms = now_ms - refilled_at_ms_;
  refilled_at_ms_ = now_ms;
  // Compared in milliseconds, so that no pause, however long, overflows the product.
  const auto missing_us = limits::bucket_capacity_us - level_us_;
  const auto full_after_ms =
      (missing_us + limits::bucket_allowance_permille - 1) / limits::bucket_allowance_permille;
  level_us_ = elapsed_ms >= full_after_ms
                  ? limits::bucket_capacity_us
                  : level_us_ + elapsed_ms * limits::bucket_allowance_permille;
}

media_ms credit_bucket::available_ms(std::int32_t max_rate_permille) const noexcept {
  if (max_rate_permille <= 0) return 0;
  const auto level_us = std::clamp<credit_us>(level_us_, 0, limits::bucket_capacity_us);
  return static_cast<media_ms>(std::min<std::int64_t>(level_us * max_rate_permille / 1'000'000,
                                                      limits::media_duration_ms_max));
}

void credit_bucket::charge(media_ms media, std::int32_t max_rate_permille) noexcept {
  if (max_rate_permille <= 0) return;
  level_us_ -= (std::int64_t{media} * 1'000'000 + max_rate_permille - 1) / max_rate_permille;
}

}  // namespace watchkeeper
