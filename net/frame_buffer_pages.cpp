#include "net/frame_buffer_pages.hpp"

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

}  // namespace

frame_buffer_pages::frame_buffer_pages() noexcept
    : functions_{this, allocate, release, allocate_zeroed, resize} {}

frame_buffer_pages::~frame_buffer_pages() {
  std::free(pages_);  // null: the session had it freed
}

void frame_buffer_pages::give_back() noexcept {
  // They come back as zeros when they are written to.
  if (pages_ != nullptr) ::madvise(pages_, frame_buffer_bytes_max, MADV_DONTNEED);
}

void* frame_buffer_pages::allocate(std::size_t bytes, void*) noexcept {
  return std::malloc(bytes);
}

void* frame_buffer_pages::allocate_zeroed(std::size_t count, std::size_t bytes, void*) noexcept {
  return std::calloc(count, bytes);
}

void frame_buffer_pages::release(void* memory, void* self) noexcept {
  auto& pages = static_cast<frame_buffer_pages*>(self)->pages_;
  if (memory == pages) pages = nullptr;
  std::free(memory);
}

// The frame buffer is what nghttp2 asks for in this way, and only it is so large that soon.
void* frame_buffer_pages::resize(void* memory, std::size_t bytes, void* self) noexcept {
  auto& held = *static_cast<frame_buffer_pages*>(self);
  if (memory != nullptr && memory == held.pages_) {
    if (bytes <= frame_buffer_bytes_max) return memory;
    auto* larger = std::malloc(bytes);
    if (larger == nullptr) return nullptr;
    std::memcpy(larger, memory, frame_buffer_bytes_max);
    std::free(std::exchange(held.pages_, nullptr));
    return larger;
  }
  if (memory != nullptr || held.pages_ != nullptr || bytes < frame_buffer_bytes_min ||
      bytes > frame_buffer_bytes_max)
    return std::realloc(memory, bytes);
  held.pages_ = std::aligned_alloc(page_bytes, frame_buffer_bytes_max);
  if (held.pages_ != nullptr) held.give_back();  // the allocator may have had other use for them
  return held.pages_;
}

}  // namespace watchkeeper::net
