#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <vector>

#include "actors/shared/probes.hpp"
#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "base/thread_safety.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::actors {

/// Judges the pairs of modules whose rules have changed (docs/adr/0021-revisions.md): step by step,
/// between the other work of the checkpointer's thread, and together with other gateways.
class revision_judge {
 public:
  struct dependencies {
    storage::hot_store& hot;
    storage::ledger& ledger;
    ledger_probe& probe;
    hot_store_probe& hot_probe;
    const time_source& time;
    log_function log;
    std::size_t pairs_a_step = storage_limits::list_items_max;
  };
  explicit revision_judge(dependencies deps) : deps_(std::move(deps)) {}

  /// Modules in the statistics. The others are judged all the same.
  static constexpr std::size_t jobs_max = 100;

  /// Any thread: there may be something to judge.
  void request() noexcept { is_due_.store(true, std::memory_order_release); }
  /// The thread's, as all that follows but jobs(). After the wait that wait_max() allows.
  [[nodiscard]] bool is_due() const noexcept {
    return others_judge_ || is_due_.load(std::memory_order_acquire);
  }

  /// One step. Afterwards it is due again unless nothing was left or a store failed; then the next
  /// request goes on.
  void step();
  /// How long the thread may wait until the next step. While other gateways judge what is left, it
  /// looks every second how far they are.
  [[nodiscard]] std::chrono::milliseconds wait_max(std::chrono::milliseconds else_ms) const;

  /// Any thread: what was not finished when the last step ended.
  [[nodiscard]] std::vector<storage::judging_progress> jobs() const;

 private:
  void failed(const storage::storage_failure& failure);
  /// Brings the news to the copies that the hot store has; the others are read from the ledger.
  void tell_hot_store(std::vector<storage::pair_progress> mastered);
  /// Reads what is left; returns whether that is something.
  [[nodiscard]] bool note_jobs();

  dependencies deps_;
  std::atomic<bool> is_due_{true};
  bool others_judge_ = false;  // the thread's
  mutable annotated_mutex mutex_;
  std::vector<storage::judging_progress> jobs_ GUARDED_BY(mutex_);
};

}  // namespace watchkeeper::actors
