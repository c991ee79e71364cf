#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>

namespace watchkeeper::net {

/// The memory of one nghttp2 session. Its 16 KiB frame buffer, which is as long as it and empty
/// nearly always, gets pages of its own, so that the system may have them back meanwhile: about
/// 12 KiB less a connection. Must outlive the session. Thread: the session's.
class frame_buffer_pages {
 public:
  frame_buffer_pages() noexcept;
  ~frame_buffer_pages();
  frame_buffer_pages(const frame_buffer_pages&) = delete;
  frame_buffer_pages& operator=(const frame_buffer_pages&) = delete;

  /// For nghttp2_session_server_new3, which copies it.
  [[nodiscard]] nghttp2_mem* functions() noexcept { return &functions_; }
  /// What is in the frame buffer is lost. Only when the last nghttp2_session_mem_send gave nothing.
  void give_back() noexcept;

 private:
  static void* allocate(std::size_t bytes, void* self) noexcept;
  static void release(void* memory, void* self) noexcept;
  static void* allocate_zeroed(std::size_t count, std::size_t bytes, void* self) noexcept;
  static void* resize(void* memory, std::size_t bytes, void* self) noexcept;

  nghttp2_mem functions_;
  void* pages_ = nullptr;
};

}  // namespace watchkeeper::net
