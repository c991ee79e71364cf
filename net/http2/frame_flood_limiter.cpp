#include "net/http2/frame_flood_limiter.hpp"

#include <algorithm>

namespace watchkeeper::net {

bool frame_flood_limiter::charge(kind what, mono_ms now) noexcept {
  leak(now);
  const auto index = static_cast<std::size_t>(what);
  if (levels_[index] >= buckets[index].burst) return false;
  ++levels_[index];
  return true;
}

void frame_flood_limiter::credit(kind what, unsigned count) noexcept {
  auto& level = levels_[static_cast<std::size_t>(what)];
  level = static_cast<std::uint16_t>(level - std::min<unsigned>(level, count));
}

bool frame_flood_limiter::charge_bytes(std::size_t total, std::size_t payload,
                                       mono_ms now) noexcept {
  leak(now);
  overhead_bytes_ += static_cast<std::int64_t>(total) - 8 * static_cast<std::int64_t>(payload);
  overhead_bytes_ = std::max<std::int64_t>(overhead_bytes_, 0);
  return overhead_bytes_ <= overhead_bytes_max;
}

void frame_flood_limiter::leak(mono_ms now) noexcept {
  if (!leaked_at_) leaked_at_ = now;
  const std::int64_t seconds = (now - *leaked_at_) / 1000;
  if (seconds <= 0) return;
  *leaked_at_ += seconds * 1000;
  for (std::size_t i = 0; i < kinds; ++i) {
    const std::int64_t leaked = std::min<std::int64_t>(levels_[i], seconds * buckets[i].per_second);
    levels_[i] = static_cast<std::uint16_t>(levels_[i] - leaked);
  }
  overhead_bytes_ =
      std::max<std::int64_t>(0, overhead_bytes_ - seconds * overhead_bytes_per_second);
}

}  // namespace watchkeeper::net
