#pragma once

#include <chrono>
#include <condition_variable>
#include <optional>
#include <thread>

#include "base/thread_safety.hpp"

namespace watchkeeper::storage::postgres {

/// A thread that shuts a socket down when a deadline passes before it is called off. libpq then
/// sees a broken connection and returns. The thread starts with the first call. Thread: arm and
/// disarm by the caller of the connection; destroyed by it as well.
class call_deadline {
 public:
  call_deadline() = default;
  ~call_deadline();
  call_deadline(const call_deadline&) = delete;
  call_deadline& operator=(const call_deadline&) = delete;

  /// `socket` stays open until disarm() has returned.
  void arm(int socket, std::chrono::milliseconds limit);
  /// True when the deadline had passed and the socket was shut down.
  bool disarm() noexcept;

 private:
  void watch();

  annotated_mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::chrono::steady_clock::time_point> due_ GUARDED_BY(mutex_);
  int socket_ GUARDED_BY(mutex_) = -1;
  bool fired_ GUARDED_BY(mutex_) = false;
  bool ending_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace watchkeeper::storage::postgres
