#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.hpp"

/// Every limit of the product in one place; what happens at each is tested.
namespace watchkeeper::limits {

// Tokens and requests (docs/protocol.md, sections 2 and 3).
inline constexpr std::size_t token_bytes_max = 1023;
inline constexpr std::size_t tokens_per_request_max = 16;
inline constexpr std::size_t id_chars_max = 64;
inline constexpr std::size_t heartbeat_body_bytes_max =
    tokens_per_request_max * (token_bytes_max + 1);
inline constexpr std::size_t api_body_bytes_max = 64 * 1024;
inline constexpr std::uint32_t sequence_max = 0x7fff'ffff;

// Media.
inline constexpr media_ms media_duration_ms_max = 24 * 60 * 60 * 1000;
inline constexpr media_ms interval_overshoot_ms = 1000;  // `to` may pass the duration by this much
inline constexpr media_ms gap_closed_ms = 250;           // players report their position at 4 Hz
/// Separate pieces of one pair's coverage. A viewer who skips about does not come near it.
inline constexpr std::size_t coverage_intervals_max = 1024;

// Credit bucket (section 5, rule 5).
inline constexpr credit_us bucket_capacity_us = 120'000'000;
inline constexpr credit_us bucket_start_us = 60'000'000;
inline constexpr std::int32_t bucket_allowance_permille = 1100;

// Replay window (section 5, rule 6).
inline constexpr std::uint32_t replay_window_numbers = 64;

// State.
inline constexpr std::uint32_t partitions = 256;
inline constexpr std::int64_t session_ttl_ms = 3'600'000;
inline constexpr std::int64_t student_ttl_ms = 86'400'000;

// The way of a heartbeat through the process.
inline constexpr std::size_t heartbeats_in_flight_max = 65'536;  // admitted, not yet answered
/// Of requests with several tokens, one I/O thread: what a device kept while it had no connection.
/// Beyond it they wait, so that a heartbeat of just now has no outage's worth before it.
inline constexpr std::size_t kept_heartbeats_under_way_max = 1'024;
inline constexpr std::size_t kept_heartbeats_waiting_max = 65'536;
/// After it they are sent away, to come again: a device waits 15 s for an answer.
inline constexpr std::int64_t kept_heartbeats_wait_max_ms = 10'000;
inline constexpr std::size_t sessions_max = 1'000'000;
inline constexpr std::size_t batch_heartbeats_max = 512;    // one batch of one shard
inline constexpr std::size_t function_heartbeats_max = 64;  // one call of the Redis function
inline constexpr std::size_t function_swaps_max = 64;       // pairs of one call of wk_swap
// What the writer remembers of what Redis holds: a student takes about 0.4 KB, so 100 MB at most.
// Whoever is not in it costs one more look-up.
inline constexpr std::size_t swap_cache_students_max = 262'144;
inline constexpr std::size_t swap_cache_bytes_max = 64 * 1024 * 1024;  // of values alone
inline constexpr std::size_t shard_pairs_max = 2'000'000;
inline constexpr std::size_t api_requests_queued_max = 1024;
inline constexpr std::size_t registry_lookups_queued_max = 16'384;
inline constexpr std::size_t stream_tokens_in_flight_max = 64;  // of one streaming request
inline constexpr std::size_t checkpoint_batch_pairs_max = 512;
inline constexpr std::size_t list_items_max = 500;

// The heatmap.
inline constexpr media_ms heatmap_bin_ms_min = 1000;
inline constexpr std::size_t heatmap_bins_max = 1000;     // of one module
inline constexpr std::size_t heatmap_findings_max = 5;    // hotspots, and drop-offs
inline constexpr std::size_t heatmap_modules_max = 4096;  // with plays not yet in the ledger
inline constexpr std::size_t heatmap_unread_pairs_max =
    16'384;  // whose coverage in the ledger must be looked up
inline constexpr std::size_t heatmap_play_modules_max = 64;  // of one write to the ledger
inline constexpr std::size_t attention_students_max = 50'000;

static_assert(function_heartbeats_max <= batch_heartbeats_max);
static_assert(batch_heartbeats_max <= heartbeats_in_flight_max);
static_assert(tokens_per_request_max <= replay_window_numbers,
              "a full batch of one session must fit its replay window");

}  // namespace watchkeeper::limits
