#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/thread_safety.hpp"
#include "storage/ledger_identity.hpp"

namespace watchkeeper::actors {

/// What this process has seen of the ledger, by which it notices that the ledger went back: it is
/// another one, or lacks transactions (docs/adr/0019-ledger-identity.md). Thread: any.
class ledger_memory {
 public:
  /// What was seen until now; to be taken before the identity is read.
  struct snapshot {
    std::optional<storage::ledger_identity> seen;
    std::uint64_t changes = 0;
  };
  [[nodiscard]] snapshot take() const {
    const mutex_lock lock(mutex_);
    return {seen_, changes_};
  }
  /// Remembers an identity that was read since. True: the ledger went back, for the first time
  /// since it has last been caught up with.
  [[nodiscard]] bool sees(const storage::ledger_identity& now, const snapshot& before) {
    const mutex_lock lock(mutex_);
    // What another thread found meanwhile may be newer than what this one read.
    if (went_back_ || before.changes != changes_) return false;
    if (before.seen && may_lack(now, *before.seen)) {
      begin();
      return true;
    }
    if (!seen_ || may_lack(*seen_, now)) seen_ = now;
    return false;
  }
  /// The same, because of what a hot store remembers.
  [[nodiscard]] bool is_told_of_loss() {
    const mutex_lock lock(mutex_);
    if (went_back_) return false;
    begin();
    return true;
  }
  /// All that other stores and memory have of what the ledger lacks is on its way there.
  void caught_up(const storage::ledger_identity& now) {
    const mutex_lock lock(mutex_);
    seen_ = now;
    went_back_ = false;
    changes_.fetch_add(1, std::memory_order_acq_rel);
  }

  /// From before it went back, as long as it has not been caught up with.
  [[nodiscard]] std::optional<storage::ledger_identity> seen() const {
    const mutex_lock lock(mutex_);
    return seen_;
  }
  [[nodiscard]] bool is_catching_up() const noexcept {
    return went_back_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::uint64_t losses() const noexcept {
    return losses_.load(std::memory_order_acquire);
  }
  /// Moves when the ledger went back, and again when it has been caught up with: what was read from
  /// it before is not to be trusted.
  [[nodiscard]] std::uint64_t changes() const noexcept {
    return changes_.load(std::memory_order_acquire);
  }

 private:
  void begin() REQUIRES(mutex_) {
    went_back_ = true;
    losses_.fetch_add(1, std::memory_order_acq_rel);
    changes_.fetch_add(1, std::memory_order_acq_rel);
  }

  mutable annotated_mutex mutex_;
  std::optional<storage::ledger_identity> seen_ GUARDED_BY(mutex_);
  std::atomic<bool> went_back_{false};
  std::atomic<std::uint64_t> losses_{0};
  std::atomic<std::uint64_t> changes_{0};
};

}  // namespace watchkeeper::actors
