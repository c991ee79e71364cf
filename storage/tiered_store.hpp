#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "domain/credit.hpp"
#include "storage/circuit_breaker.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"
#include "storage/ledger_reader.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::storage {

/// A request for credit, with the state of the pair that the shard has in memory.
struct tiered_request {
  credit_request credit;
  /// The last durable state; empty if this process has never seen the pair.
  std::optional<progress> in_memory;
  bool is_partial = false;  // the stores have more of the pair than `in_memory`
  [[nodiscard]] bool wants_coverage() const noexcept { return !in_memory || is_partial; }
};

/// Makes credit durable in the hot store, or in the ledger while the hot store is away.
///
/// - A pair that is missing in the hot store, or was not compared with the ledger since the hot
///   store may have lost changes, needs its row of the ledger. The caller reads it, where no other
///   heartbeat waits for that, and comes back with it (`apply_found`): it is merged with the state
///   that the caller has in memory, put into the hot store, and then credited. If the ledger is
///   away, that is possible only for a pair that the caller has in memory: nobody else knows its
///   life.
/// - While the hot store is away, refuses to write or acknowledges too little, this object runs the
///   same rules, holds the sessions and buckets, and the ledger makes the outcomes durable
///   (`degraded`). When the hot store is back, the credit of that time is merged into it.
/// - When both are away, the elements are `failed` and nothing has changed.
///
/// Thread: one, and it blocks. Borrows both stores and the clocks.
class tiered_store {
 public:
  struct observer {
    std::function<void(bool degraded, const std::string& why)> mode_changed;
    std::function<void(const storage_failure&)> hot_failed;
    std::function<void(const storage_failure&)> ledger_failed;
    /// The hot store has lost pairs: states that are in memory should be passed to `refill`.
    std::function<void()> data_lost;
    /// The ledger's heatmaps grew by the credit that it made durable. May be empty.
    std::function<void(const std::vector<heatmap_delta>&)> heatmaps_grown;
    /// While degraded, the hot store is called here only after a caller with time to wait has
    /// succeeded, so that no batch waits for a store that hangs. If empty, it is called here.
    success_counter hot_successes;
    /// The same for the ledger, after it has hung.
    success_counter ledger_successes;
    /// The durability of the hot store as that caller saw it last. If empty, only the calls of this
    /// object tell.
    std::function<durability_level()> hot_durability;
  };

  /// Limits of the memory of degraded mode. Heartbeats of further pairs and sessions are `failed`.
  struct capacity {
    std::size_t pairs_max = 200'000;
    std::size_t sessions_max = 400'000;
  };

  /// While the hot store's acknowledgements are less durable than `required`, it counts as away.
  /// After `retention_ms` without credit a pair may have left it by itself (hot_store::retire).
  tiered_store(hot_store& hot, ledger& of_record, const time_source& time, observer observed_by,
               durability_level required = durability_level::memory,
               capacity most = {200'000, 400'000}, std::int64_t retention_ms = INT64_MAX);

  /// Returns one element per request, in order. `covered` is set for each `done` request without
  /// `in_memory`. Nothing changed for those that need a row of the ledger (needs_row): see
  /// `apply_found`. Takes at most storage_limits::batch_heartbeats_max requests.
  std::vector<applied_credit> apply(std::span<const tiered_request> requests);
  /// Applies requests that need a row, now that the rows have been read. `out` has what `apply`
  /// returned of them, and gets `done` or `failed`.
  void apply_found(std::span<const tiered_request> requests, const ledger_rows& rows,
                   std::vector<applied_credit>& out);

  /// Merges states that may be in no store yet into the hot store or, if degraded, the ledger.
  stored<ok_t> refill(std::span<const pair_progress> pairs);

  /// Called by the owner when there is no traffic: tries to leave degraded mode, or checks that the
  /// hot store is still there, so that no heartbeat has to find out.
  void probe();
  /// Enters degraded mode because the hot store was away at the start.
  void start_degraded(const std::string& why) { enter_degraded(why); }

  /// Epochs of the student have ended: forgets what degraded mode holds of them. What it has of a
  /// later one may be the only copy, if the ledger went back since.
  void drop_copies(const erased_student& erased);
  /// The ledger has begun a new attempt of the pair: brings it to the hot store, or to what
  /// degraded mode holds of it, and from there to the hot store when that is back.
  stored<ok_t> begin_attempt(const pair_progress& pair);

  [[nodiscard]] bool degraded() const noexcept { return degraded_; }

  // The pause between two attempts to leave degraded mode. It doubles each time the hot store fails
  // again within `trust_after_ms`: such a store accepts connections and then hangs.
  static constexpr std::int64_t retry_interval_ms = 500;
  static constexpr std::int64_t retry_interval_max_ms = 4'000;
  static constexpr std::int64_t trust_after_ms = 10'000;
  static constexpr std::int64_t probe_interval_ms = 5'000;  // since the hot store's last success

