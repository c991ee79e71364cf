#pragma once

#include <cstddef>
#include <vector>

namespace watchkeeper::net {

/// Blocks of six whole pages, for the nghttp2 sessions of one I/O thread. The allocator would give
/// each block a page more than was asked for, to align it, and put small things between blocks. One
/// that is free holds no memory. Keeps as much address space as ever was in use at once, 24 KiB for
/// each. Thread: the I/O thread. Must outlive its users.
class page_pool {
 public:
  static constexpr std::size_t page_bytes = 4096;
  static constexpr std::size_t block_bytes = 6 * page_bytes;
  static constexpr std::size_t slab_blocks = 64;

  page_pool() = default;
  ~page_pool();
  page_pool(const page_pool&) = delete;
  page_pool& operator=(const page_pool&) = delete;

  /// All zeros, aligned to a page; null: no memory is left. The caller gives it back.
  [[nodiscard]] void* take() noexcept;
  void give_back(void* block) noexcept;
  [[nodiscard]] std::size_t slabs() const noexcept { return slabs_.size(); }

 private:
  bool add_slab() noexcept;

  std::vector<void*> slabs_;
  std::vector<void*> free_;  // has room for all blocks
};

}  // namespace watchkeeper::net
