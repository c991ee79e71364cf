#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>

#include "net/shared/page_pool.hpp"

namespace watchkeeper::net {

/// The memory of one nghttp2 session. Two parts of it get pages of their own, so that the system
/// may have them back while the connection is quiet, about 20 KiB in all: the frame buffer of
/// 16 KiB, which then holds nothing, and the table of streams of 4 KiB, which is all zeros when
/// none is open. Must outlive the session, and the pool this. Thread: the session's.
class connection_memory {
 public:
  explicit connection_memory(page_pool& pool) noexcept;
  ~connection_memory();
  connection_memory(const connection_memory&) = delete;
  connection_memory& operator=(const connection_memory&) = delete;

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
  bool has_block() noexcept;  // takes one
  /// Moves what is in a part of the block to the heap.
  static void* move_out(void*& part, std::size_t part_bytes, std::size_t bytes) noexcept;

  page_pool& pool_;
  nghttp2_mem functions_;
  void* block_ = nullptr;
  void* frame_buffer_ = nullptr;  // in the block; null: not in use
  void* table_ = nullptr;         // likewise
};

}  // namespace watchkeeper::net
