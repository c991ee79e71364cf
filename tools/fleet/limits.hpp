#pragma once

#include <chrono>
#include <cstddef>

#include "domain/limits.hpp"

/// What the simulated players and their HTTP/2 client never exceed.
namespace watchkeeper::fleet::fleet_limits {

// Transport.

/// Handshakes at a time; further connections wait.
inline constexpr std::size_t handshakes_in_flight_max = 256;
/// The rest of a longer body is dropped.
inline constexpr std::size_t response_body_bytes_max = 256 * 1024;
/// Connections that enrol devices.
inline constexpr std::size_t admin_connections_max = 8;
/// Requests in flight on each of those connections.
inline constexpr std::size_t admin_streams_in_flight = 64;
/// A longer handshake fails.
inline constexpr std::chrono::milliseconds handshake_timeout{10'000};
/// The first wait before a connection is opened again.
inline constexpr std::chrono::milliseconds reconnect_base{100};
/// The longest wait before a connection is opened again.
inline constexpr std::chrono::milliseconds reconnect_cap{5'000};

// Players.

/// Devices of a fleet.
inline constexpr std::size_t devices_max = 1'000'000;
/// Connections of a fleet.
inline constexpr std::size_t connections_max = 60'000;
/// Tokens signed beforehand.
inline constexpr std::size_t presigned_tokens_max = 8'000'000;
/// Heartbeats that a player keeps while they cannot be delivered; a sixth pushes out the oldest.
inline constexpr std::size_t retry_buffer_heartbeats = 5;
/// Playbacks that a device has at the same time.
inline constexpr std::size_t sessions_per_device_max = 64;
/// The first wait before a heartbeat is sent again.
inline constexpr std::chrono::milliseconds retry_base{500};
/// The longest wait before a heartbeat is sent again.
inline constexpr std::chrono::milliseconds retry_cap{20'000};
/// How often enrolling a device is tried.
inline constexpr std::size_t enrol_attempts_max = 8;

// The terminal view.

/// Samples of a spark line.
inline constexpr std::size_t top_history = 120;
/// Shards that are shown.
inline constexpr std::size_t top_shards_max = 256;

static_assert(retry_buffer_heartbeats <= limits::tokens_per_request_max,
              "the buffer goes out as one request");

}  // namespace watchkeeper::fleet::fleet_limits
