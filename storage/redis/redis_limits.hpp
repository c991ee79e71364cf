#pragma once

#include <cstddef>
#include <cstdint>

#include "storage/limits.hpp"

/// Limits of the hot store that is Redis.
namespace watchkeeper::storage::redis_limits {

/// Heartbeats in one call of the Redis function.
inline constexpr std::size_t function_heartbeats_max = 64;
/// Students whose values in Redis the writer remembers. One takes about 0.4 KB, so 100 MB at most;
/// a student who is not in it costs one more look-up.
inline constexpr std::size_t cas_cache_students_max = 262'144;
/// Values that the writer remembers, without their keys.
inline constexpr std::size_t cas_cache_bytes_max = 64 * 1024 * 1024;

static_assert(function_heartbeats_max <= storage_limits::batch_heartbeats_max);

}  // namespace watchkeeper::storage::redis_limits
