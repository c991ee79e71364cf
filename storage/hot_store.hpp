#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "domain/credit.hpp"
#include "domain/ids.hpp"
#include "domain/progress.hpp"
#include "storage/ledger_identity.hpp"
#include "storage/limits.hpp"
#include "storage/storage_error.hpp"
#include "storage/trace_removal.hpp"

namespace watchkeeper::storage {

struct pair_progress {
  pair_key key;
  progress state;
};

/// Removes the pairs of the student in epochs below `epoch`.
inline void erase_pairs_below(const student_id& student, std::uint32_t epoch,
                              std::vector<pair_progress>& pairs) {
  std::erase_if(pairs, [&](const pair_progress& pair) {
    return pair.key.student == student && pair.state.life.epoch < epoch;
  });
}

/// A pair whose state the ledger may not have yet. `version` differs after each change of the pair.
/// It starts at any number, so that a pair that was erased and created again is not mistaken for
/// the old one.
struct dirty_pair {
  pair_key key;
  progress state;
  std::uint64_t version = 0;
};

/// Dirty pairs of a partition.
struct dirty_sample {
  std::vector<dirty_pair> pairs;
  std::vector<std::string> unreadable;  // what else is dirty, named for the log
  [[nodiscard]] std::size_t size() const noexcept { return pairs.size() + unreadable.size(); }
};

/// A clean pair that was not credited for long.
using idle_pair = dirty_pair;

/// Idle pairs of one step of a walk.
struct idle_sample {
  std::string cursor;  // of the next step; empty: the walk is over
  std::vector<idle_pair> pairs;
};

enum class applied_state : std::uint8_t {
  done,  // the outcome is durable
  // Nothing changed: merge() the pair with what the ledger has, and apply again. The store lacks it
  // in the life of the request; or it may have lost changes, or come back older, since it was
  // compared with the ledger.
  pair_missing,
  not_compared,
  failed,  // it is unknown whether the request took effect
};

/// Whether the request waits for the pair's row of the ledger.
[[nodiscard]] constexpr bool needs_row(applied_state state) noexcept {
  return state == applied_state::pair_missing || state == applied_state::not_compared;
}

/// What became of one request of a batch.
struct applied_credit {
  applied_state state = applied_state::failed;
  credit_outcome outcome;
  std::optional<coverage> covered;  // of a `done` request with `want_coverage`
};

/// A request of a batch.
struct hot_request {
  credit_request credit;
  bool want_coverage = false;
};

/// The result of a request whose epoch has ended.
inline applied_credit rejected_as_ended(bool wants_coverage) {
  applied_credit applied;
  applied.state = applied_state::done;
  applied.outcome.why = problem::unknown_device;
  if (wants_coverage) applied.covered.emplace();
  return applied;
}

/// Where the states of a merge come from.
enum class merge_origin : std::uint8_t {
  ledger,             // as the ledger has them: not marked as dirty
  ledger_and_memory,  // compared with the ledger, which lacks some of it: marked as dirty
  memory,             // not compared: marked as dirty
};
[[nodiscard]] constexpr bool is_dirty(merge_origin from) noexcept {
  return from != merge_origin::ledger;
}
[[nodiscard]] constexpr bool is_compared(merge_origin from) noexcept {
  return from != merge_origin::memory;
}

struct hot_student {
  std::uint32_t epoch = 0;  // the highest that the store has seen; 0: none
  bool is_living = false;   // something was earned in it: it is not only the end of those before
  friend bool operator==(const hot_student&, const hot_student&) = default;
};

struct hot_store_health {
  durability_level durability = durability_level::memory;
  std::string description;  // "Redis 7.0.15, appendonly yes, appendfsync everysec"
  /// Changes when the store may have lost data, or come back older. It has no other meaning.
  std::string incarnation;
};

/// The store that makes credit durable before the device gets its response. It also decides: the
/// sessions, buckets and coverages live in it, so that any gateway can serve any student.
///
/// Thread: one at a time per instance; calls block. An instance connects at its first call and
/// reconnects after a failure; each call tries once, within its time limit. Several instances, in
/// one process or in many, may use the same data at the same time.
/// `memory_store` defines the semantics; a property test compares the other stores with it.
class hot_store {
 public:
  virtual ~hot_store() = default;

  /// Applies `apply_credit` to each request, in order, and returns one element per request.
  /// Requests of an epoch that ended (check_epoch) are rejected as unknown_device; a request that
  /// earns in a higher epoch than before begins it, with a new bucket. Every element that is `done`
  /// is durable when the call returns. If the call fails as a whole, each request may or may not
  /// have taken effect. A store that refuses to write fails the call as a whole, even if some
  /// requests needed no write. Takes at most storage_limits::batch_heartbeats_max requests.
  virtual stored<std::vector<applied_credit>> apply(std::span<const hot_request> requests) = 0;

  virtual stored<std::vector<std::optional<progress>>> read(std::span<const pair_key> keys) = 0;

