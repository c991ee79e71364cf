#include "domain/ids.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace watchkeeper {

std::uint64_t stable_hash(std::string_view bytes) noexcept {
  return XXH64(bytes.data(), bytes.size(), 0);
}

partition_index partition_of(const student_id& student) noexcept {
  return static_cast<partition_index>(stable_hash(student.view()) % limits::partitions);
}

}  // namespace watchkeeper
