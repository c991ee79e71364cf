#include "base/hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace watchkeeper {

std::uint64_t stable_hash(std::string_view bytes) noexcept {
  return XXH64(bytes.data(), bytes.size(), 0);
}

}  // namespace watchkeeper
