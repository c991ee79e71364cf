#pragma once

#include <cstddef>
#include <cstdint>

#include "domain/limits.hpp"

/// What the device SDK never exceeds; what happens at each is tested.
namespace watchkeeper::sdk::sdk_limits {

/// Kept while they cannot be delivered. Those of a request under way come on top until it is over.
inline constexpr std::size_t buffer_heartbeats = 5;
inline constexpr std::size_t claims_max = 2 * buffer_heartbeats;
/// A full request under way, and a full buffer: as many are written, and read again.
inline constexpr std::size_t stored_claims_max = claims_max + buffer_heartbeats;
inline constexpr std::size_t stored_record_bytes_max = 256;
inline constexpr std::int64_t heartbeat_ms = 10'000;     // media time of one heartbeat
inline constexpr std::int64_t interval_ms_max = 30'000;  // what the gateway takes in one
inline constexpr std::size_t answer_bytes_max = 64 * 1024;
inline constexpr std::size_t stored_bytes_max = 8 * 1024;

inline constexpr std::int64_t backoff_base_ms = 1'000;
inline constexpr std::int64_t backoff_cap_ms = 60'000;
inline constexpr std::int64_t retry_after_ms_max = 3'600'000;
/// A device that the gateway does not know tries again after so long, and up to a quarter more.
inline constexpr std::int64_t enrolment_retry_ms = 300'000;
inline constexpr std::int64_t storage_retry_ms = 5'000;
inline constexpr std::int64_t request_timeout_ms = 15'000;
inline constexpr std::int64_t idle_connection_ms = 60'000;

/// Signed again with a corrected clock so many times, then given up.
inline constexpr int clock_tries_max = 2;
/// A heartbeat this old, or one of several in a request, had been waiting. For a while from then on
/// the student's budget may be used up by what came late, and what it has no room for is sent
/// again, when the budget has had time to fill, and so many times.
inline constexpr std::int64_t late_ms = 15'000;
inline constexpr std::int64_t catching_up_ms = 120'000;
inline constexpr std::int64_t remainder_wait_ms_max = 30'000;
inline constexpr int remainders_max = 3;
/// So many `session-key-unknown` in a row, and the session goes on with device signatures only.
inline constexpr int session_key_losses_max = 3;
/// A gateway without session keys is asked again after so long.
inline constexpr std::int64_t keys_retry_ms = 3'600'000;
/// Of a gateway's key set, only the first is used; more than these are not read.
inline constexpr std::size_t gateway_keys_max = 16;
/// One answer in so many is asked for with progress in it, the others empty (docs/protocol.md,
/// section 9): with every second one a heartbeat takes less than 200 bytes down.
inline constexpr int full_answer_every = 2;
inline constexpr int full_answer_every_max = 1'000;
/// From here on, until MASTERED, every answer is. A module is mastered at 95 percent unless it says
/// otherwise, which a device does not know.
inline constexpr double near_mastery_percent = 90;
inline constexpr std::size_t events_max = 64;

static_assert((stored_claims_max + 1) * stored_record_bytes_max <= stored_bytes_max);
static_assert(claims_max <= limits::tokens_per_request_max, "the buffer goes out as one request");

}  // namespace watchkeeper::sdk::sdk_limits
