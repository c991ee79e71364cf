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
#include "storage/limits.hpp"
#include "storage/storage_error.hpp"

namespace watchkeeper::storage {

struct pair_progress {
  pair_key key;
  progress state;
};

/// A pair whose state the ledger may not have yet. `version` is another one after each change of
/// the pair; it starts anywhere, so that a pair that was erased and came back is not taken for the
/// old one.
struct dirty_pair {
  pair_key key;
  progress state;
  std::uint64_t version = 0;
};

/// One element of a batch's answer.
struct applied_credit {
  enum class state : std::uint8_t {
    done,          // `outcome` is durable
    pair_missing,  // nothing changed: the store does not hold the pair; merge() it, then apply
                   // again
    failed,        // not known to have taken effect
  };
  state how = state::failed;
  credit_outcome outcome;
  std::optional<coverage> covered;  // of a `done` request with `want_coverage`
};

/// A request of a batch.
struct hot_request {
  credit_request credit;
  bool want_coverage = false;
};

struct hot_store_health {
  durability_level durability = durability_level::memory;
  std::string description;  // "Redis 7.0.15, appendonly yes, appendfsync everysec"
  /// Another one than before: the store may have lost what it held. Nothing else is to be read in
  /// it.
  std::string incarnation;
};

/// The store that makes credit durable before a device is answered. It decides as well: sessions,
/// buckets and coverage live in it, so that any gateway may handle any student.
///
/// Thread: each instance is used by one thread at a time and blocks. It connects by itself, at the
/// first call and again after a failure (each call tries at most once, within its time limit).
/// Several instances, in one process or many, work on the same data at once.
/// Semantics: as `memory_store`, which is the reference; a property test compares.
class hot_store {
 public:
  virtual ~hot_store() = default;

  /// Applies `apply_credit` to each request in order; the answer has one element a request.
  /// Requests of a student that was erased: outcome rejected, unknown_device. Everything that is
  /// `done` is durable when this returns. A failure as a whole means that each element may or may
  /// not have taken effect. Precondition: at most storage_limits::batch_heartbeats_max requests.
  virtual stored<std::vector<applied_credit>> apply(std::span<const hot_request> requests) = 0;

  virtual stored<std::vector<std::optional<progress>>> read(std::span<const pair_key> keys) = 0;

  /// Unites (watchkeeper::merge) each state with what is held; creates the pairs that are missing.
  /// `dirty`: mark them as not checkpointed. Pairs of an erased student are passed over.
  /// A pair whose union would have more than limits::coverage_intervals_max pieces is left as it is
  /// and the answer is `too_many_pieces`; the others are merged all the same.
  virtual stored<ok_t> merge(std::span<const pair_progress> pairs, bool dirty) = 0;
  /// merge(), then apply(), which need not be two round trips. Where merging failed, but for single
  /// pairs, requests may or may not have taken effect.
  struct merged_and_applied {
    stored<ok_t> merged;
    stored<std::vector<applied_credit>> applied;
  };
  virtual merged_and_applied merge_and_apply(std::span<const pair_progress> pairs, bool dirty,
                                             std::span<const hot_request> requests) {
    auto merged = merge(pairs, dirty);
    if (!merged && !is_of_single_pairs(merged.error())) return {merged, merged.error()};
    return {std::move(merged), apply(requests)};
  }

  /// The modules of which the store holds a pair of this student; any order.
  virtual stored<std::vector<module_id>> modules_of(const student_id& student) = 0;

  /// Up to `pairs_max` dirty pairs of the partition, any order. They stay dirty.
  virtual stored<std::vector<dirty_pair>> read_dirty(partition_index partition,
                                                     std::size_t pairs_max) = 0;
  /// Takes the mark from those whose version is still the one given.
  virtual stored<ok_t> mark_clean(partition_index partition, std::span<const dirty_pair> pairs) = 0;
  virtual stored<std::uint64_t> dirty_count() = 0;

  /// Forgets everything of the student and refuses credit for storage_limits::student_ttl_ms, so
  /// that a heartbeat on its way brings nothing back. `readmit` ends the refusal (the student
  /// enrols anew). Replay windows stay until storage_limits::session_ttl_ms have passed, so that a
  /// heartbeat from before the erasure is not credited after a readmission either.
  virtual stored<ok_t> erase(const student_id& student) = 0;
  virtual stored<ok_t> readmit(const student_id& student) = 0;

  /// Reads the store's own settings; connects if need be.
  virtual stored<hot_store_health> health() = 0;
};

/// `redis://[user:password@]host[:port][/db]`, `redis+unix://[user:password@]/path[?db=N]`
/// (storage/redis/url.hpp checks one beforehand). Time limits: 1 s to connect, 2 s a call.
/// Null when `url` is not of that form.
std::unique_ptr<hot_store> make_redis_store(const std::string& url);
/// A SQLite file of its own in WAL mode, made if absent; one transaction a batch. `durability` log:
/// synchronous = NORMAL; fsync: FULL.
std::unique_ptr<hot_store> make_embedded_store(const std::string& path,
                                               durability_level durability);
/// The reference model; also serves while the hot store is away. Not shared between instances.
/// Holds at most `pairs_max` pairs: a merge that would create one more is `refused`.
std::unique_ptr<hot_store> make_memory_store(
    std::size_t pairs_max = storage_limits::memory_store_pairs_max);

}  // namespace watchkeeper::storage
