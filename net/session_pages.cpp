#include "net/session_pages.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <utility>

namespace watchkeeper::net {
namespace {

constexpr std::size_t page_bytes = 4096;
// A frame of 16,384 bytes, its header, and room for a pad length (nghttp2 1.52).
constexpr std::size_t frame_buffer_bytes_min = 16 * 1024;
constexpr std::size_t frame_buffer_bytes_max = 5 * page_bytes;
// 256 places of 16 bytes, of which all are zero but those of streams that are open (nghttp2 1.52).
constexpr std::size_t table_bytes = page_bytes;

bool is_all_zeros(const void* page) noexcept {
  const auto* bytes = static_cast<const char*>(page);
  return bytes[0] == 0 && std::memcmp(bytes, bytes + 1, page_bytes - 1) == 0;
}

}  // namespace

session_pages::session_pages() noexcept
    : functions_{this, allocate, release, allocate_zeroed, resize} {}

session_pages::~session_pages() {
  std::free(frame_buffer_);  // null: the session had it freed
  std::free(table_);
}

void session_pages::give_back() noexcept {
  // They come back as zeros when they are written to.
  if (frame_buffer_ != nullptr) ::madvise(frame_buffer_, frame_buffer_bytes_max, MADV_DONTNEED);
  if (table_ != nullptr && is_all_zeros(table_)) ::madvise(table_, table_bytes, MADV_DONTNEED);
}

void* session_pages::allocate(std::size_t bytes, void*) noexcept {
  return std::malloc(bytes);
}

// The table is what nghttp2 asks for in this way; were it something else, it would lose nothing.
void* session_pages::allocate_zeroed(std::size_t count, std::size_t bytes, void* self) noexcept {
  auto& held = *static_cast<session_pages*>(self);
  if (held.table_ != nullptr || bytes == 0 || count > table_bytes || count * bytes != table_bytes)
    return std::calloc(count, bytes);
  held.table_ = std::aligned_alloc(page_bytes, table_bytes);
  if (held.table_ != nullptr) std::memset(held.table_, 0, table_bytes);
  return held.table_;
}

void session_pages::release(void* memory, void* self) noexcept {
  auto& held = *static_cast<session_pages*>(self);
  for (auto* own : {&held.frame_buffer_, &held.table_})
    if (memory == *own) *own = nullptr;
  std::free(memory);
}

// The frame buffer is what nghttp2 asks for in this way, and only it is so large that soon.
void* session_pages::resize(void* memory, std::size_t bytes, void* self) noexcept {
  auto& held = *static_cast<session_pages*>(self);
  if (memory != nullptr && memory == held.frame_buffer_) {
    if (bytes <= frame_buffer_bytes_max) return memory;
    auto* larger = std::malloc(bytes);
    if (larger == nullptr) return nullptr;
    std::memcpy(larger, memory, frame_buffer_bytes_max);
    std::free(std::exchange(held.frame_buffer_, nullptr));
    return larger;
  }
  if (memory != nullptr && memory == held.table_) held.table_ = nullptr;  // it may move
  if (memory != nullptr || held.frame_buffer_ != nullptr || bytes < frame_buffer_bytes_min ||
      bytes > frame_buffer_bytes_max)
    return std::realloc(memory, bytes);
  held.frame_buffer_ = std::aligned_alloc(page_bytes, frame_buffer_bytes_max);
  if (held.frame_buffer_ != nullptr)
    held.give_back();  // the allocator may have had other use for them
  return held.frame_buffer_;
}

}  // namespace watchkeeper::net
