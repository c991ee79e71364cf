#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.hpp"

/// The limits of the rules. The other limits stand with their owners; docs/limits.md lists all.
namespace watchkeeper::limits {

// Tokens and requests (docs/protocol.md, sections 2 and 3).

/// Length of a token. A longer one is `token-too-large`.
inline constexpr std::size_t token_bytes_max = 1023;
/// Tokens in one request. With more the response is `too-many-tokens`.
inline constexpr std::size_t tokens_per_request_max = 16;
/// Characters of the id of a student, module or session.
inline constexpr std::size_t id_chars_max = 64;
/// The largest sequence number.
inline constexpr std::uint32_t sequence_max = 0x7fff'ffff;

// Media.

/// The longest module.
inline constexpr media_ms media_duration_ms_max = 24 * 60 * 60 * 1000;
/// An interval that passes the end of its module by more is counted (`past_end` of the statistics):
/// that is no rounding of a player, and the duration in the catalogue may be wrong.
inline constexpr media_ms interval_overshoot_ms = 1000;
/// Gaps of up to this length between two intervals are closed, because players report their
/// position at 4 Hz.
inline constexpr media_ms gap_closed_ms = 250;
/// Separate intervals of the coverage of a pair. Beyond it the shortest gives way to a longer new
/// one; a heartbeat that is shorter than all of them is `implausible-interval`. A viewer who skips
/// about does not come near it.
inline constexpr std::size_t coverage_intervals_max = 1024;

// Credit bucket (section 5, rule 5).

/// The most real time that a student can save up: five heartbeats of 30 s that were kept during an
/// outage fit, even in a module with a `max_rate` of 1.
inline constexpr credit_us bucket_capacity_us = 150'000'000;
/// What a student has at the start.
inline constexpr credit_us bucket_start_us = 60'000'000;
/// The bucket fills this much faster than time passes.
inline constexpr std::int32_t bucket_allowance_permille = 1100;
/// A time further in the future than this was noted before a clock was set back. The clocks of
/// gateways may differ by less. The longest interval of the default policy: a new student's bucket
/// outlasts the wait for a clock that is this far ahead.
inline constexpr std::int64_t clock_difference_ms_max = 30'000;

// Replay window (section 5, rule 6).

/// Sequence numbers of a session that are remembered.
inline constexpr std::uint32_t replay_window_numbers = 64;

// State.

/// Parts of all students. Never changed: stored data depends on it.
inline constexpr std::uint32_t partitions = 256;

// The path of a heartbeat through the process.

// The heatmap.

/// The shortest bin.
inline constexpr media_ms heatmap_bin_ms_min = 1000;
/// Bins of one module.
inline constexpr std::size_t heatmap_bins_max = 1000;
/// Hotspots of a heatmap, and drop-offs.
inline constexpr std::size_t heatmap_findings_max = 5;

static_assert(tokens_per_request_max <= replay_window_numbers,
              "a full batch of one session must fit its replay window");

}  // namespace watchkeeper::limits
