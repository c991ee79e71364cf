#pragma once

#include <cstddef>
#include <cstdint>

#include "storage/limits.hpp"

/// Limits of the actors and of the threads beside them.
namespace watchkeeper::actor_limits {

// The path of a heartbeat.

/// Heartbeats that were admitted and have no result yet. Beyond it the problem is `overloaded`.
inline constexpr std::size_t heartbeats_in_flight_max = 65'536;
/// Sessions in memory. Beyond it the least recently used one of its stripe is evicted, and starts
/// anew with its next heartbeat.
inline constexpr std::size_t sessions_max = 1'000'000;
/// Pairs in the memory of one shard. Beyond it one of 32 pairs is evicted: a clean one before a
/// dirty one, then the one that was idle longest. The stores have it.
inline constexpr std::size_t shard_pairs_max = 2'000'000;
/// Look-ups in the ledger that wait. Beyond it the problem is `overloaded`.
inline constexpr std::size_t registry_lookups_queued_max = 16'384;
/// Heartbeats that wait for a row of the ledger, because the hot store lacks their pair. Beyond it
/// the problem is `storage-unavailable`, so that a slow ledger leaves room for those that do not
/// wait.
inline constexpr std::size_t row_loads_waiting_max = 16'384;

// The heatmap.

/// Modules with plays that are not yet in the ledger.
inline constexpr std::size_t heatmap_modules_max = 4096;
/// Pairs whose coverage must be read from the ledger.
inline constexpr std::size_t heatmap_unread_pairs_max = 16'384;

static_assert(storage_limits::batch_heartbeats_max <= row_loads_waiting_max);
static_assert(row_loads_waiting_max <= heartbeats_in_flight_max / 2);

}  // namespace watchkeeper::actor_limits
