#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/clock.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::actors {

/// Decides how long the writer waits for more heartbeats before it stores those in hand. A call to
/// the store costs about as much as ten heartbeats in it. So a wait saves more than it costs if
/// heartbeats come so fast that the longest wait brings several. At low rates the writer never
/// waits, nor once it has enough. Pure: the clock is an argument.
class batch_linger {
 public:
  static constexpr std::size_t enough = storage_limits::function_cas_pairs_max;
  static constexpr std::int64_t wait_us_max = 2'000;
  /// Heartbeats a second below which it never waits: eight within the longest wait.
  static constexpr double rate_min = 4'000;

  /// `in_hand` heartbeats were taken to be stored.
  void took(std::size_t in_hand, mono_us now) noexcept {
    recent_ = recent_at(now) + static_cast<double>(in_hand);
    last_ = std::max(last_, now);
  }

  /// 0: store them now.
  [[nodiscard]] std::int64_t wait_us(std::size_t in_hand, mono_us now) const noexcept {
    if (in_hand == 0 || in_hand >= enough) return 0;
    const auto rate = rate_at(now);
    if (rate < rate_min) return 0;
    const auto needed_us = std::ceil(1e6 * static_cast<double>(enough - in_hand) / rate);
    return std::min(wait_us_max, static_cast<std::int64_t>(needed_us));
  }

  /// Heartbeats a second, of about the last `memory_us`.
  [[nodiscard]] double rate_at(mono_us now) const noexcept {
    return recent_at(now) * 1e6 / memory_us;
  }

 private:
  static constexpr double memory_us = 50'000;

  /// The heartbeats that came; each counts less the longer ago it came.
  [[nodiscard]] double recent_at(mono_us now) const noexcept {
    if (now <= last_) return recent_;
    return recent_ * std::exp(-static_cast<double>(now - last_) / memory_us);
  }

  double recent_ = 0;
  mono_us last_;
};

}  // namespace watchkeeper::actors
