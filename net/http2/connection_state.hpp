#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/clock.hpp"
#include "domain/problem.hpp"
#include "net/http2/connection_memory.hpp"
#include "net/http2/frame_flood_limiter.hpp"
#include "net/http2/frame_walker.hpp"
#include "net/http2/stream.hpp"
#include "net/shared/bounds.hpp"
#include "net/shared/http.hpp"
#include "net/shared/response_event.hpp"
#include "net/shared/worker_state.hpp"

namespace watchkeeper::net {

/// HTTP/2 of one connection: frames in, requests to the sink; responses in, frames out. Knows no
/// socket. Thread: io_thread. The sink is called from inside `receive`, `next_frame` and `sweep`;
/// what it responds from there must reach this object later (io_thread sees to that). Borrows the
/// worker state.
class http2_connection_state {
 public:
  /// Queues our SETTINGS. Throws std::bad_alloc.
  http2_connection_state(worker_state& worker, std::uint64_t connection_id,
                         const peer_address& peer);
  ~http2_connection_state();  // streams that are left are abandoned
  http2_connection_state(const http2_connection_state&) = delete;
  http2_connection_state& operator=(const http2_connection_state&) = delete;

  /// False: the connection is over, give it nothing more; its last frames are to be sent.
  [[nodiscard]] bool receive(std::span<const std::uint8_t> bytes) noexcept;
  /// The next frame to send, valid until the next call of any member; empty: none for now.
  /// `failed` is set when the connection can only be cut.
  [[nodiscard]] std::span<const std::uint8_t> next_frame(bool& failed) noexcept;
  /// Nothing more will be received or sent.
  [[nodiscard]] bool finished() const noexcept;

  /// Takes what the sink says to a stream, or drops and counts it. False: out of memory, cut the
  /// connection.
  [[nodiscard]] bool apply(response_event&& message) noexcept;

  /// Deadlines of header fields, bodies, output and idleness.
  void sweep() noexcept;
  /// Graceful end: notice, one round trip, GOAWAY, the rest of the streams.
  void drain() noexcept;
  /// Closed for what the client did. The connection does not wait long for such a one.
  [[nodiscard]] bool punished() const noexcept { return punished_; }

 private:
  friend struct http2_callbacks;
  struct range {
    std::int32_t from;
    std::int32_t to;
  };

  // Callbacks of nghttp2 (net/http2/callbacks.cpp); int: what nghttp2 wants back.
  int on_begin_frame(const nghttp2_frame_hd& frame);
  int on_begin_headers(const nghttp2_frame& frame);
  int on_header(const nghttp2_frame& frame, nghttp2_rcbuf* name, nghttp2_rcbuf* value);
  int on_frame(const nghttp2_frame& frame);
  int on_data(std::int32_t stream_id, std::string_view bytes);
  int on_frame_sent(const nghttp2_frame& frame);
  int on_invalid_frame();
  void on_stream_closed(std::int32_t stream_id);
  static ssize_t read_body(nghttp2_session*, std::int32_t stream_id, std::uint8_t* into,
                           std::size_t size, std::uint32_t* flags, nghttp2_data_source* source,
                           void* user) noexcept;

  // Requests (net/http2/request.cpp).
  int take_field(http2_stream& stream, std::string_view name, nghttp2_rcbuf* value);
  void take_pseudo_field(http2_stream& stream, std::string_view name, nghttp2_rcbuf* value);
  void finish_headers(http2_stream& stream, bool ended);
  void finish_body(http2_stream& stream);
  void take_whole(http2_stream& stream, std::string_view bytes);
  void deliver(http2_stream& stream);
  void refund(http2_stream& stream) noexcept;
  void end_header_block() noexcept;
  [[nodiscard]] response_address address_of(const http2_stream& stream) const noexcept;

  // Responses (net/http2/response.cpp).
  void submit(http2_stream& stream, http_response&& response, bool whole);
  void submit_problem(http2_stream& stream, problem what, std::string_view detail);
  void submit_too_large_headers(http2_stream& stream);
  void append(http2_stream& stream, std::string&& chunk, bool last);
  void reset(http2_stream& stream, std::uint32_t code) noexcept;

  // Ends.
  int abort(std::uint32_t code) noexcept;  // always NGHTTP2_ERR_CALLBACK_FAILURE
  int charge(frame_flood_limiter::kind what) noexcept;
  [[nodiscard]] bool charge_frame(const frame_head& frame) noexcept;
  void terminate() noexcept;  // what abort could not do inside a callback
  [[nodiscard]] bool was_skipped(std::int32_t stream_id) const noexcept;
  void note_new_stream(std::int32_t stream_id) noexcept;
  void submit_last_goaway() noexcept;
  [[nodiscard]] http2_stream* find(std::int32_t stream_id) const noexcept;
  [[nodiscard]] bool has_room_for(std::size_t response_bytes) const noexcept;
  void account_response(http2_stream& stream) noexcept;  // after its size has changed
  void discard(http2_stream* stream) noexcept;

  enum class drain_stage : std::uint8_t { none, noticed, refusing };

  worker_state& worker_;
  connection_memory memory_;  // of session_
  nghttp2_session* session_ = nullptr;
  http2_stream* streams_ = nullptr;
  std::uint64_t connection_id_;
  peer_address peer_;
  frame_flood_limiter guard_;
  frame_walker walker_;

  std::size_t bodies_bytes_ = 0;
  std::size_t unsent_response_bytes_ = 0;  // not sent yet
  std::size_t payload_bytes_ = 0;          // in the bytes that are being received
  mono_ms created_at_;
  mono_ms idle_since_;                    // meaningful while there is no stream
  mono_ms notice_sent_at_;                // of the drain
  std::optional<mono_ms> frame_sent_at_;  // none since the frame buffer was given back

  // The header block that is being received; there can be only one.
  std::optional<mono_ms> block_since_;
  std::size_t block_bytes_ = 0;
  std::size_t block_fields_ = 0;
  std::int32_t block_id_ = 0;
  http2_stream* block_stream_ = nullptr;  // null: trailers
  nghttp2_rcbuf* authority_ = nullptr;

  std::int32_t highest_stream_ = -1;
  std::array<range, bounds::skipped_ranges_max> skipped_{};
  std::uint8_t skipped_count_ = 0;
  std::array<std::int32_t, bounds::ended_streams_remembered> ended_{};  // by the client, and closed
  std::uint8_t ended_next_ = 0;
  drain_stage drain_ = drain_stage::none;
  bool all_sent_ = false;  // nghttp2 had no further frame
  bool settings_seen_ = false;
  bool aborted_ = false;     // to be ended with abort_code_
  bool terminated_ = false;  // the GOAWAY for that is queued
  bool punished_ = false;
  std::uint32_t abort_code_ = NGHTTP2_NO_ERROR;
};

}  // namespace watchkeeper::net
