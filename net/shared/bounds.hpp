#pragma once

#include <cstddef>
#include <cstdint>

/// The limits of the HTTP/2 layer that are not the operator's to set (those: server_options).
namespace watchkeeper::net::bounds {

// Buffers of an I/O thread, shared by its connections.
inline constexpr std::size_t read_buffer_bytes = 16 * 1024;
inline constexpr std::size_t output_buffer_bytes = 16 * 1024;  // one TLS record
inline constexpr int reads_per_event_max = 8;                  // then the others get their turn
inline constexpr int accepts_per_event_max = 64;
/// A round that has lasted so long ends after the event at hand: what is kept for its end would
/// wait for all the handshakes of a storm that one look at the reactor brings, some 40 ms.
inline constexpr std::int64_t round_ms_max = 2;

// A request's header fields. Past the first bound the request is answered 431; past the second the
// stream is reset, so that a few compressed bytes cannot make us look at megabytes.
inline constexpr std::size_t header_list_bytes_max = 16 * 1024;
inline constexpr std::size_t header_fields_max = 100;
inline constexpr std::size_t header_list_bytes_cut = 64 * 1024;
inline constexpr std::size_t header_fields_cut = 2000;

// Flow control and the memory that it bounds.
inline constexpr std::uint32_t stream_window_bytes = 64 * 1024;
inline constexpr std::int32_t connection_window_bytes = 256 * 1024;
/// Incomplete whole bodies of a connection, and of all connections of an I/O thread. A body that
/// would pass them is answered 503, `overloaded`: waiting instead could dead-lock a client that
/// interleaves many bodies.
inline constexpr std::size_t connection_bodies_bytes_max = 2 * 1024 * 1024;
inline constexpr std::size_t thread_bodies_bytes_max = 256 * 1024 * 1024;

/// Memory taken for a body because its content-length says so, before it has come.
inline constexpr std::size_t body_reserve_bytes_max = 16 * 1024;

// Answers.
inline constexpr std::size_t response_fields_max = 32;  // those in http_response::headers
inline constexpr std::size_t common_fields_max = 8;     // those of request_sink::common_fields
/// What is not sent yet of all answers of a connection, and of all connections of an I/O thread:
/// clients need not read. A whole answer that would pass them becomes 503, `overloaded`, a chunk a
/// reset; what is very small is let through.
inline constexpr std::size_t connection_answers_bytes_max = 16 * 1024 * 1024;
inline constexpr std::size_t thread_answers_bytes_max = 256 * 1024 * 1024;
inline constexpr std::size_t answer_bytes_free = 1024;
/// Who reads a whole answer more slowly than this, one byte now and then, is not waited for.
inline constexpr std::int64_t answer_bytes_per_s_min = 1024;
/// Unsent output of one streamed answer. Beyond it the client does not read: the stream is reset
/// with ENHANCE_YOUR_CALM.
inline constexpr std::size_t stream_output_bytes_max = 256 * 1024;
/// Streamed chunks on their way to one I/O thread; beyond it the chunk's stream is reset.
inline constexpr std::size_t inbox_chunk_bytes_max = 64 * 1024 * 1024;
inline constexpr std::size_t outbound_frames_max = 8192;  // queued in one session

/// After the last frame: giving the frame buffer back, and having it anew, costs about 4 us.
inline constexpr std::int64_t frame_buffer_kept_ms = 2000;

/// Connections looked at for deadlines at a time, 0.3 ms or so; more only above 12,800.
inline constexpr std::size_t swept_at_once = 128;

// Ends.
/// Between an answer that did not wait for the request's end and the reset that stops the request:
/// clients that get both at once (curl 7.88 for one) report the reset and lose the answer.
inline constexpr std::int64_t early_answer_ms = 500;
inline constexpr std::int64_t linger_ms = 1000;  // for a client to read our last frames
/// What a client that is ended may go on to send meanwhile: who keeps to the windows sends less.
inline constexpr std::size_t linger_bytes_max = 4 * 1024 * 1024;
inline constexpr std::int64_t drain_notice_ms = 1000;  // for the round trip before the last GOAWAY

/// Gaps in the stream numbers of one client that are remembered.
inline constexpr std::size_t skipped_ranges_max = 8;

/// Streams that the client ended last: DATA or HEADERS on one of them is an error. On a stream that
/// we ended they may just be late.
inline constexpr std::size_t ended_streams_remembered = 16;

static_assert(header_list_bytes_max < header_list_bytes_cut);
static_assert(stream_window_bytes <= connection_window_bytes);
static_assert(connection_bodies_bytes_max <= thread_bodies_bytes_max);
static_assert(connection_answers_bytes_max <= thread_answers_bytes_max);

}  // namespace watchkeeper::net::bounds
