#pragma once

#include <random>
#include <string>
#include <unordered_map>

#include "domain/credit.hpp"
#include "storage/hot_store.hpp"
#include "storage/sqlite/embedded_database.hpp"

namespace watchkeeper::storage {

/// The hot store in a SQLite file of its own (docs/storage-format.md): no server needed. A batch is
/// one transaction that loads each state once and writes it once. Several instances, in one process
/// or many on one machine, share a file; they wait for each other up to 2 s.
/// Thread: one at a time.
class embedded_store final : public hot_store {
 public:
  /// `max_pages`: see embedded_database::pages_max.
  embedded_store(std::string path, durability_level durability,
                 std::int64_t max_pages = embedded_database::pages_max);

  stored<std::vector<applied_credit>> apply(std::span<const hot_request> requests) override;
  stored<std::vector<std::optional<progress>>> read(std::span<const pair_key> keys) override;
  stored<ok_t> merge(std::span<const pair_progress> pairs, merge_origin from) override;
  /// In one transaction: nobody takes out in between what was merged.
  merged_and_applied merge_and_apply(std::span<const pair_progress> pairs, merge_origin from,
                                     std::span<const hot_request> requests) override;
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
  stored<trace_removal> remove_traces() override;
  stored<hot_store_health> health() override;

 private:
  /// What a batch has loaded; written back at its end where `changed`.
  struct pair_entry {
    progress state;
    std::uint64_t version = 0;
    std::int64_t compared_in = 0;  // the incarnation in which it was compared with the ledger
    bool dirty = false;            // in the file
    bool exists = false;           // in the file
    bool corrupt = false;
    bool changed = false;
    bool mark_dirty = false;
  };
  struct student_entry {
    credit_bucket bucket;
    std::uint32_t epoch = 0;
    wall_ms touched_ms;
    bool changed = false;
    /// Whether bucket and epoch count as absent.
    [[nodiscard]] bool is_idle(wall_ms now_ms) const noexcept;
    [[nodiscard]] std::uint32_t epoch_at(wall_ms now_ms) const noexcept {
      return is_idle(now_ms) ? 0 : epoch;
    }
  };
  struct session_entry {
    session_state state;
    wall_ms touched_ms;
    bool corrupt = false;
    bool changed = false;
  };
  struct batch {
    std::unordered_map<pair_key, pair_entry> pairs;
    std::unordered_map<student_id, student_entry> students;
    std::unordered_map<session_key_id, session_entry> sessions;
  };

  /// Opens the file if necessary, runs `body` in a transaction and commits it. If `body` throws,
  /// its changes are rolled back and the file is closed, so that the next call starts anew.
  template <class Body>
  auto in_transaction(bool writes, Body body) -> decltype(body());

  // These throw sqlite_error.
  applied_credit apply_one(const hot_request& request, batch& loaded);
  /// Nothing if all of them failed.
  std::optional<std::vector<applied_credit>> apply_all(std::span<const hot_request> requests,
                                                       batch& loaded);
  pair_entry& load_pair(const pair_key& key, batch& loaded);
  student_entry& load_student(const student_id& student, batch& loaded);
  session_entry& load_session(const session_key_id& session, batch& loaded);
  void save(const batch& loaded);
  void save_pair(const pair_key& key, const pair_entry& pair);
  void merge_one(const pair_progress& pair, merge_origin from, batch& loaded,
                 std::optional<storage_failure>& failure);
  void sweep(std::size_t requests);
  void sweep_sessions();
  void sweep_students();

  embedded_database database_;
  std::mt19937_64 versions_;
  wall_ms latest_now_ms_;
  std::size_t unswept_requests_ = 0;
  std::string swept_device_;  // how far the sweep of the sessions has come ...
  std::string swept_session_;
  std::string swept_student_;  // ... and that of the students
};

}  // namespace watchkeeper::storage
