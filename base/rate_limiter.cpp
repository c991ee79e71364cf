#include "base/rate_limiter.hpp"

#include <algorithm>

namespace watchkeeper {
namespace {

std::int64_t debt_max_us(const rate_limit& limit) noexcept {
  return 2 * limit.burst * limit.interval_us;
}

/// How far the counter is ahead of the clock, in [0, debt_max_us].
std::int64_t debt_us(std::int64_t arrival_us, std::int64_t now_us,
                     const rate_limit& limit) noexcept {
  return std::clamp<std::int64_t>(arrival_us - now_us, 0, debt_max_us(limit));
}

std::int64_t excess_us(std::int64_t arrival_us, mono_ms now, const rate_limit& limit) noexcept {
  return debt_us(arrival_us, now.value() * 1000, limit) - (limit.burst - 1) * limit.interval_us;
}

}  // namespace

bool rate_limiter::admits(mono_ms now, const rate_limit& limit) const noexcept {
  return excess_us(theoretical_arrival_us_.load(std::memory_order_relaxed), now, limit) <= 0;
}

void rate_limiter::charge(mono_ms now, const rate_limit& limit) noexcept {
  const auto now_us = now.value() * 1000;
  const auto most_us = debt_max_us(limit);
  auto arrival_us = theoretical_arrival_us_.load(std::memory_order_relaxed);
  std::int64_t next_us = 0;
  do {
    next_us = now_us + std::min(debt_us(arrival_us, now_us, limit) + limit.interval_us, most_us);
  } while (!theoretical_arrival_us_.compare_exchange_weak(arrival_us, next_us,
                                                          std::memory_order_relaxed));
}

std::int64_t rate_limiter::retry_after_ms(mono_ms now, const rate_limit& limit) const noexcept {
  const auto excess =
      excess_us(theoretical_arrival_us_.load(std::memory_order_relaxed), now, limit);
  return excess <= 0 ? 0 : (excess + 999) / 1000;
}

}  // namespace watchkeeper
