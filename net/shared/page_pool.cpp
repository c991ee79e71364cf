#include "net/shared/page_pool.hpp"

#include <sys/mman.h>

#include <cstring>
#include <new>

namespace watchkeeper::net {

namespace {
constexpr std::size_t slab_bytes = page_pool::slab_blocks * page_pool::block_bytes;
}

page_pool::~page_pool() {
  for (auto* slab : slabs_) ::munmap(slab, slab_bytes);
}

void* page_pool::take() noexcept {
  if (free_.empty() && !add_slab()) return nullptr;
  auto* block = free_.back();
  free_.pop_back();
  return block;
}

void page_pool::give_back(void* block) noexcept {
  // Where the system does not take them (its limit of mappings, say), what is in them must still
  // go.
  if (::madvise(block, block_bytes, MADV_DONTNEED) != 0) std::memset(block, 0, block_bytes);
  free_.push_back(block);
}

bool page_pool::add_slab() noexcept {
  try {
    slabs_.reserve(slabs_.size() + 1);
    free_.reserve((slabs_.size() + 1) * slab_blocks);
  } catch (const std::bad_alloc&) {
    return false;
  }
  auto* slab = ::mmap(nullptr, slab_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (slab == MAP_FAILED) return false;
  // A huge page would be resident as a whole for the sake of one small one.
  (void)::madvise(slab, slab_bytes, MADV_NOHUGEPAGE);
  slabs_.push_back(slab);
  for (auto i = slab_blocks; i-- > 0;) free_.push_back(static_cast<char*>(slab) + i * block_bytes);
  return true;
}

}  // namespace watchkeeper::net
