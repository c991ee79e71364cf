#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "storage/limits.hpp"

namespace watchkeeper::actors {

/// Decides how long the writer waits for more heartbeats before it stores those in hand. A call to
/// the store costs about as much as ten heartbeats in it. So a wait saves more than it costs if
/// heartbeats come so fast that the longest wait brings several. At low rates the writer never
/// waits, nor once it has enough. Pure: the clock is an argument, in monotonic microseconds.
class batch_linger {
 public:
  static constexpr std::size_t enough = storage_limits::function_cas_pairs_max;
  static constexpr std::uint64_t wait_us_max = 2'000;
  /// Heartbeats a second below which it never waits: eight within the longest wait.
  static constexpr double rate_min = 4'000;

  /// `in_hand` heartbeats were taken to be stored.
  void took(std::size_t in_hand, std::uint64_t now_us) noexcept {
    recent_ = recent_at(now_us) + static_cast<double>(in_hand);
    last_us_ = std::max(last_us_, now_us);
  }

  /// 0: store them now.
  [[nodiscard]] std::uint64_t wait_us(std::size_t in_hand, std::uint64_t now_us) const noexcept {
    if (in_hand == 0 || in_hand >= enough) return 0;
    const auto rate = rate_at(now_us);
    if (rate < rate_min) return 0;
    const auto needed_us = std::ceil(1e6 * static_cast<double>(enough - in_hand) / rate);
    return std::min(wait_us_max, static_cast<std::uint64_t>(needed_us));
  }

  /// Heartbeats a second, of about the last `memory_us`.
  [[nodiscard]] double rate_at(std::uint64_t now_us) const noexcept {
    return recent_at(now_us) * 1e6 / memory_us;
  }

 private:
  static constexpr double memory_us = 50'000;

  /// The heartbeats that came; each counts less the longer ago it came.
  [[nodiscard]] double recent_at(std::uint64_t now_us) const noexcept {
    if (now_us <= last_us_) return recent_;
    return recent_ * std::exp(-static_cast<double>(now_us - last_us_) / memory_us);
  }

  double recent_ = 0;
  std::uint64_t last_us_ = 0;
};

}  // namespace watchkeeper::actors
