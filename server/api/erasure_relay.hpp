#pragma once

#include <functional>
#include <optional>

#include "actors/shared/watch_observer.hpp"
#include "base/thread_safety.hpp"

namespace watchkeeper::server {

/// Notifies the API that a student is erased or a progress reset, at this gateway or another. The
/// actors get their observers before the API exists, so this relay stands between them. Thread:
/// any.
class erasure_relay final : public actors::watch_observer {
 public:
  /// Called with the module of a reset, and without one for an erasure. Does not throw.
  using function = std::function<void(const std::optional<module_id>& module)>;
  /// Sets what is called for each of them; empty: nothing. The previous observer is not called any
  /// more once this returns.
  void observe(function observer) {
    const mutex_lock lock(mutex_);
    observer_ = std::move(observer);
  }
  void acknowledged(const actors::acknowledged_heartbeat&) noexcept override {}
  void rejected(const actors::rejected_heartbeat&) noexcept override {}
  void student_erased(const student_id&, std::uint32_t) noexcept override { notify(std::nullopt); }
  void progress_reset(const pair_key& pair, life_number) noexcept override { notify(pair.module); }

 private:
  void notify(const std::optional<module_id>& module) noexcept {
    const mutex_lock lock(mutex_);
    if (observer_) observer_(module);
  }

  annotated_mutex mutex_;
  function observer_ GUARDED_BY(mutex_);
};

}  // namespace watchkeeper::server
