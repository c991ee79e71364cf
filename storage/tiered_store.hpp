#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "domain/credit.hpp"
#include "storage/circuit_breaker.hpp"
#include "storage/hot_store.hpp"
#include "storage/ledger.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::storage {

/// A request for credit, with what the shard knows of the pair already.
struct tiered_request {
  credit_request credit;
  std::optional<progress> known;  // the last durable state; nothing: never seen by this process
  bool is_partial = false;        // `known`: the stores have more of the pair
  [[nodiscard]] bool wants_coverage() const noexcept { return !known || is_partial; }
};

/// The hot store with the ledger behind it: what makes credit durable, whichever of the two is
/// there.
///
/// - A pair that the hot store lacks is read from the ledger, united with what the caller knows,
///   put into the hot store, and then credited.
/// - While the hot store is away or refuses to write, the same rules run here and the ledger makes
///   their outcome durable (`degraded`); sessions and buckets are then kept in this object. When
///   the hot store is back, what was credited meanwhile is united into it.
/// - Both away: the elements are `failed`, and nothing was changed.
///
/// Thread: one, and it blocks. Borrows both stores.
class tiered_store {
 public:
  struct observer {
    std::function<void(bool degraded, const std::string& why)> mode_changed;
    std::function<void(const storage_failure&)> hot_failed;
    std::function<void(const storage_failure&)> ledger_failed;
    /// The hot store lacks pairs that it had: what is known elsewhere should be handed to `refill`.
    std::function<void()> data_lost;
    /// The ledger's heatmaps grew by what was made durable through it. May be empty.
    std::function<void(const std::vector<heatmap_delta>&)> heatmaps_grown;
    /// The time at the end of a call that may have hung. Empty: no call takes any.
    std::function<unix_ms()> now;
    /// How often the hot store has answered somebody who may wait for it. While degraded it is
    /// asked here only after it has answered there again, so that no batch waits for one that
    /// hangs. Empty: it is asked here.
    answer_count answered_elsewhere;
    /// The same of the ledger, where it has hung.
    answer_count ledger_answered_elsewhere;
  };

  /// What degraded mode may hold in memory. Heartbeats of further pairs and sessions are `failed`.
  struct capacity {
    std::size_t pairs_max = 200'000;
    std::size_t sessions_max = 400'000;
  };

  tiered_store(hot_store& hot, ledger& behind, observer told, capacity most = {200'000, 400'000});

  /// One element a request, in order; `done` or `failed`, never `pair_missing`. `covered` is set
  /// for each `done` request without `known`. At most storage_limits::batch_heartbeats_max
  /// requests.
  std::vector<applied_credit> apply(std::span<const tiered_request> requests, unix_ms now_ms);

  /// Unites states that may be in no store yet: into the hot store, or (degraded) into the ledger.
  stored<ok_t> refill(std::span<const pair_progress> pairs, unix_ms now_ms);

  /// For the owner to call when there is no traffic: tries to leave degraded mode, or looks whether
  /// the hot store is still there, so that nobody has to lose time to learn that it is not.
  void probe(unix_ms now_ms);
  /// Enters degraded mode: the hot store was not there at start.
  void start_degraded(const std::string& why) { enter_degraded(why, 0); }

  /// The hot store was told of the erasure, the ledger may not have been yet: until `drop_copies`
  /// says so, the student is refused here while degraded.
  void forget_student(const student_id& student);
  /// The ledger has an erasure of the student, by whichever gateway: from now on it decides whom
  /// it passes over, for it also knows who has enrolled anew since.
  void drop_copies(const student_id& student);
  void readmit_student(const student_id& student);
  /// While degraded: the student may earn again, and the hot store is told when it is back. False:
  /// not degraded, or too many wait.
  [[nodiscard]] bool readmit_later(const student_id& student);

  [[nodiscard]] bool degraded() const noexcept { return degraded_; }

  // Of leaving degraded mode, counted from the end of the attempt before. It doubles each time the
  // hot store fails again within `trust_after_ms`: one that greets well and then hangs.
  static constexpr std::int64_t retry_interval_ms = 500;
  static constexpr std::int64_t retry_interval_max_ms = 4'000;
  static constexpr std::int64_t trust_after_ms = 10'000;
  static constexpr std::int64_t look_interval_ms = 5'000;  // from the last sign of the hot store

 private:
  using results = std::vector<applied_credit>;
  template <class K, class V>
  using map = boost::unordered_flat_map<K, V, std::hash<K>>;
  template <class K>
  using set = boost::unordered_flat_set<K, std::hash<K>>;

  /// What degraded mode holds that no store does.
  struct overlay {
    map<pair_key, progress> pairs;
    map<session_key_id, session_state> sessions;
    map<student_id, credit_bucket> buckets;
    set<student_id> erased;      // the hot store was told, the ledger may not have been yet
    set<student_id> readmitted;  // the hot store is to be told when it is back
  };

  bool apply_hot(std::span<const tiered_request> requests, results& out);
  bool load_missing(std::span<const tiered_request> requests,
                    const std::vector<std::size_t>& missing, results& out);
  void apply_through_ledger(std::span<const tiered_request> requests,
                            const std::vector<std::size_t>& which, results& out, unix_ms now_ms);
  /// False: the ledger did not answer. Pairs for which there is no room are left out.
  bool load_into_overlay(std::span<const tiered_request> requests,
                         const std::vector<std::size_t>& which, unix_ms now_ms);
  /// What it answers; a failure is noted. One that has hung is not asked.
  template <class Question>
  auto ask_ledger(circuit_breaker& guard, unix_ms now_ms, Question question)
      -> decltype(question());
  /// Into the ledger; the observer is told of what its heatmaps grew by.
  stored<std::vector<progress>> checkpoint(std::span<const pair_progress> pairs, unix_ms now_ms);
  void try_recover(unix_ms now_ms);
  /// Fails where the hot store is away or refuses all; what is with one pair is no failure.
  stored<ok_t> give_to_hot_store(std::span<const pair_progress> pairs,
                                 std::vector<pair_progress>& not_taken);
  [[nodiscard]] bool give_overlay_back();
  void enter_degraded(const std::string& why, unix_ms now_ms);
  void wait_before_retry(unix_ms now_ms);
  /// The time after a call that began at `now_ms`.
  [[nodiscard]] unix_ms ended(unix_ms now_ms) const { return told_.now ? told_.now() : now_ms; }
  void forget_states(const student_id& student);

  hot_store& hot_;
  ledger& ledger_;
  observer told_;
  capacity most_;
  bool degraded_ = false;
  unix_ms next_retry_ms_ = 0;
  std::int64_t retry_wait_ms_ = retry_interval_ms;
  unix_ms recovered_ms_ = 0;
  std::uint64_t answers_before_ = 0;  // elsewhere, until the last failure here
  unix_ms next_look_ms_ = 0;
  // Apart: rows that somebody has locked for long can be read.
  circuit_breaker reads_hang_, writes_hang_;
  overlay overlay_;
};

}  // namespace watchkeeper::storage
