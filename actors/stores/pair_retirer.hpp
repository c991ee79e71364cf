#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/shared/probes.hpp"
#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// Takes pairs out of the hot store that nobody has played for the retention
/// (docs/adr/0024-retention.md): step by step, between the other work of the checkpointer's thread.
/// A pair leaves only if the ledger has all of it when it leaves. Several gateways may do that at
/// the same time.
class pair_retirer {
 public:
  struct dependencies {
    storage::hot_store& hot;
    storage::ledger& ledger;
    ledger_probe& probe;
    hot_store_probe& hot_probe;
    std::int64_t retention_ms;  // INT64_MAX: no pair leaves
    const time_source& time;
    log_function log;
  };
  explicit pair_retirer(dependencies deps) : deps_(std::move(deps)) {}

  /// A walk over all pairs takes this part of the retention, or longer if the store is so large
  /// that its steps need more than a quarter of the time.
  static constexpr std::int64_t walks_per_retention = 10;
  static constexpr std::int64_t pause_per_step = 3;
  /// Between the steps of a walk of which nobody knows how many it will need.
  static constexpr std::int64_t first_pause_ms = 50;
  static constexpr std::int64_t failure_pause_ms = 5'000;
  static constexpr unsigned failures_of_cursor_max = 3;  // then the walk begins anew
  /// The ledger has to be well for so long, or for the retention if that is shorter: what was
  /// checkpointed late is not in any backup, nor on every standby.
  static constexpr std::int64_t settling_ms = 3'600'000;

  /// A round of checkpoints is over.
  void round_ended();
  [[nodiscard]] bool is_due() const;
  /// How long the thread may wait until the next step.
  [[nodiscard]] std::chrono::milliseconds wait_max(std::chrono::milliseconds else_ms) const;
  void step();

 private:
  /// False: a store failed.
  [[nodiscard]] bool try_step();
  /// Takes those out that the ledger has, and marks those for the next checkpoint of which it lacks
  /// something.
  storage::stored<ok_t> retire(std::span<const storage::idle_pair> pairs);
  /// What the ledger has of them; a row that cannot be read is empty.
  storage::stored<std::vector<storage::recorded_pair>> look_up(
      std::span<const storage::idle_pair> pairs);
  [[nodiscard]] bool is_ledger_well() const;
  [[nodiscard]] mono_ms next_after(mono_ms step_began);

  dependencies deps_;
  std::optional<mono_ms> well_since_;  // the ledger; empty: it failed, or no round is over yet
  std::uint64_t losses_ = 0;           // of the ledger, when the last round was over
  mono_ms next_step_at_;
  std::string cursor_;
  unsigned failures_ = 0;  // in a row
  mono_ms walk_began_at_;
  std::int64_t steps_ = 0;       // of this walk
  std::int64_t steps_last_ = 0;  // of the one before; 0: there was none
};

}  // namespace watchkeeper::actors
