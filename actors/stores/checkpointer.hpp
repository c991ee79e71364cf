#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "actors/heatmap/heatmap.hpp"
#include "actors/shared/bounded_queue.hpp"
#include "actors/shared/probes.hpp"
#include "base/log_level.hpp"
#include "domain/ids.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// The thread that brings what the hot store holds into the ledger: every interval all dirty pairs
/// of all partitions (whichever gateway made them dirty), a pair that was just mastered at once,
/// and all once more at the end.
class checkpointer {
 public:
  struct dependencies {
    std::unique_ptr<storage::hot_store> hot;
    std::unique_ptr<storage::ledger> behind;
    ledger_probe& probe;
    hot_store_probe& hot_probe;
    heatmap& heat;  // hears what the ledger's heatmaps grew by; its plays are written
    std::int64_t interval_ms = 30'000;
    std::function<unix_ms()> now;
    std::function<std::uint64_t()> monotonic_us;
    std::function<void(unix_ms started_ms)> done;  // everything before is in the ledger
    log_function log;
  };
  explicit checkpointer(dependencies deps);
  ~checkpointer();

  /// One complete checkpoint on the caller's thread; only before `start`. False when a store
  /// failed: what is left follows later.
  bool checkpoint_all();
  void start();
  /// What the thread does again and again: waits for pairs that were just mastered and writes them,
  /// and all dirty pairs when their time has come.
  void turn(std::chrono::milliseconds wait_max);
  /// Any thread. At the queue's limit passed over: the pairs are dirty, and the next round has
  /// them.
  void checkpoint_now(std::vector<storage::pair_progress> pairs);
  /// Ends the thread after a last complete checkpoint, which is given up at `end_us` (monotonic, as
  /// far as a statement under way allows).
  void stop(bool last_checkpoint, std::uint64_t end_us);
  [[nodiscard]] bool last_one_complete() const noexcept { return last_complete_; }

 private:
  void run();
  bool checkpoint_partitions(std::uint64_t& pairs);  // false: not all of them
  void write_mastered(std::vector<std::vector<storage::pair_progress>>& batches);
  // Nothing: done. Else what failed.
  std::optional<storage::storage_error> checkpoint_partition(partition_index partition,
                                                             std::uint64_t& pairs);
  std::optional<storage::storage_error> write(std::vector<storage::pair_progress>& pairs,
                                              std::vector<progress>* united);
  std::optional<storage::storage_error> hot_failed(const storage::storage_failure& failure);
  /// False: it did not answer. Where it is another store than before, the shards are told to hand
  /// over what only they may have.
  bool look_at_hot_store();

  dependencies deps_;
  std::optional<std::string> hot_incarnation_;
  partition_index first_partition_ = 0;  // of the next round
  unix_ms next_round_ms_ = 0;            // the thread's; 0: none is planned yet
  std::uint64_t left_out_ = 0;           // heartbeats, of which the log was told
  bounded_queue<std::vector<storage::pair_progress>> urgent_;
  std::atomic<bool> want_last_{true};
  std::atomic<bool> last_complete_{false};
  std::atomic<std::uint64_t> deadline_us_{UINT64_MAX};
  std::thread thread_;
};

}  // namespace watchkeeper::actors
