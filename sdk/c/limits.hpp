#pragma once

#include <cstddef>
#include <cstdint>

#include "domain/limits.hpp"

/// What the device SDK never exceeds; what happens at each is tested.
namespace watchkeeper::sdk::sdk_limits {

/// Heartbeats that wait while they cannot be delivered; a further one pushes out the oldest.
/// Heartbeats of a request in flight come on top until the request ends.
inline constexpr std::size_t buffer_heartbeats = 5;
/// Heartbeats in one request.
inline constexpr std::size_t heartbeats_per_request_max = 2 * buffer_heartbeats;
/// Heartbeats in the storage: those of a full request in flight and of a full buffer.
inline constexpr std::size_t stored_heartbeats_max = heartbeats_per_request_max + buffer_heartbeats;
/// No stored heartbeat is longer: the size of the storage follows from this.
inline constexpr std::size_t stored_record_bytes_max = 256;
/// Media time of one heartbeat.
inline constexpr std::int64_t heartbeat_ms = 10'000;
/// The longest interval of one heartbeat, also of joined ones: what the gateway takes.
inline constexpr std::int64_t interval_ms_max = 30'000;
/// A longer response is not read: no gateway sends one.
inline constexpr std::size_t response_bytes_max = 64 * 1024;
/// The storage as a whole.
inline constexpr std::size_t stored_bytes_max = 8 * 1024;

/// The first wait after a failure is at most this long.
inline constexpr std::int64_t backoff_base_ms = 1'000;
/// No wait after a failure is longer, unless the gateway asks for it.
inline constexpr std::int64_t backoff_cap_ms = 60'000;
/// A longer `Retry-After` counts as this.
inline constexpr std::int64_t retry_after_ms_max = 3'600'000;
/// An unknown device tries again after this time, and up to a quarter more.
inline constexpr std::int64_t enrolment_retry_ms = 300'000;
/// Wait after a storage that could not be read or written.
inline constexpr std::int64_t storage_retry_ms = 5'000;
/// A request without a response fails after this time.
inline constexpr std::int64_t request_timeout_ms = 15'000;
/// A connection without a request is closed after this time.
inline constexpr std::int64_t idle_connection_ms = 60'000;

/// Addresses of the gateway's name that are tried in turn.
inline constexpr std::size_t addresses_max = 8;
/// After this time without a connection the next address is tried.
inline constexpr std::int64_t connect_timeout_ms = 5'000;
/// Unsent bytes of one connection; further frames wait.
inline constexpr std::size_t connection_output_bytes_max = 64 * 1024;
/// Reads from one connection before others have their turn.
inline constexpr int reads_per_turn_max = 16;

/// How often a heartbeat is signed again with a corrected clock before it is dropped.
inline constexpr int clock_tries_max = 2;
/// A heartbeat is signed again only if its date changes by at least this much.
inline constexpr std::int64_t clock_step_ms = 1'000;
/// A heartbeat of this age, or one of several in a request, counts as late.
inline constexpr std::int64_t late_ms = 15'000;
/// After a late heartbeat the budget may be used up for this long: what it has no room for is sent
/// again.
inline constexpr std::int64_t catching_up_ms = 120'000;
/// Wait for the budget before a remainder is sent again.
inline constexpr std::int64_t remainder_wait_ms_max = 30'000;
/// How often the remainder of a heartbeat is sent again.
inline constexpr int remainders_max = 3;
/// `session-key-unknown` this often in a row: the session goes on with device signatures only.
inline constexpr int session_key_losses_max = 3;
/// A gateway without session keys is asked again after this time.
inline constexpr std::int64_t keys_retry_ms = 3'600'000;
/// Keys read of a key set. Only the first is used.
inline constexpr std::size_t gateway_keys_max = 16;
/// One response in this many has progress (docs/protocol.md, section 9). With every second one a
/// heartbeat takes less than 200 bytes down.
inline constexpr int full_response_every = 2;
/// The largest setting of `full_response_every`.
inline constexpr int full_response_every_max = 1'000;
/// From here on, until MASTERED, every response has progress. A device does not know the threshold
/// of a module, which is 95 percent unless the module says otherwise.
inline constexpr double near_mastery_percent = 90;
/// Events for the app that wait to be delivered.
inline constexpr std::size_t events_max = 64;

static_assert((stored_heartbeats_max + 1) * stored_record_bytes_max <= stored_bytes_max);
static_assert(heartbeats_per_request_max <= limits::tokens_per_request_max,
              "the buffer goes out as one request");

}  // namespace watchkeeper::sdk::sdk_limits
