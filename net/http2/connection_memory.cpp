#include "net/http2/connection_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace watchkeeper::net {
namespace {

constexpr auto page_bytes = page_pool::page_bytes;
// A frame of 16,384 bytes, its header, and room for a pad length (nghttp2 1.52).
constexpr std::size_t frame_buffer_bytes_min = 16 * 1024;
constexpr std::size_t frame_buffer_bytes_max = 5 * page_bytes;
// 256 places of 16 bytes, of which all are zero but those of streams that are open (nghttp2 1.52).
constexpr std::size_t table_bytes = page_bytes;
static_assert(frame_buffer_bytes_max + table_bytes == page_pool::block_bytes);

bool is_all_zeros(const void* page) noexcept {
  const auto* bytes = static_cast<const char*>(page);
  return bytes[0] == 0 && std::memcmp(bytes, bytes + 1, page_bytes - 1) == 0;
}

}  // namespace

connection_memory::connection_memory(page_pool& pool) noexcept
    : pool_(pool), functions_{this, allocate, release, allocate_zeroed, resize} {}

connection_memory::~connection_memory() {
  if (block_ != nullptr) pool_.give_back(block_);
}

bool connection_memory::has_block() noexcept {
  if (block_ == nullptr) block_ = pool_.take();
  return block_ != nullptr;
}

void connection_memory::give_back() noexcept {
  if (block_ == nullptr) return;
  // The table lies behind the frame buffer: one call for both. They come back as zeros when they
  // are written to.
  const bool table_too = table_ == nullptr || is_all_zeros(table_);
  if (frame_buffer_ != nullptr)
    ::madvise(block_, table_too ? page_pool::block_bytes : frame_buffer_bytes_max, MADV_DONTNEED);
  else if (table_ != nullptr && table_too)
    ::madvise(table_, table_bytes, MADV_DONTNEED);
}

void* connection_memory::allocate(std::size_t bytes, void*) noexcept {
  return std::malloc(bytes);
}

// The table is what nghttp2 asks for in this way; were it something else, it would lose nothing.
void* connection_memory::allocate_zeroed(std::size_t count, std::size_t bytes,
                                         void* self) noexcept {
  auto& owner = *static_cast<connection_memory*>(self);
  if (owner.table_ != nullptr || bytes == 0 || count > table_bytes ||
      count * bytes != table_bytes || !owner.has_block())
    return std::calloc(count, bytes);
  owner.table_ = static_cast<char*>(owner.block_) + frame_buffer_bytes_max;
  std::memset(owner.table_, 0, table_bytes);  // it may have been in use before
  return owner.table_;
}

void connection_memory::release(void* memory, void* self) noexcept {
  auto& owner = *static_cast<connection_memory*>(self);
  if (memory == nullptr) return;
  if (memory == owner.frame_buffer_)
    owner.frame_buffer_ = nullptr;
  else if (memory == owner.table_)
    owner.table_ = nullptr;
  else
    std::free(memory);
}

void* connection_memory::move_out(void*& part, std::size_t part_bytes, std::size_t bytes) noexcept {
  auto* moved = std::malloc(bytes);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, part, std::min(part_bytes, bytes));
  part = nullptr;
  return moved;
}

// The frame buffer is what nghttp2 asks for in this way, and only it is so large that soon.
void* connection_memory::resize(void* memory, std::size_t bytes, void* self) noexcept {
  auto& owner = *static_cast<connection_memory*>(self);
  if (memory != nullptr && memory == owner.frame_buffer_) {
    if (bytes <= frame_buffer_bytes_max) return memory;
    return move_out(owner.frame_buffer_, frame_buffer_bytes_max, bytes);
  }
  if (memory != nullptr && memory == owner.table_) {
    if (bytes <= table_bytes) return memory;
    return move_out(owner.table_, table_bytes, bytes);
  }
  if (memory != nullptr || owner.frame_buffer_ != nullptr || bytes < frame_buffer_bytes_min ||
      bytes > frame_buffer_bytes_max || !owner.has_block())
    return std::realloc(memory, bytes);
  owner.frame_buffer_ = owner.block_;
  return owner.frame_buffer_;
}

}  // namespace watchkeeper::net