 private:
  using results = std::vector<applied_credit>;
  template <class K, class V>
  using map = boost::unordered_flat_map<K, V, std::hash<K>>;
  template <class K>
  using set = boost::unordered_flat_set<K, std::hash<K>>;

  /// The state of degraded mode that is in no store.
  struct overlay {
    map<pair_key, progress> pairs;
    map<session_key_id, session_state> sessions;
    map<student_id, credit_bucket> buckets;
  };

  /// The distinct pairs of the chosen requests, sorted.
  static std::vector<pair_key> distinct_pairs(std::span<const tiered_request> requests,
                                              const std::vector<std::size_t>& which);
  bool apply_hot(std::span<const tiered_request> requests, results& out);
  /// Notifies the observer of heartbeats that failed beside others that did not.
  void report_failed(std::span<const tiered_request> requests, const results& out);
  /// Requests whose pairs the hot store lacks, or has not compared with the ledger.
  struct missing_pairs {
    std::vector<std::size_t> which = {};       // of the requests
    std::map<pair_key, progress> starts = {};  // from what each pair goes on
    bool has_memory = false;                   // some of it was in the callers' memory
    bool lost = false;                         // and was missing in the hot store
  };
  /// Sets the starts. Requests of which that is not possible get their result and are taken out.
  /// False: none is left.
  bool begin_pairs(std::span<const tiered_request> requests, const ledger_rows& rows,
                   missing_pairs& missing, results& out) const;
  /// False: the hot store broke off.
  bool merge_missing(std::span<const tiered_request> requests, const missing_pairs& missing,
                     results& out);
  void apply_through_ledger(std::span<const tiered_request> requests,
                            const std::vector<std::size_t>& which, results& out);
  /// When students were last credited, as far as this gateway and the ledger know.
  using last_credits = map<student_id, wall_ms>;
  /// What a degraded batch works on: copies, which take the place of those of the overlay once the
  /// ledger has committed.
  struct degraded_batch {
    map<pair_key, progress> pairs;
    map<session_key_id, session_state> sessions;
    map<student_id, credit_bucket> buckets;
    set<session_key_id> new_sessions;
    set<pair_key> earned;  // a pair of which everything was refused is not made by that
  };
  /// Leaves the result as it is (failed) if there is no room.
  void credit_degraded(const tiered_request& request, const last_credits& credits,
                       degraded_batch& batch, applied_credit& result) const;
  /// Writes to the ledger what a batch has earned. What the ledger does not take gets another
  /// result.
  void commit(std::span<const tiered_request> requests, const std::vector<std::size_t>& which,
              degraded_batch& batch, results& out);
  /// Returns nothing if the ledger failed. Pairs for which there is no room, and those whose rows
  /// cannot be read, are left out. The last credits are those of students without a bucket.
  std::optional<last_credits> load_into_overlay(std::span<const tiered_request> requests,
                                                const std::vector<std::size_t>& which);
  /// From what a pair that is missing in the hot store goes on in an epoch, by its row. Nothing:
  /// the epoch has ended.
  static std::optional<progress> start_of(const recorded_pair& row, std::uint32_t epoch);
  /// Writes to the ledger, and notifies the observer of the growth of its heatmaps. Returns the
  /// merged states; nothing for a pair that the ledger cannot write beside its row.
  stored<std::vector<std::optional<progress>>> checkpoint(std::span<const pair_progress> pairs);
  /// The same; fails if a single pair does.
  stored<ok_t> save(std::span<const pair_progress> pairs);
  void try_recover();
  /// Fails if the hot store is away or refuses all pairs. A problem with one pair is no failure.
  stored<ok_t> give_to_hot_store(std::span<const pair_progress> pairs, merge_origin from,
                                 std::vector<pair_progress>& not_taken);
  /// Gives the hot store what it lacks. After a failure the next call goes on with the rest.
  [[nodiscard]] bool give_overlay_back();
  void enter_degraded(const std::string& why);
  /// Enters degraded mode if the hot store acknowledges less than `required`.
  void check_durability();
  /// The hot store's health; a durability below `required` is a failure, `unavailable`.
  stored<hot_store_health> ask_health();
  void wait_before_retry();

  hot_store& hot_;
  ledger& ledger_;
  const time_source& time_;
  observer observer_;
  durability_level required_;
  capacity most_;
  std::int64_t retention_ms_;
  bool degraded_ = false;
  mono_ms next_retry_at_;
  std::int64_t retry_wait_ms_ = retry_interval_ms;
  std::optional<mono_ms> recovered_at_;
  std::uint64_t successes_at_failure_ = 0;
  mono_ms next_probe_at_;
  // Two breakers, because rows that somebody has locked for long can still be read.
  ledger_reader reader_;
  circuit_breaker writes_hang_;
  overlay overlay_;
};

}  // namespace watchkeeper::storage
