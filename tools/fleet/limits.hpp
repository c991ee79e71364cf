#pragma once

#include <chrono>
#include <cstddef>

#include "domain/limits.hpp"

/// What the simulated players and their HTTP/2 client never exceed.
namespace watchkeeper::fleet::fleet_limits {

// Transport.
inline constexpr std::size_t handshakes_in_flight_max = 256;
inline constexpr std::size_t response_body_bytes_max = 256 * 1024;  // the rest is dropped
inline constexpr std::size_t admin_connections_max = 8;
inline constexpr std::size_t admin_streams_in_flight = 64;           // on each of those connections
inline constexpr std::size_t output_bytes_pending_max = 256 * 1024;  // of one connection
inline constexpr std::chrono::milliseconds handshake_timeout{10'000};
inline constexpr std::chrono::milliseconds reconnect_base{100};
inline constexpr std::chrono::milliseconds reconnect_cap{5'000};

// Players.
inline constexpr std::size_t devices_max = 1'000'000;
inline constexpr std::size_t connections_max = 60'000;
inline constexpr std::size_t presigned_tokens_max = 8'000'000;
/// A player holds what it could not deliver; the oldest heartbeat goes first when there is a sixth.
inline constexpr std::size_t retry_buffer_heartbeats = 5;
inline constexpr std::size_t sessions_per_device_max = 64;
inline constexpr std::chrono::milliseconds retry_base{500};
inline constexpr std::chrono::milliseconds retry_cap{20'000};
inline constexpr std::size_t enrol_attempts_max = 8;

// The terminal view.
inline constexpr std::size_t top_history = 120;  // samples of a spark line
inline constexpr std::size_t top_shards_max = 256;

static_assert(retry_buffer_heartbeats <= limits::tokens_per_request_max,
              "the buffer goes out as one request");

}  // namespace watchkeeper::fleet::fleet_limits
