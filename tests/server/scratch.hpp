#pragma once

#include <filesystem>
#include <random>
#include <string>

#include "base/units.hpp"
#include "tests/base/scratch_root.hpp"

namespace watchkeeper::server::testing {

/// Some time of day.
inline constexpr wall_ms moment_ms{1'763'812'345'123};

/// A directory of its own, gone with the test.
struct scratch_directory {
  std::filesystem::path path =
      test::scratch_root() / ("watchkeeper-test-" + std::to_string(std::random_device{}()));
  scratch_directory() { std::filesystem::create_directories(path); }
  ~scratch_directory() { std::filesystem::remove_all(path); }
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;
  [[nodiscard]] std::string file(const char* name) const { return (path / name).string(); }
};

}  // namespace watchkeeper::server::testing
