#pragma once

#include <signal.h>
#include <termios.h>

#include <chrono>
#include <cstddef>
#include <vector>

#include "tools/top/frame.hpp"

namespace watchkeeper::top {

/// The terminal on stdin and stdout as a canvas: alternate screen, no cursor, keys without echo.
/// All of it is undone at the end. At most one at a time in a process.
class terminal {
 public:
  terminal();
  ~terminal();
  terminal(const terminal&) = delete;
  terminal& operator=(const terminal&) = delete;

  struct extent {
    std::size_t columns = 80;
    std::size_t rows = 24;
  };
  /// As it is now: ask before each frame.
  [[nodiscard]] static extent size();
  void draw(const std::vector<frame_line>& frame);
  /// The next key, or 0 when none came in time, the window was resized, or a signal came.
  [[nodiscard]] static char key(std::chrono::milliseconds patience);

 private:
  termios before_{};
  struct sigaction resize_before_ {};
};

}  // namespace watchkeeper::top
