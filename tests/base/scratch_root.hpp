#pragma once

#include <cstdint>
#include <filesystem>
#include <system_error>

namespace watchkeeper::test {

/// Where tests make their folders: in memory, if there is room. On a busy disk each of the many
/// syncs of a ledger may take a second, and no test is about the disk itself.
inline std::filesystem::path scratch_root() {
  constexpr std::uintmax_t room_bytes_min = 2'000'000'000;
  std::filesystem::path in_memory = "/dev/shm";
  std::error_code failed;
  const auto room = std::filesystem::space(in_memory, failed);
  if (!failed && room.available >= room_bytes_min) return in_memory;
  return std::filesystem::temp_directory_path();
}

}  // namespace watchkeeper::test
