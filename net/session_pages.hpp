#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>

namespace watchkeeper::net {

/// The memory of one nghttp2 session. Two parts of it get pages of their own, so that the system
/// may have them back while the connection is quiet, about 16 KiB in all: the frame buffer of
/// 16 KiB, which then holds nothing, and the table of streams of 4 KiB, which is all zeros when
/// none is open. Must outlive the session. Thread: the session's.
class session_pages {
 public:
  session_pages() noexcept;
  ~session_pages();
  session_pages(const session_pages&) = delete;
  session_pages& operator=(const session_pages&) = delete;

  /// For nghttp2_session_server_new3, which copies it.
  [[nodiscard]] nghttp2_mem* functions() noexcept { return &functions_; }
  /// What is in the frame buffer is lost. Only when the last nghttp2_session_mem_send gave nothing.
  /// The table keeps what is in it: it is given back only if that are zeros.
  void give_back() noexcept;

 private:
  static void* allocate(std::size_t bytes, void* self) noexcept;
  static void release(void* memory, void* self) noexcept;
  static void* allocate_zeroed(std::size_t count, std::size_t bytes, void* self) noexcept;
  static void* resize(void* memory, std::size_t bytes, void* self) noexcept;

  nghttp2_mem functions_;
  void* frame_buffer_ = nullptr;
  void* table_ = nullptr;
};

}  // namespace watchkeeper::net