  /// Merges each state (watchkeeper::merge) with the stored one, and creates missing pairs. Marks
  /// them as not checkpointed, and as compared with the ledger, as `from` says. Skips states of
  /// epochs that ended.
  /// No pair has more than limits::coverage_intervals_max pieces afterwards (coverage::trim).
  virtual stored<ok_t> merge(std::span<const pair_progress> pairs, merge_origin from) = 0;
  /// merge(), then apply(), perhaps in one round trip. If merging failed as a whole, the requests
  /// may or may not have taken effect.
  struct merged_and_applied {
    stored<ok_t> merged;
    stored<std::vector<applied_credit>> applied;
  };
  virtual merged_and_applied merge_and_apply(std::span<const pair_progress> pairs,
                                             merge_origin from,
                                             std::span<const hot_request> requests) {
    auto merged = merge(pairs, from);
    if (!merged && !is_of_single_pairs(merged.error())) return {merged, merged.error()};
    return {std::move(merged), apply(requests)};
  }

  /// The modules in which the student has a pair, in any order.
  virtual stored<std::vector<module_id>> modules_of(const student_id& student) = 0;

  /// Up to `pairs_max` dirty pairs of the partition, in any order. They stay dirty. What cannot be
  /// read is among them, and keeps no other pair from being read.
  virtual stored<dirty_sample> read_dirty(partition_index partition, std::size_t pairs_max) = 0;
  /// Marks those pairs clean whose version has not changed.
  virtual stored<ok_t> mark_clean(partition_index partition, std::span<const dirty_pair> pairs) = 0;
  virtual stored<std::uint64_t> dirty_count() = 0;
  /// One step of marking all pairs as not checkpointed: of about
  /// storage_limits::mark_dirty_pairs_max pairs. An empty cursor begins. Returns the cursor of the
  /// next step; an empty one: every pair that was there at the first step is marked. Versions do
  /// not change. A cursor is `unavailable` if the store is not the one that gave it: begin anew.
  virtual stored<std::string> mark_all_dirty(const std::string& cursor) = 0;

  /// One step of a walk over all pairs, which looks at about storage_limits::retire_pairs_max of
  /// them: those that are clean and were not credited for `idle_ms` or longer at `now_ms`. Cursors
  /// are as those of mark_all_dirty. What cannot be read is left out.
  virtual stored<idle_sample> read_idle(const std::string& cursor, wall_ms now_ms,
                                        std::int64_t idle_ms) = 0;
  /// Takes those pairs out of the store that are still clean and whose version has not changed.
  /// Returns how many. Their replay windows stay for storage_limits::session_ttl_ms after the last
  /// use, and bucket and epoch of the student for storage_limits::student_ttl_ms.
  virtual stored<std::uint64_t> retire(std::span<const idle_pair> pairs, wall_ms now_ms) = 0;

  /// The ledger from which pairs were marked clean, as the gateways remember it here.
  virtual stored<std::optional<ledger_identity>> known_ledger() = 0;
  virtual stored<ok_t> remember_ledger(const ledger_identity& seen) = 0;

  /// Ends the epochs of the student below `epoch`: removes their pairs and the bucket, and rejects
  /// their requests from now on. What comes late all the same belongs to a life that ended, for
  /// merge() and for the ledger. The store remembers the epoch for storage_limits::student_ttl_ms
  /// after the last change. Replay windows stay for storage_limits::session_ttl_ms. If the call
  /// fails, some of the pairs may be gone.
  virtual stored<ok_t> end_epochs_below(const student_id& student, std::uint32_t epoch,
                                        wall_ms now_ms) = 0;
  /// What the store knows of the student's epochs.
  virtual stored<hot_student> find_student(const student_id& student, wall_ms now_ms) = 0;

  /// Another instance has ended epochs of the student: drops what this one has in its memory. The
  /// store itself stays as it is.
  virtual void forget_copies(const student_id& /*student*/) {}

  /// One step of having the files of the store drop what they still have of deleted values; see
  /// trace_removal. Waits for no other call. A store without files has none.
  virtual stored<trace_removal> remove_traces() { return trace_removal::done; }
  /// The least time from one removal to the next, because it costs the store something.
  [[nodiscard]] virtual std::int64_t trace_removal_pause_ms() const noexcept { return 0; }

  /// Reads the settings of the store. Connects if necessary.
  virtual stored<hot_store_health> health() = 0;
};

/// `redis://[user:password@]host[:port][/db]`, `redis+unix://[user:password@]/path[?db=N]`
/// (storage/redis/url.hpp checks them). Time limits: 1 s to connect, 2 s per call.
/// Returns null if `url` does not have that form.
std::unique_ptr<hot_store> make_redis_store(const std::string& url);
/// A SQLite file in WAL mode, created if absent, with one transaction per batch. `durability` log
/// means synchronous = NORMAL, and fsync means FULL.
std::unique_ptr<hot_store> make_embedded_store(const std::string& path,
                                               durability_level durability);
/// What `watchkeeper check` sees of a store that a gateway of another version may be using.
struct hot_store_look {
  hot_store_health health;
  std::string at_start;  // what a gateway of this version changes in it first; may be empty
};
/// As health(), but the store stays as it is: no function library, no migration. `url`,
/// `path` and `durability`: as above; the file has to be there. Fails where a gateway would.
stored<hot_store_look> look_at_redis_store(const std::string& url);
stored<hot_store_look> look_at_embedded_store(const std::string& path, durability_level durability);
/// The reference model. Instances share nothing. It holds at most `pairs_max` pairs: a merge that
/// would create one more is `refused`.
std::unique_ptr<hot_store> make_memory_store(
    std::size_t pairs_max = storage_limits::memory_store_pairs_max);

}  // namespace watchkeeper::storage
