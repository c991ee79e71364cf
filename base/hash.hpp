#pragma once

#include <cstdint>
#include <string_view>

namespace watchkeeper {

/// XXH64 (seed 0) of the bytes. It never changes: partitions are made of it, and every gateway of a
/// deployment has to agree on them.
std::uint64_t stable_hash(std::string_view bytes) noexcept;

}  // namespace watchkeeper
