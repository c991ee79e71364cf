#pragma once

#include <string>

#include "base/result.hpp"

/// A file that one process has at a time.
namespace watchkeeper {

/// An exclusive lock of a file, which it creates (mode 0600). The kernel releases it when the
/// process ends, however that happens; the file stays. Other programs are not kept from the file:
/// only who takes the lock, too, is. Movable, not copyable.
class file_lock {
 public:
  struct failure {
    std::string what;               // without a full stop; names the file
    bool is_held_by_other = false;  // then `what` names the id that the other process has written
  };
  /// Does not wait.
  [[nodiscard]] static result<file_lock, failure> take(const std::string& path);

  file_lock(file_lock&& other) noexcept;
  file_lock& operator=(file_lock&&) = delete;
  ~file_lock();

 private:
  explicit file_lock(int descriptor) noexcept : descriptor_(descriptor) {}
  int descriptor_;  // -1: moved from
};

}  // namespace watchkeeper
