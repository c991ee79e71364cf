#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.hpp"
#include "domain/limits.hpp"

/// Limits of what the stores take and keep.
namespace watchkeeper::storage_limits {

// What the stores forget.

/// A session without a heartbeat ends in the stores after this time.
inline constexpr std::int64_t session_ttl_ms = 3'600'000;
/// An unused credit bucket counts as absent after this time, and the epoch of the student with it.
inline constexpr std::int64_t student_ttl_ms = 86'400'000;

/// Erasures in the log beside the stores; beyond it the oldest are dropped. One takes about 0.2 KB
/// of memory.
inline constexpr std::size_t logged_erasures_max = 262'144;

// The store in memory.

/// Pairs, and as many students. Beyond it the store refuses, and beyond the next limit too.
inline constexpr std::size_t memory_store_pairs_max = 2'000'000;
/// Sessions.
inline constexpr std::size_t memory_store_sessions_max = 1'000'000;

// One call of a store.

/// Heartbeats in one batch of one shard.
inline constexpr std::size_t batch_heartbeats_max = 512;
/// Pairs in one call of the compare-and-swap function of Redis.
inline constexpr std::size_t function_cas_pairs_max = 64;
/// Pairs in one transaction of a checkpoint.
inline constexpr std::size_t checkpoint_batch_pairs_max = 512;
/// Pairs that one step marks as not checkpointed, after the ledger went back.
inline constexpr std::size_t mark_dirty_pairs_max = 1024;
/// Pairs, of Redis keys, that one step of the walk for idle pairs looks at.
inline constexpr std::size_t retire_pairs_max = 512;
/// Modules whose plays go to the ledger in one write.
inline constexpr std::size_t heatmap_play_modules_max = 64;
/// The most that `limit` may ask for.
inline constexpr std::size_t list_items_max = 500;

// What the ledger keeps.

/// Revisions of a module. A pair that an older one mastered, and that has no completion yet, gets
/// one that names the newest revision.
inline constexpr std::int32_t module_revisions_max = 100;

}  // namespace watchkeeper::storage_limits
