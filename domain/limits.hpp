#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.hpp"

/// Every limit of the product in one place; what happens at each is tested.
namespace watchkeeper::limits {

// Tokens and requests (docs/protocol.md, sections 2 and 3).

/// Length of a token. A longer one is `token-too-large`.
inline constexpr std::size_t token_bytes_max = 1023;
/// Tokens in one request. With more the response is `too-many-tokens`.
inline constexpr std::size_t tokens_per_request_max = 16;
/// Characters of the id of a student, module or session.
inline constexpr std::size_t id_chars_max = 64;
/// Body of a heartbeat request: a full batch with line ends.
inline constexpr std::size_t heartbeat_body_bytes_max =
    tokens_per_request_max * (token_bytes_max + 1);
/// Body of an API request. A longer one is `payload-too-large`.
inline constexpr std::size_t api_body_bytes_max = 64 * 1024;
/// The largest sequence number.
inline constexpr std::uint32_t sequence_max = 0x7fff'ffff;

// Media.

/// The longest module.
inline constexpr media_ms media_duration_ms_max = 24 * 60 * 60 * 1000;
/// How far `to` may pass the end of the module; the rest is cut off.
inline constexpr media_ms interval_overshoot_ms = 1000;
/// Gaps of up to this length between two intervals are closed, because players report their
/// position at 4 Hz.
inline constexpr media_ms gap_closed_ms = 250;
/// Separate intervals of the coverage of a pair. A heartbeat that would make one more is
/// `implausible-interval`; a viewer who skips about does not come near it.
inline constexpr std::size_t coverage_intervals_max = 1024;

// Credit bucket (section 5, rule 5).

/// The most that a student can save up.
inline constexpr credit_us bucket_capacity_us = 120'000'000;
/// What a student has at the start.
inline constexpr credit_us bucket_start_us = 60'000'000;
/// The bucket fills this much faster than `max_rate` says.
inline constexpr std::int32_t bucket_allowance_permille = 1100;

// Replay window (section 5, rule 6).

/// Sequence numbers of a session that are remembered.
inline constexpr std::uint32_t replay_window_numbers = 64;

// State.

/// Parts of all students. Never changed: stored data depends on it.
inline constexpr std::uint32_t partitions = 256;
/// A session without a heartbeat ends in the stores after this time.
inline constexpr std::int64_t session_ttl_ms = 3'600'000;
/// An unused credit bucket counts as absent after this time; an erased student is rejected for this
/// long.
inline constexpr std::int64_t student_ttl_ms = 86'400'000;

// The way of a heartbeat through the process.

/// Heartbeats admitted and not yet answered. Beyond it the problem is `overloaded`.
inline constexpr std::size_t heartbeats_in_flight_max = 65'536;
/// Heartbeats of requests with several tokens in flight, of one I/O thread. Further ones are
/// deferred, so that a new heartbeat does not wait behind those of an outage.
inline constexpr std::size_t kept_heartbeats_under_way_max = 1'024;
/// Deferred heartbeats of one I/O thread. Further ones are shed with `overloaded`.
inline constexpr std::size_t kept_heartbeats_waiting_max = 65'536;
/// A heartbeat that was deferred for longer is shed: a device waits 15 s for a response.
inline constexpr std::int64_t kept_heartbeats_wait_max_ms = 10'000;
/// Sessions in memory. The least recently used of a few is evicted, and starts anew with its next
/// heartbeat.
inline constexpr std::size_t sessions_max = 1'000'000;
/// Heartbeats in one batch of one shard.
inline constexpr std::size_t batch_heartbeats_max = 512;
/// Heartbeats in one call of the Redis function.
inline constexpr std::size_t function_heartbeats_max = 64;
/// Pairs in one call of the compare-and-swap function of Redis.
inline constexpr std::size_t function_swaps_max = 64;
/// Students whose values in Redis the writer remembers. One takes about 0.4 KB, so 100 MB at most;
/// a student who is not in it costs one more look-up.
inline constexpr std::size_t swap_cache_students_max = 262'144;
/// Values that the writer remembers, without their keys.
inline constexpr std::size_t swap_cache_bytes_max = 64 * 1024 * 1024;
/// Pairs in the memory of one shard. Of a few pairs a clean one is evicted first, then the one that
/// was idle longest; the stores have it.
inline constexpr std::size_t shard_pairs_max = 2'000'000;
/// API calls that wait for a thread. Beyond it the response is 503.
inline constexpr std::size_t api_requests_queued_max = 1024;
/// Look-ups in the ledger that wait. Beyond it the problem is `overloaded`.
inline constexpr std::size_t registry_lookups_queued_max = 16'384;
/// Tokens in flight of one heartbeat stream; the rest waits in the flow-control window.
inline constexpr std::size_t stream_tokens_in_flight_max = 64;
/// Pairs in one transaction of a checkpoint.
inline constexpr std::size_t checkpoint_batch_pairs_max = 512;
/// The most that `limit` may ask for.
inline constexpr std::size_t list_items_max = 500;

// The heatmap.

/// The shortest bin.
inline constexpr media_ms heatmap_bin_ms_min = 1000;
/// Bins of one module.
inline constexpr std::size_t heatmap_bins_max = 1000;
/// Hotspots of a heatmap, and drop-offs.
inline constexpr std::size_t heatmap_findings_max = 5;
/// Modules with plays that are not yet in the ledger.
inline constexpr std::size_t heatmap_modules_max = 4096;
/// Pairs whose coverage in the ledger must be looked up.
inline constexpr std::size_t heatmap_unread_pairs_max = 16'384;
/// Modules whose plays go to the ledger in one write.
inline constexpr std::size_t heatmap_play_modules_max = 64;
/// Students in a list by status; a longer list is truncated.
inline constexpr std::size_t attention_students_max = 50'000;

static_assert(function_heartbeats_max <= batch_heartbeats_max);
static_assert(batch_heartbeats_max <= heartbeats_in_flight_max);
static_assert(tokens_per_request_max <= replay_window_numbers,
              "a full batch of one session must fit its replay window");

}  // namespace watchkeeper::limits
