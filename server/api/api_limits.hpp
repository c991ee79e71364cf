#pragma once

#include <cstddef>
#include <cstdint>

#include "storage/limits.hpp"

/// The limits of the API, beside domain/limits.hpp.
namespace watchkeeper::server::api_limits {

/// Body of an API request. A longer one is `payload-too-large`.
inline constexpr std::size_t body_bytes_max = 64 * 1024;
/// API calls of one class that wait for a thread; the classes are single rows, reports, writes, and
/// what memory alone has. Beyond it the response is 503.
inline constexpr std::size_t requests_queued_max = 1024;
/// Students in a list by status; a longer list is truncated.
inline constexpr std::size_t status_list_students_max = 50'000;
/// Threads that run the calls of one class.
inline constexpr unsigned threads = 2;
/// The same, for what memory alone has.
inline constexpr unsigned memory_threads = 1;
/// A call that waited longer for a thread gets 503: its caller has stopped waiting.
inline constexpr std::int64_t queued_ms_max = 10'000;
/// Recounts of a heatmap that wait. One runs at a time, which may take minutes; beyond it the
/// response is 503.
inline constexpr std::size_t recounts_queued_max = 4;
/// How long a call waits for the actors.
inline constexpr std::int64_t progress_wait_ms = 2'500;

/// A longer query is rejected.
inline constexpr std::size_t query_bytes_max = 1024;
/// Items of a page if the request has no `limit`.
inline constexpr std::size_t list_items_default = 100;
static_assert(list_items_default <= storage_limits::list_items_max);
/// Modules of one student that a list reads.
inline constexpr std::size_t student_modules_max = 10'000;

/// A list by status of this age is given to callers that begin to read it.
inline constexpr std::int64_t status_list_fresh_ms = 3'000;
/// Lists by status in memory, for callers that read further pages. The one that was used longest
/// ago is evicted.
inline constexpr std::size_t status_lists_max = 8;
/// In a module with more students the order is that of the last checkpoint.
inline constexpr std::size_t status_list_fresh_students_max = 5'000;

/// Nesting of a JSON body.
inline constexpr std::size_t json_depth_max = 8;
/// Title of a module.
inline constexpr std::size_t title_bytes_max = 512;
/// Reason of a reset.
inline constexpr std::size_t reason_bytes_max = 512;
/// Preview URL of a module.
inline constexpr std::size_t preview_url_bytes_max = 2048;

/// The numbers of /v1/overview are computed again when they are this old.
inline constexpr std::int64_t overview_age_max_ms = 5000;
/// How long a call waits for the first numbers while another thread counts.
inline constexpr std::int64_t overview_wait_ms = 500;

/// The document of /readyz is computed again when it is this old: the call needs no token.
inline constexpr std::int64_t readiness_age_max_ms = 250;

}  // namespace watchkeeper::server::api_limits
