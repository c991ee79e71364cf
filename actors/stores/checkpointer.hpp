#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "actors/heatmap/heatmap.hpp"
#include "actors/shared/actor_limits.hpp"
#include "actors/shared/bounded_queue.hpp"
#include "actors/shared/probes.hpp"
#include "actors/stores/ledger_recovery.hpp"
#include "actors/stores/pair_retirer.hpp"
#include "actors/stores/revision_judge.hpp"
#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "base/result.hpp"
#include "domain/ids.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::actors {

/// The thread that brings pairs from the hot store to the ledger: at every interval all dirty pairs
/// of all partitions (whichever gateway made them dirty), a pair that was just mastered at once,
/// and all dirty pairs once more at the end. In between it judges the pairs of modules whose rules
/// have changed, and takes idle pairs out of the hot store.
class checkpointer {
 public:
  struct dependencies {
    std::unique_ptr<storage::hot_store> hot;
    std::unique_ptr<storage::ledger> ledger;
    ledger_probe& probe;
    hot_store_probe& hot_probe;
    heatmap& heat;  // is notified of the growth of the ledger's heatmaps; its plays are written
    std::int64_t interval_ms = 30'000;
    std::int64_t retention_ms = INT64_MAX;  // of pairs in the hot store
    /// Of a partition in one round; then pairs become dirty again as fast as they are written, and
    /// the rest is left to the next round.
    std::size_t samples_max =
        actor_limits::shard_pairs_max / storage_limits::checkpoint_batch_pairs_max + 1;
    const time_source& time;
    std::function<void(mono_ms started)> done;  // every change before is in the ledger
    log_function log;
    /// See ledger_recovery.
    ledger_recovery::repeat_function repeat_erasures = {};
  };
  explicit checkpointer(dependencies deps);
  ~checkpointer();

  /// One complete checkpoint on the caller's thread; only before `start`. False: a store failed,
  /// and the rest follows later.
  bool checkpoint_all();
  void start();
  /// One turn of the thread's loop: waits for pairs that were just mastered and writes them, and
  /// all dirty pairs when the interval is over.
  void turn(std::chrono::milliseconds wait_max);
  /// Any thread. At the queue's limit it does nothing: the pairs are dirty, and the next round has
  /// them.
  void checkpoint_now(std::vector<storage::pair_progress> pairs);
  /// Any thread: a module has other rules than before.
  void judge_now();
  /// Any thread. As revision_judge::jobs.
  [[nodiscard]] std::vector<storage::judging_progress> jobs() const { return judge_.jobs(); }
  /// Ends the thread after a last complete checkpoint. The checkpoint is abandoned at `end`,
  /// after the statement in flight.
  void stop(bool last_checkpoint, mono_us end);
  [[nodiscard]] bool last_one_complete() const noexcept { return last_complete_; }

 private:
  void run();
  [[nodiscard]] bool checkpoint_partitions(std::uint64_t& pairs);  // false: not all of them
  void write_mastered(std::vector<std::vector<storage::pair_progress>>& batches);
  result<ok_t, storage::storage_error> checkpoint_partition(partition_index partition,
                                                            std::uint64_t& pairs);
  /// Returns how many of them are in the ledger now, and marked clean.
  result<std::size_t, storage::storage_error> checkpoint_sample(
      partition_index partition, std::vector<storage::dirty_pair> dirty);
  /// Returns the merged states; nothing for a pair that the ledger cannot write beside its row. The
  /// other pairs are written.
  using merged_states = std::vector<std::optional<progress>>;
  result<merged_states, storage::storage_error> write(
      const std::vector<storage::pair_progress>& pairs);
  storage::stored<std::vector<progress>> write_part(std::span<const storage::pair_progress> pairs);
  void ledger_failed(const std::string& what);  // counts and logs it
  /// Counts and logs the failure. Returns its code.
  storage::storage_error hot_failed(const storage::storage_failure& failure);
  /// False: the hot store did not reply. If it is another store than before, the shards are
  /// requested to hand over what may be in their memory only.
  [[nodiscard]] bool probe_hot_store();
  /// Ends in the hot store what erasures of the last hour have ended: it may have lost that. False:
  /// a store failed.
  [[nodiscard]] bool repeat_erasures();
  [[nodiscard]] bool is_time_up() const {
    return deps_.time.monotonic_now_us() >= deadline_.load();
  }
  /// False: the ledger may lack what was checkpointed.
  [[nodiscard]] bool look_at_ledger();

  dependencies deps_;
  revision_judge judge_;
  ledger_recovery recovery_;
  pair_retirer retirer_;
  std::optional<std::string> hot_incarnation_;
  partition_index first_partition_ = 0;   // of the next round
  std::optional<mono_ms> next_round_at_;  // the thread's; empty: none is planned yet
  std::uint64_t left_out_ = 0;            // heartbeats of the heatmap that were logged as left out
  bounded_queue<std::vector<storage::pair_progress>> urgent_;
  std::atomic<bool> want_last_{true};
  std::atomic<bool> last_complete_{false};
  std::atomic<mono_us> deadline_{mono_us(INT64_MAX)};
  std::thread thread_;
};

}  // namespace watchkeeper::actors
