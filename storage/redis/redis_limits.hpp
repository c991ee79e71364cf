#pragma once

#include <cstddef>
#include <cstdint>

#include "storage/limits.hpp"

/// Limits of the hot store that is Redis.
namespace watchkeeper::storage::redis_limits {

/// Keys in one call of wk_swap. One student's keys may be more: they are in a call of their own.
inline constexpr std::size_t cas_keys_max = 256;
/// Keys that one command looks up.
inline constexpr std::size_t look_up_keys_max = 256;
/// Pairs whose marks one command takes.
inline constexpr std::size_t mark_clean_pairs_max = 64;
/// Pairs of a student whose epoch ended that one command takes out.
inline constexpr std::size_t take_out_pairs_max = 64;
/// How often a heartbeat is decided anew because another gateway changed the student meanwhile.
/// Each time somebody's write went through. A gateway that writes one student without a rest can
/// keep another from it, whose reads always come after its writes: no student plays that much.
inline constexpr unsigned cas_misses_max = 256;
/// Students whose values in Redis the writer remembers. One takes about 0.4 KB, so 100 MB at most;
/// a student who is not in it costs one more look-up.
inline constexpr std::size_t cas_cache_students_max = 262'144;
/// Values that the writer remembers, without their keys.
inline constexpr std::size_t cas_cache_bytes_max = 64 * 1024 * 1024;

/// The least time between two rewrites of the append-only file that one gateway asks for.
inline constexpr std::int64_t log_rewrite_pause_ms = 3'600'000;

}  // namespace watchkeeper::storage::redis_limits
