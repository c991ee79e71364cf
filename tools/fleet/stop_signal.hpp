#pragma once

#include <csignal>

namespace watchkeeper::fleet {

/// While it lives, SIGINT and SIGTERM only set a flag (and interrupt a wait); afterwards the former
/// handlers are back. At most one at a time in a process.
class stop_signal {
 public:
  stop_signal() noexcept;
  ~stop_signal();
  stop_signal(const stop_signal&) = delete;
  stop_signal& operator=(const stop_signal&) = delete;

  [[nodiscard]] static bool requested() noexcept;

 private:
  struct sigaction interrupt_ {};
  struct sigaction terminate_ {};
};

}  // namespace watchkeeper::fleet
