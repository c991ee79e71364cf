#pragma once

#include <functional>
#include <mutex>

#include "actors/shared/watch_observer.hpp"

namespace watchkeeper::server {

/// Tells the API that a student is to be forgotten, at whichever gateway that was asked for: the
/// observers of the actors are given before there is an API. Thread: any.
class erasure_relay final : public actors::watch_observer {
 public:
  /// Who is told from now on; empty: nobody. Once it returns the one before is not called any more.
  void tell(std::function<void()> who) {
    const std::lock_guard lock(mutex_);
    who_ = std::move(who);
  }
  void settled(const actors::settled_heartbeat&) noexcept override {}
  void refused(const actors::refused_heartbeat&) noexcept override {}
  void student_erased(const student_id&) noexcept override {
    const std::lock_guard lock(mutex_);
    if (who_) who_();
  }

 private:
  std::mutex mutex_;
  std::function<void()> who_;  // guarded by mutex_; does not throw
};

}  // namespace watchkeeper::server
