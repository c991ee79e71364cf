#pragma once

#include <cstddef>
#include <cstdint>

#include "domain/limits.hpp"

/// Limits of the requests with heartbeats.
namespace watchkeeper::server::heartbeat_limits {

/// Body of a heartbeat request. A longer one is `payload-too-large`. A full batch needs a quarter
/// of it: what is somewhat too large gets the problem that says what is too large.
inline constexpr std::size_t body_bytes_max = 64 * 1024;
/// Heartbeats of requests with several tokens in flight, of one I/O thread. Further ones are
/// deferred, so that a new heartbeat does not wait behind those of an outage.
inline constexpr std::size_t deferred_heartbeats_in_flight_max = 1'024;
/// Deferred heartbeats of one I/O thread. Further ones are shed with `overloaded`.
inline constexpr std::size_t deferred_heartbeats_max = 65'536;
/// A heartbeat that was deferred for longer is shed: a device waits 15 s for a response.
inline constexpr std::int64_t deferred_wait_max_ms = 10'000;
/// Tokens in flight of one heartbeat stream; the rest waits in the flow-control window.
inline constexpr std::size_t stream_tokens_in_flight_max = 64;

static_assert(body_bytes_max >= limits::tokens_per_request_max * (limits::token_bytes_max + 1));

}  // namespace watchkeeper::server::heartbeat_limits
