#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/units.hpp"

namespace watchkeeper::server {

/// A descriptor that closes itself.
class file_descriptor {
 public:
  file_descriptor() noexcept = default;
  explicit file_descriptor(int number) noexcept : number_(number) {}
  ~file_descriptor();
  file_descriptor(file_descriptor&& other) noexcept : number_(other.release()) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept;
  [[nodiscard]] int get() const noexcept { return number_; }
  [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }

 private:
  int release() noexcept;
  int number_ = -1;
};

struct opened_file {
  enum class kind : std::uint8_t { absent, folder, file, too_many };
  kind what = kind::absent;
  file_descriptor descriptor;  // of `file`
  std::uint64_t size = 0;
  std::int64_t changed_ns = 0;  // since 1970
  std::uint64_t inode = 0;
};

/// Opens what lies below `folder`. Whatever leads out of it is absent: "..", absolute paths,
/// symbolic links, also ones that are put there between look and use (openat2 with RESOLVE_BENEATH;
/// where the system lacks that, no link is followed at all). So are pipes and devices. Blocks.
opened_file open_below(const std::string& folder, const std::string& relative) noexcept;
/// The second way of the above, for its test.
opened_file open_below_without_links(const std::string& folder,
                                     const std::string& relative) noexcept;

}  // namespace watchkeeper::server
