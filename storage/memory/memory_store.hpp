#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "domain/credit.hpp"
#include "domain/limits.hpp"
#include "storage/hot_store.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::storage {

/// The hot store's reference model: plain maps and `apply_credit`. Every other store must answer as
/// this one does. It serves in production too, while the hot store is away, so it has limits:
/// `pairs_max` pairs, storage_limits::memory_store_sessions_max sessions and `pairs_max` students;
/// what would pass them is refused. Sessions and students expire by the clock of the requests; the
/// sweep does bounded work a batch. Thread: one at a time.
class memory_store final : public hot_store {
 public:
  explicit memory_store(std::size_t pairs_max);

  stored<std::vector<applied_credit>> apply(std::span<const hot_request> requests) override;
  stored<std::vector<std::optional<progress>>> read(std::span<const pair_key> keys) override;
  stored<ok_t> merge(std::span<const pair_progress> pairs, merge_origin from) override;
  stored<std::vector<module_id>> modules_of(const student_id& student) override;
  stored<dirty_sample> read_dirty(partition_index partition, std::size_t pairs_max) override;
  stored<ok_t> mark_clean(partition_index partition, std::span<const dirty_pair> pairs) override;
  stored<std::uint64_t> dirty_count() override;
  stored<std::string> mark_all_dirty(const std::string& cursor) override;
  stored<idle_sample> read_idle(const std::string& cursor, wall_ms now_ms,
                                std::int64_t idle_ms) override;
  stored<std::uint64_t> retire(std::span<const idle_pair> pairs, wall_ms now_ms) override;
  stored<std::optional<ledger_identity>> known_ledger() override;
  stored<ok_t> remember_ledger(const ledger_identity& seen) override;
  stored<ok_t> end_epochs_below(const student_id& student, std::uint32_t epoch,
                                wall_ms now_ms) override;
  stored<hot_student> find_student(const student_id& student, wall_ms now_ms) override;
  stored<hot_store_health> health() override;

  /// For tests: as a store that is restarted from an older copy of its data. It is in a new
  /// incarnation.
  void come_back_as(const memory_store& copy);

 private:
  struct pair_entry {
    progress state;
    std::uint64_t version = 0;
    std::uint64_t compared_in = 0;  // the incarnation in which it was compared with the ledger
  };
  struct student_entry {
    credit_bucket bucket;
    std::uint32_t epoch = 0;  // the highest that was seen
    wall_ms touched_ms;       // `never`: no request had told the time when the epoch was ended
  };
  struct session_entry {
    session_state state;
    wall_ms touched_ms;
  };

  applied_credit apply_one(const hot_request& request);
  /// The student as a request in the epoch at this time finds them.
  student_entry student_in(const student_id& student, std::uint32_t epoch, wall_ms now_ms) const;
  void sweep(std::size_t entries);

  std::size_t pairs_max_;
  std::uint64_t incarnation_;  // from 1 on
  std::unordered_map<pair_key, pair_entry> pairs_;
  std::unordered_map<student_id, std::unordered_set<module_id>> modules_;
  std::unordered_map<student_id, student_entry> students_;
  std::unordered_map<session_key_id, session_entry> sessions_;
  std::array<std::unordered_set<pair_key>, limits::partitions> dirty_;
  std::optional<ledger_identity> known_ledger_;
  std::uint64_t last_version_ = 0;  // one counter for all pairs: no version comes twice
  wall_ms latest_now_ms_;
  std::size_t session_cursor_ = 0;
  std::size_t student_cursor_ = 0;
};

}  // namespace watchkeeper::storage
