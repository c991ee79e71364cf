#pragma once

#include <functional>
#include <optional>

#include "actors/shared/probes.hpp"
#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::actors {

/// Reads the ledger's identity. If the ledger went back: says so, and requests of the shards what
/// their memory has.
storage::stored<storage::ledger_identity> read_identity(storage::ledger& ledger,
                                                        ledger_probe& probe,
                                                        hot_store_probe& hot_probe,
                                                        const log_function& log);

/// Notices, between two checkpoints, that the ledger went back, and brings it what it lacks: the
/// erasures of the log, and every pair of the hot store, by marking all as dirty. Several gateways
/// may do that at the same time. Only then does the hot store remember the ledger as it is now: a
/// gateway that dies in between leaves the rest to any other. Thread: the checkpointer's.
class ledger_recovery {
 public:
  using repeat_function = std::function<storage::stored<ok_t>(
      storage::ledger&, const std::function<bool()>& is_time_up)>;
  struct dependencies {
    storage::hot_store& hot;
    storage::ledger& ledger;
    ledger_probe& probe;
    hot_store_probe& hot_probe;
    /// Erases in the ledger again whom a log outside of the stores has. Empty: there is no log.
    repeat_function repeat_erasures;
    std::function<bool()> is_time_up;  // asked again and again: a stop can come at any moment
    log_function log;
  };
  explicit ledger_recovery(dependencies deps) : deps_(std::move(deps)) {}

  /// False: a store failed, or the time is up, and the pairs in the hot store do not count as what
  /// the ledger lacks; the next call begins anew.
  [[nodiscard]] bool look();

 private:
  storage::stored<bool> try_look();
  /// Nothing as well if it is no identity.
  storage::stored<std::optional<storage::ledger_identity>> known_to_hot_store();
  storage::stored<bool> catch_up(const storage::ledger_identity& now,
                                 const std::optional<storage::ledger_identity>& remembered);

  dependencies deps_;
};

}  // namespace watchkeeper::actors
