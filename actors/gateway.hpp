#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/heatmap/heatmap.hpp"
#include "actors/shared/heartbeat.hpp"
#include "actors/shared/policy.hpp"
#include "actors/shared/registry.hpp"
#include "actors/shared/watch_observer.hpp"
#include "actors/statistics.hpp"
#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "crypto/agreement_key.hpp"
#include "domain/credit.hpp"
#include "domain/engagement_token.hpp"
#include "storage/erasure_log.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"

/// The actor layer, as the rest of the server uses it.
namespace watchkeeper::actors {

using hot_store_factory = std::function<std::unique_ptr<storage::hot_store>()>;
using ledger_factory = std::function<std::unique_ptr<storage::ledger>()>;

struct gateway_options {
  unsigned worker_threads = 0;  // 0: one for each core
  unsigned shards = 0;          // 0: two for each worker
  std::int64_t checkpoint_interval_ms = 30'000;
  std::int64_t hot_retention_ms = 604'800'000;  // of a pair that is idle, in the hot store
  storage::durability_level require_durability = storage::durability_level::log;
  /// What a ledger that came back older gets its erasures from again. Null: nothing.
  std::shared_ptr<storage::erasure_log> erasures;
  gateway_policy policy;
  /// Outlives the gateway; null: no session gets a key.
  const crypto::agreement_key_ring* session_keys = nullptr;
  hot_store_factory make_hot_store;
  ledger_factory make_ledger;
  const time_source* time = &system_time_source();  // outlives the gateway
  /// Notified of every heartbeat. They outlive the gateway.
  std::vector<std::shared_ptr<watch_observer>> observers;
  /// Called with what an operator should read; any thread.
  log_function log;
  /// Called when an actor that owns state has ended by a fault; any thread. Ends the process: a
  /// gateway without one of its shards would refuse the shard's students for ever. Empty: `log`,
  /// then std::abort().
  std::function<void(const std::string& why)> on_fatal;
};

class gateway {
 public:
  /// Connects to the stores, recovers what an earlier process left without a checkpoint, and starts
  /// the actors. Throws std::runtime_error with the reason if a store's durability is below
  /// `require_durability`, or the ledger cannot be migrated.
  explicit gateway(gateway_options options);
  ~gateway();
  gateway(const gateway&) = delete;
  gateway& operator=(const gateway&) = delete;

  /// Takes the heartbeats of one request, in order. Each listener gets a result in every case,
  /// possibly before this returns. Any thread.
  void submit(std::span<heartbeat_request> requests) noexcept;

  /// A pair's progress: from memory, else the hot store, else the ledger. Empty: the pair has no
  /// progress. Do not wait for it on an actor's thread.
  [[nodiscard]] std::future<storage::stored<std::optional<progress>>> progress_of(
      const pair_key& pair);

  /// Ends the student's epochs below `epoch` in the memory of the actors and in the hot store. The
  /// caller erases the student from the ledger. Blocks; any thread but an actor's.
  storage::stored<ok_t> end_epochs_below(const student_id& student, std::uint32_t epoch);
  /// The ledger has begun a new attempt of the pair, with this state: brings it to the hot store,
  /// and forgets what memory has of the one before. Blocks; any thread but an actor's.
  storage::stored<ok_t> begin_attempt(const storage::pair_progress& pair);

  /// A module's heatmap with all credit until now; see actors::heatmap. Reads the stores through
  /// `ledger` and `hot`, which are the caller's. Blocks; any thread but an actor's.
  storage::stored<heatmap_view> heatmap_of(const module_id& module, media_ms duration_ms,
                                           storage::ledger& ledger, storage::hot_store& hot);
  /// Another gateway acknowledged heartbeats of these students. Without students it only says that
  /// another gateway exists. Any thread.
  void seen_elsewhere(const module_id& module, std::span<const student_id> students) noexcept;
  /// To be called when the ledger has ended the student's epochs, before the caller is told: writes
  /// that into the log of erasures. Blocks; any thread.
  storage::stored<ok_t> log_erasure(const student_id& student, std::uint32_t next_epoch);
  /// The next epoch of a student in the log of erasures; 0: it has none. Any thread.
  [[nodiscard]] std::uint32_t erased_below(const student_id& student) const;
  /// The highest number of the outbox that was seen, also if the ledger has gone back since; 0:
  /// none yet. Any thread.
  [[nodiscard]] std::int64_t last_sequence_seen() const;
  /// To be called when the ledger has forgotten the student, before the last call of
  /// `end_epochs_below`: has the files of the stores drop what they have of the student. Any
  /// thread.
  void student_has_gone(const student_id& student);
  /// To be called when the rules of a module have changed: all of its pairs are judged by them, in
  /// the background. Any thread.
  void judge_modules();
  /// To be called when an erasure or a recount has changed the ledger's heatmaps.
  void forget_heatmap_rows();

  [[nodiscard]] registry& registry_cache() noexcept;
  [[nodiscard]] gateway_statistics statistics() const;
  /// The error is the reason why it is not ready.
  [[nodiscard]] result<ok_t, std::string> ready() const;

  /// From now on heartbeats are rejected with `draining`. Waits for those in flight, and writes a
  /// last checkpoint. True: all was done in time.
  bool stop(std::chrono::milliseconds deadline);

 private:
  struct implementation;
  std::unique_ptr<implementation> implementation_;
};

}  // namespace watchkeeper::actors
