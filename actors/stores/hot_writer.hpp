#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "actors/shared/bounded_queue.hpp"
#include "actors/shared/messages.hpp"
#include "actors/shared/probes.hpp"
#include "actors/stores/batch_linger.hpp"
#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "storage/tiered_store.hpp"

namespace watchkeeper::actors {

/// The thread that makes credit durable (group commit): it takes the batches of all shards that
/// wait, stores them in one round trip, and hands them back. While one round trip is in flight, the
/// next batches fill. Under load it also waits up to batch_linger::wait_us_max, so that a round
/// trip carries enough heartbeats for its cost.
class hot_writer {
 public:
  struct dependencies {
    std::unique_ptr<storage::hot_store> hot;
    std::unique_ptr<storage::ledger> ledger;
    hot_store_probe& hot_probe;
    ledger_probe& ledger_state;
    const time_source& time;
    std::function<void(std::shared_ptr<credit_batch>)> stored;  // hands a batch back to its shard
    std::function<void(const std::vector<storage::heatmap_delta>&)> heatmaps_grown;  // may be empty
    log_function log;
    std::size_t shards = 1;
    /// Count the stores' replies to the watcher; see tiered_store::observer. Empty: the writer asks
    /// the stores itself.
    storage::success_counter hot_successes, ledger_successes;
    storage::durability_level required = storage::durability_level::memory;
    std::int64_t retention_ms = INT64_MAX;  // of pairs in the hot store
    bool start_degraded = false;
    bool own_thread = true;  // false: the owner calls `turn`
  };
  explicit hot_writer(dependencies deps);
  ~hot_writer();  // as close(), if the thread still runs

  /// Finishes what is queued and ends the thread; from then on every batch comes back failed at
  /// once. Refills that have not begun at `end` are left out.
  void close(mono_us end = mono_us(INT64_MAX));
  /// One turn of the thread's loop: waits for orders, and executes those that are there.
  void turn(std::chrono::milliseconds wait_max);

  /// Any thread. The batch always comes back through `stored`. If the queue is full, it comes back
  /// at once, as failed.
  void store(std::shared_ptr<credit_batch> batch);
  /// Any thread. The same, for a batch that has the rows of the ledger that it needs.
  void store_loaded(std::shared_ptr<credit_batch> batch);
  /// Any thread. Hands a batch back as failed.
  void fail(std::shared_ptr<credit_batch> batch);
  /// Any thread. False: too many wait; hand these over again later.
  [[nodiscard]] bool refill(std::vector<storage::pair_progress> pairs);
  /// Any thread. See shard_services.
  [[nodiscard]] bool has_unsaved_refills() const noexcept { return refills_unsaved_ > 0; }
  /// Any thread. To be called when the ledger has an erasure of the student, by this gateway or
  /// another, and the shard has forgotten the student: drops the copies for degraded mode, and the
  /// refills that wait. False: too many such orders wait; try again later.
  [[nodiscard]] bool forget_copies(const storage::erased_student& erased);
  /// What becomes of an order, once it is executed. Not to be waited for on the writer's thread.
  using reply = std::future<storage::stored<ok_t>>;
  /// Any thread. Ends the student's epochs below `epoch` in the hot store and here.
  [[nodiscard]] reply end_epochs_below(const student_id& student, std::uint32_t epoch);
  /// Any thread. Brings a new attempt of a pair, which the ledger has, to the hot store.
  [[nodiscard]] reply begin_attempt(const storage::pair_progress& pair);

 private:
  struct student_order {
    student_id student;
    std::uint32_t epoch = 0;                        // ends those below it; 0: none
    std::optional<storage::pair_progress> attempt;  // begins it
    std::promise<storage::stored<ok_t>> done;
  };
  using refill_order = std::vector<storage::pair_progress>;
  struct drop_order {
    storage::erased_student erased;
  };
  using order = std::variant<std::shared_ptr<credit_batch>, refill_order,
                             std::shared_ptr<student_order>, drop_order>;

  void run();
  void hand_over_the_rest(mono_us end);
  /// The orders that wait. If batches are among them, under load, also those that come within a
  /// moment.
  std::vector<order> take_orders(std::chrono::milliseconds wait_max);
  struct taken_batches {
    std::vector<std::shared_ptr<credit_batch>> fresh, loaded;
  };
  void take(order& taken, taken_batches& batches);
  /// Runs `step`. False: it threw, which is logged. A fault ends one step, not the orders after it.
  template <class Step>
  [[nodiscard]] bool run_guarded(Step step);
  void store_or_fail(std::vector<std::shared_ptr<credit_batch>>& batches);
  void apply_loaded(std::vector<std::shared_ptr<credit_batch>>& batches);
  void refill_one();
  /// What waits of the student is from before an erasure. It is not to be merged after it: once the
  /// student has enrolled again, no store would skip it.
  void drop_refills(const storage::erased_student& erased);
  /// Looks at the hot store again after somebody has found that it is not the one that it was.
  void look_at_hot_store();
  void date(std::span<storage::tiered_request> requests) const;
  void store_together(std::vector<std::shared_ptr<credit_batch>>& batches);
  reply push(std::shared_ptr<student_order> asked);
  void execute(student_order& taken);
  void drop(const storage::erased_student& erased);

  dependencies deps_;
  std::uint64_t looked_at_epoch_ = 0;
  storage::tiered_store tiers_;
  batch_linger linger_;
  bounded_queue<order> orders_;
  std::atomic<std::size_t> refills_waiting_{0};
  std::atomic<std::size_t> drops_waiting_{0};
  std::deque<refill_order> refills_;             // the thread's; counted in refills_waiting_
  std::atomic<std::size_t> refills_unsaved_{0};  // waiting, or failed and not requested again
  std::size_t refills_failed_ = 0;               // the thread's
  std::optional<mono_ms> refill_again_at_;  // when to request again what failed; empty: nothing did
  std::thread thread_;
};

}  // namespace watchkeeper::actors
