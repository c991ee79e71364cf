#include <cstdlib>
#include <new>

#include "tests/domain/support.hpp"

// Replaces the global allocation functions of this test program, so that "without allocation" can
// be checked instead of believed.

namespace {
thread_local std::uint64_t allocations = 0;
}

std::uint64_t watchkeeper::test::allocations_of_this_thread() noexcept {
  return allocations;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc{};
}
// The library's form of it takes memory from elsewhere than our operator delete gives it back to.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
