#pragma once

#include <cstddef>
#include <cstdint>

/// The limits of the HTTP/2 layer that are not the operator's to set (those: server_options).
namespace watchkeeper::net::bounds {

// Buffers of an I/O thread, shared by its connections.

/// One read of a socket.
inline constexpr std::size_t read_buffer_bytes = 16 * 1024;
/// One write to a socket: a full TLS record.
inline constexpr std::size_t output_buffer_bytes = 16 * 1024;
/// Reads of one connection before the others get their turn.
inline constexpr int reads_per_event_max = 8;
/// Connections accepted before the open ones get their turn.
inline constexpr int accepts_per_event_max = 64;
/// A round of the event loop that has lasted this long ends after the event at hand. Otherwise
/// heartbeats that go out at its end would wait for all handshakes of a storm, some 40 ms.
inline constexpr std::int64_t round_ms_max = 2;

/// Header fields of a request, names and values. Beyond it the response is 431.
inline constexpr std::size_t header_list_bytes_max = 16 * 1024;
/// Header fields of a request. Beyond it the response is 431.
inline constexpr std::size_t header_fields_max = 100;
/// Beyond this the stream is reset, so that a few compressed bytes cannot make the gateway look at
/// megabytes.
inline constexpr std::size_t header_list_bytes_cut = 64 * 1024;
/// Beyond this the stream is reset.
inline constexpr std::size_t header_fields_cut = 2000;

// Flow control and the memory that it bounds.

/// Flow-control window of a stream.
inline constexpr std::uint32_t stream_window_bytes = 64 * 1024;
/// Flow-control window of a connection.
inline constexpr std::int32_t connection_window_bytes = 256 * 1024;
/// Incomplete bodies of a connection. The response to a body beyond it is 503, `overloaded`:
/// waiting could dead-lock a client that interleaves many bodies.
inline constexpr std::size_t connection_bodies_bytes_max = 2 * 1024 * 1024;
/// Incomplete bodies of all connections of an I/O thread; then as above.
inline constexpr std::size_t thread_bodies_bytes_max = 256 * 1024 * 1024;

/// Memory taken for a body because its content-length says so, before the body has come.
inline constexpr std::size_t body_reserve_bytes_max = 16 * 1024;

// Responses.

/// Header fields in http_response::headers.
inline constexpr std::size_t response_fields_max = 32;
/// Header fields in request_sink::common_fields.
inline constexpr std::size_t common_fields_max = 8;
/// Unsent responses of a connection. A response beyond it becomes 503, `overloaded`; a chunk beyond
/// it resets its stream.
inline constexpr std::size_t connection_response_bytes_max = 16 * 1024 * 1024;
/// Unsent responses of all connections of an I/O thread; then as above.
inline constexpr std::size_t thread_response_bytes_max = 256 * 1024 * 1024;
/// A response of at most this size is sent even beyond the two limits above.
inline constexpr std::size_t response_bytes_free = 1024;
/// A client that reads a whole response more slowly is not waited for: the stream is reset.
inline constexpr std::int64_t response_bytes_per_s_min = 1024;
/// Unsent output of one streamed response. Beyond it the client does not read, and the stream is
/// reset with ENHANCE_YOUR_CALM.
inline constexpr std::size_t stream_output_bytes_max = 256 * 1024;
/// Streamed chunks on their way to one I/O thread. Beyond it the stream of the chunk is reset.
inline constexpr std::size_t inbox_chunk_bytes_max = 64 * 1024 * 1024;
/// Frames queued in one connection. Beyond it the connection ends.
inline constexpr std::size_t outbound_frames_max = 8192;

/// Time after the last frame until the frame buffer is given back. Giving it back and taking a new
/// one costs about 4 us.
inline constexpr std::int64_t frame_buffer_idle_ms = 2000;

/// Connections whose deadlines are looked at together, which takes about 0.3 ms; more only above
/// 12,800 connections.
inline constexpr std::size_t swept_at_once = 128;

// Ends.

/// Time between a response that did not wait for the end of its request and the reset that stops
/// the request. A client that gets both at once (curl 7.88 for one) reports the reset and loses the
/// response.
inline constexpr std::int64_t early_response_ms = 500;
/// Time for a client to read the last frames.
inline constexpr std::int64_t linger_ms = 1000;
/// Bytes that a client may still send to a connection that ends. A client that keeps to the windows
/// sends less.
inline constexpr std::size_t linger_bytes_max = 4 * 1024 * 1024;
/// Time for the round trip before the last GOAWAY.
inline constexpr std::int64_t drain_notice_ms = 1000;

/// Gaps in the stream numbers of one client that are remembered.
inline constexpr std::size_t skipped_ranges_max = 8;

/// The last streams that the client ended: DATA or HEADERS on one of them is an error. On a stream
/// that the gateway ended they may just be late.
inline constexpr std::size_t ended_streams_remembered = 16;

static_assert(header_list_bytes_max < header_list_bytes_cut);
static_assert(stream_window_bytes <= connection_window_bytes);
static_assert(connection_bodies_bytes_max <= thread_bodies_bytes_max);
static_assert(connection_response_bytes_max <= thread_response_bytes_max);

}  // namespace watchkeeper::net::bounds
