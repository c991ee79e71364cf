#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "net/shared/bounds.hpp"

namespace watchkeeper::net {

/// How an I/O thread looks at all its connections for what has timed out: each once in a round, a
/// share of them at each tick. Of thousands fewer at a time, or the heartbeats that come meanwhile
/// wait for them.
struct sweep_schedule {
  std::int64_t tick_ms;
  std::size_t share;  // connections, or their empty places, at a tick
};

/// Ticks are never closer than 10 ms, so that a share is larger than bounds::swept_at_once where
/// the round is too short for that.
constexpr sweep_schedule sweep_schedule_of(std::int64_t round_ms, std::size_t places) noexcept {
  const auto ticks_wanted =
      std::max<std::size_t>(8, (places + bounds::swept_at_once - 1) / bounds::swept_at_once);
  const auto tick_ms =
      std::max<std::int64_t>(10, round_ms / static_cast<std::int64_t>(ticks_wanted));
  const auto ticks = static_cast<std::size_t>(std::max<std::int64_t>(1, round_ms / tick_ms));
  return {tick_ms, (places + ticks - 1) / ticks};
}

}  // namespace watchkeeper::net
