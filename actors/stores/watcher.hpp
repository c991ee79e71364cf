#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "actors/shared/bounded_queue.hpp"
#include "actors/shared/probes.hpp"
#include "actors/shared/registry.hpp"
#include "actors/stores/registry_follower.hpp"
#include "actors/stores/trace_remover.hpp"
#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// The thread that once a second reads what other gateways changed in the registry, asks both
/// stores for their health and durability, has their files drop what they have of erased students,
/// and calls the housekeeping of its owner.
class watcher {
 public:
  struct dependencies {
    std::unique_ptr<storage::hot_store> hot;
    std::unique_ptr<storage::ledger> ledger;
    registry& registry_cache;
    hot_store_probe& hot_probe;
    ledger_probe& ledger_state;
    std::int64_t last_change = 0;  // registry changes up to here are in memory
    const time_source& time;
    /// By another gateway, or by this one. False: it has to wait.
    std::function<bool(const storage::erased_student&)> student_erased;
    std::function<bool(const storage::pair_progress&)> progress_reset;
    /// See registry_follower.
    std::function<storage::stored<ok_t>(std::span<const storage::erased_student>)> erased;
    const counter& erasures;                // by this gateway
    std::vector<wall_ms> earlier_erasures;  // by earlier processes
    /// Once each time that the ledger went back.
    std::function<void()> ledger_went_back;
    std::function<void()> housekeeping;
    log_function log;
    std::chrono::milliseconds interval{1000};
  };
  explicit watcher(dependencies deps);
  ~watcher();

 private:
  void run();
  void note_erasures();
  /// False: it is away.
  bool probe_hot_store();
  bool probe_ledger();

  dependencies deps_;
  registry_follower follower_;
  trace_remover hot_traces_, ledger_traces_;
  std::uint64_t erasures_ = 0;  // of the gateway, that are noted
  std::uint64_t losses_ = 0;    // of the ledger, that were reported
  bounded_queue<int> end_;      // always empty: closing it ends the wait
  std::thread thread_;
};

}  // namespace watchkeeper::actors
