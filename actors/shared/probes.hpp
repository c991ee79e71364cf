#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <string>

#include "actors/shared/ledger_memory.hpp"
#include "base/clock.hpp"
#include "base/latency_histogram.hpp"
#include "base/thread_safety.hpp"
#include "domain/credit.hpp"
#include "domain/engagement_token.hpp"
#include "domain/problem.hpp"
#include "storage/storage_error.hpp"

/// One probe for each component: the component counts, the statistics read. Any thread.
namespace watchkeeper::actors {

using counter = std::atomic<std::uint64_t>;
inline void bump(counter& c, std::uint64_t by = 1) noexcept {
  c.fetch_add(by, std::memory_order_relaxed);
}

/// A text that is rarely written and rarely read.
class guarded_string {
 public:
  void set(std::string text) {
    const mutex_lock lock(mutex_);
    text_ = std::move(text);
  }
  [[nodiscard]] std::string get() const {
    const mutex_lock lock(mutex_);
    return text_;
  }

 private:
  mutable annotated_mutex mutex_;
  std::string text_ GUARDED_BY(mutex_);
};

/// All heartbeats, from their admission to their result.
class heartbeat_probe {
 public:
  /// `is_past_end`: the interval went on well after the end of the module.
  void finished(const credit_outcome& outcome, bool is_past_end, std::int64_t latency_us) noexcept {
    bump(by_status_[static_cast<std::size_t>(outcome.status)]);
    if (is_past_end) bump(past_end_);
    if (outcome.status == credit_status::rejected)
      bump(by_problem_[static_cast<std::size_t>(outcome.why)]);
    if (outcome.newly_mastered) bump(mastered_);
    latency_.record_us(latency_us);
    leave();
  }
  /// False at the limit: the heartbeat is not admitted.
  [[nodiscard]] bool admit(std::uint64_t limit) noexcept {
    if (in_flight_.fetch_add(1, std::memory_order_acq_rel) < limit) return true;
    leave();
    return false;
  }
  /// Waits until nothing is in flight. False at the time limit.
  [[nodiscard]] bool wait_until_idle(std::chrono::milliseconds limit) {
    mutex_lock lock(mutex_);
    somebody_waits_ = true;
    const bool idle = idle_.wait_for(lock.native(), limit, [&] { return in_flight() == 0; });
    somebody_waits_ = false;
    return idle;
  }
  void rejected_at_admission(problem why) noexcept {
    bump(by_status_[static_cast<std::size_t>(credit_status::rejected)]);
    bump(by_problem_[static_cast<std::size_t>(why)]);
  }

  [[nodiscard]] std::uint64_t in_flight() const noexcept {
    return in_flight_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::uint64_t by_status(std::size_t i) const noexcept { return by_status_[i]; }
  [[nodiscard]] std::uint64_t by_problem(std::size_t i) const noexcept { return by_problem_[i]; }
  [[nodiscard]] std::uint64_t past_end() const noexcept { return past_end_; }
  [[nodiscard]] std::uint64_t mastered() const noexcept { return mastered_; }
  [[nodiscard]] const latency_histogram& latency() const noexcept { return latency_; }

 private:
  void leave() noexcept {
    if (in_flight_.fetch_sub(1) != 1 || !somebody_waits_) return;
    const mutex_lock lock(mutex_);  // the waiter is before its check or asleep, not in between
    idle_.notify_all();
  }

  std::array<counter, 4> by_status_{};
  std::array<counter, problem_count> by_problem_{};
  counter past_end_{0};
  counter mastered_{0};
  latency_histogram latency_;
  std::atomic<std::uint64_t> in_flight_{0};
  std::atomic<bool> somebody_waits_{false};
  annotated_mutex mutex_;
  std::condition_variable idle_;
};

/// Signature verifications, by algorithm.
struct verification_probe {
  std::array<latency_histogram, signature_algorithm_count> latency;
  std::array<counter, signature_algorithm_count> failures{};
};

/// One progress shard.
struct shard_probe {
  counter pairs{0};
  counter dirty{0};
  counter parked{0};
  counter queued{0};
  counter batches{0};
  counter batch_heartbeats{0};
  counter batch_size_max{0};
  latency_histogram batch_latency;
};

/// What the files of a store still have of erased students.
struct trace_probe {
  std::atomic<bool> is_due{false};  // a removal, or it is not at its end
  std::atomic<wall_ms> removed_at{never};
  guarded_string refusal;  // why the store does not remove them; empty: it does
};

/// The hot store as the writer sees it.
struct hot_store_probe {
  std::atomic<bool> up{false};
  std::atomic<bool> degraded{false};
  std::atomic<bool> answers{false};  // the watcher, the last time
  /// Of the last reply.
  std::atomic<storage::durability_level> durability{storage::durability_level::memory};
  guarded_string description;
  guarded_string last_failure;
  counter failures{0};
  latency_histogram latency;
  counter retired_pairs{0};
  trace_probe traces;
  /// Moves whenever the hot store may have lost changes or may lack them: the shards then hand over
  /// the pairs in their memory that are not checkpointed.
  std::atomic<std::uint64_t> refill_epoch{0};
  /// Moves, before `refill_epoch`, when the ledger went back: what was checkpointed may be lost, so
  /// no pair in the memory of a shard counts as clean.
  std::atomic<std::uint64_t> checkpoints_lost{0};
  /// When a hand-over was last done. A checkpoint that began earlier may have missed it.
  std::atomic<mono_ms> refilled_at{};
  counter health_successes{
      0};  // to the watcher, the one thread that may wait for a store that hangs

  void failed(const storage::storage_failure& failure) {
    bump(failures);
    last_failure.set(failure.detail);
  }
};

struct ledger_probe {
  std::atomic<bool> up{false};
  ledger_memory memory;
  guarded_string description;
  guarded_string last_failure;
  counter failures{0};
  counter checkpointed_pairs{0};
  std::atomic<std::uint64_t> dirty_pairs{0};
  std::atomic<mono_ms> last_checkpoint_at{};  // zero: none yet
  counter health_successes{
      0};  // to the watcher, the one thread that may wait for a store that hangs
  latency_histogram latency;
  trace_probe traces;

  void failed(const storage::storage_failure& failure) {
    bump(failures);
    last_failure.set(failure.detail);
  }
};

}  // namespace watchkeeper::actors
