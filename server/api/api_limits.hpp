#pragma once

#include <cstddef>
#include <cstdint>

#include "domain/limits.hpp"

/// What the reading and administering API bounds, beside domain/limits.hpp.
namespace watchkeeper::server::api_limits {

inline constexpr unsigned threads = 2;
/// A request that waited longer for a thread is answered 503: whoever sent it has given up by now.
inline constexpr std::int64_t queued_ms_max = 10'000;
/// Recounts of a heatmap, which may take minutes: one at a time, and so many more wait.
inline constexpr std::size_t recounts_queued_max = 4;
/// How long a call waits for the actors.
inline constexpr std::int64_t progress_wait_ms = 2'500;

inline constexpr std::size_t query_bytes_max = 1024;
inline constexpr std::size_t list_items_default = 100;
static_assert(list_items_default <= limits::list_items_max);
/// Modules of one student that a list looks at.
inline constexpr std::size_t student_modules_max = 10'000;

/// Lists of students in the order of their need: how long one is given to those who begin to read
/// it, how many are kept for those who read on, and up to how many students count as of now.
inline constexpr std::int64_t attention_fresh_ms = 3'000;
inline constexpr std::size_t attention_lists_max = 8;
inline constexpr std::size_t attention_fresh_students_max = 5'000;

inline constexpr std::size_t json_depth_max = 8;
inline constexpr std::size_t title_bytes_max = 512;
inline constexpr std::size_t preview_url_bytes_max = 2048;

/// The numbers of /v1/overview are computed at most this often.
inline constexpr std::int64_t overview_kept_ms = 5000;
/// How long one waits for the first numbers while another thread counts.
inline constexpr std::int64_t overview_wait_ms = 500;

/// /readyz needs no token, so what it tells is computed at most this often.
inline constexpr std::int64_t readiness_kept_ms = 250;

}  // namespace watchkeeper::server::api_limits
