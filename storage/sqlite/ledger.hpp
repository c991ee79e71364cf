#pragma once

#include <memory>
#include <string>

#include "storage/ledger.hpp"
#include "storage/sqlite/database.hpp"

namespace watchkeeper::storage {

/// The ledger in a SQLite file in WAL mode, synchronous = FULL: it is the system of record, and
/// what it has committed is on the disk. Progress: ledger_progress.cpp; heatmaps:
/// ledger_heatmap.cpp; catalogue, devices, assignments, erasure: ledger_registry.cpp; ended logins:
/// ledger_console.cpp; identity: ledger_identity.cpp; schema and registry changes: ledger.cpp.
class sqlite_ledger final : public ledger {
 public:
  explicit sqlite_ledger(std::string path) : path_(std::move(path)) {}

  stored<ok_t> migrate() override;
  stored<schema_version> version() override;

  stored<std::vector<recorded_pair>> look_up(std::span<const pair_key> keys) override;
  stored<std::vector<wall_ms>> last_credits(std::span<const student_id> students) override;
  using ledger::checkpoint;
  stored<std::vector<progress>> checkpoint(std::span<const pair_progress> pairs, wall_ms now_ms,
                                           std::vector<heatmap_delta>* grown) override;
  stored<page<listed_pair>> progress_of_student(const student_id& student, std::string_view cursor,
                                                std::size_t limit) override;
  stored<page<listed_pair>> progress_of_module(const module_id& module, std::string_view cursor,
                                               std::size_t limit) override;
  stored<std::vector<completion>> completions(std::int64_t after_sequence, std::size_t limit,
                                              const completion_filter& filter) override;
  stored<std::vector<completion>> newest_completions(std::int64_t before_sequence,
                                                     std::size_t limit,
                                                     const completion_filter& filter) override;
  stored<std::vector<module_summary>> summarize_modules() override;
  stored<std::uint64_t> students_of(const module_id& module) override;

  stored<std::optional<heatmap_record>> heatmap_of(const module_id& module) override;
  stored<ok_t> add_plays(std::span<const heatmap_delta> plays, std::string_view writer,
                         std::int64_t sequence) override;
  stored<heatmap_recount> recount_heatmap(const module_id& module, bool write) override;
  stored<std::optional<module_id>> next_watched_module(
      const std::optional<module_id>& after) override;

  stored<std::optional<module_put>> put_module(const module_record& module,
                                               const module_record* replaces) override;
  stored<std::optional<judging_step>> judge_next(wall_ms now_ms, std::size_t pairs_max) override;
  stored<std::vector<judging_progress>> judgings(std::size_t limit) override;
  stored<std::optional<module_record>> get_module(const module_id& id) override;
  stored<bool> remove_module(const module_id& id) override;
  stored<page<module_record>> list_modules(std::string_view cursor, std::size_t limit) override;

  stored<std::optional<student_life>> put_device(const device_record& device,
                                                 const enrolment& at) override;
  stored<student_life> life_of(const student_id& student) override;
  stored<std::vector<std::optional<device_record>>> get_devices(
      std::span<const thumbprint> kids) override;
  stored<bool> revoke_device(const thumbprint& kid) override;
  stored<std::vector<device_record>> devices_of(const student_id& student) override;

  stored<ok_t> put_assignment(const pair_key& pair, wall_ms now_ms) override;
  stored<bool> remove_assignment(const pair_key& pair) override;
  stored<bool> is_assigned(const pair_key& pair) override;

  stored<std::optional<progress>> reset_progress(const pair_key& pair,
                                                 const std::optional<progress>& known,
                                                 const reset_order& order) override;
  stored<bool> erase_student(const student_id& student, std::string_view actor,
                             std::string_view erasure_id, wall_ms now_ms,
                             std::uint32_t next_epoch) override;
  stored<bool> repeat_erasure(const student_id& student, std::string_view erasure_id, wall_ms at_ms,
                              std::uint32_t next_epoch) override;
  stored<trace_removal> remove_traces() override;

  stored<std::vector<erased_student>> erased_students() override;

  stored<ok_t> revoke_logins(std::span<const revoked_login> ended, wall_ms now_ms) override;
  stored<std::vector<revoked_login>> revoked_logins(wall_ms now_ms, std::size_t limit) override;

  stored<std::vector<registry_change>> changes(std::int64_t after_sequence,
                                               std::size_t limit) override;
  stored<ledger_identity> identity() override;
  stored<ok_t> go_on_above(std::int64_t last_sequence, std::uint32_t highest_epoch) override;
  stored<std::string> health() override;

 private:
  /// Opens the file if need be, calls `work(sqlite_database&)`, and turns what it throws into a
  /// failure. After `unavailable` and `corrupt` the file is opened anew by the next call.
  template <class Work>
  auto call(Work&& work) -> stored<std::decay_t<decltype(work(std::declval<sqlite_database&>()))>> {
    try {
      if (!database_) database_ = std::make_unique<sqlite_database>(path_, sqlite_options{});
      return work(*database_);
    } catch (const sqlite_error& error) {
      if (error.code() == storage_error::unavailable || error.code() == storage_error::corrupt)
        database_.reset();
      return error.failure();
    } catch (const std::exception& error) {  // std::bad_alloc
      return storage_failure{storage_error::refused, error.what()};
    }
  }

  stored<ok_t> count_heatmaps_once();

  std::string path_;
  std::unique_ptr<sqlite_database> database_;
  unsigned idle_polls_ = 0;  // of changes(), since it last let old rows be forgotten
};

/// Inside a transaction that writes: tells the other gateways what changed, and forgets what is
/// older than registry_change_retention_ms.
void note_change(sqlite_database& database, registry_change::kind what, std::string_view key);
void forget_old(sqlite_database& database);

/// Inside a transaction that writes: counts it.
void count_transaction(sqlite_database& database);

/// Inside a transaction that writes: what it changes of the heatmaps, added to the viewers or taken
/// off. Gives what was added.
class heatmap_growth;
std::vector<heatmap_delta> change_viewers(sqlite_database& database, const heatmap_growth& growth,
                                          bool add);
/// The epoch that the student is in, if any.
student_life life_in(sqlite_database& database, const student_id& student);
/// Inside a transaction that writes: removes what the student has from epochs below `epoch`.
/// Returns the number of pairs and of completions.
struct removed_rows {
  std::int64_t pairs = 0;
  std::int64_t completions = 0;
};
removed_rows remove_epochs_below(sqlite_database& database, const student_id& student,
                                 std::int64_t epoch);
/// Inside a transaction that writes: the student is in this life from now on.
void put_life(sqlite_database& database, const student_id& student, const student_life& life);
void raise_highest_epoch(sqlite_database& database, std::uint32_t epoch);

/// A coverage as it is stored; any number of pieces.
coverage decode_coverage(std::string_view bytes);

/// Thrown inside `call` where a row is not of the documented format.
[[noreturn]] void throw_corrupt(const std::string& what);

template <class Id>
Id sqlite_id(const sqlite_statement& row, int column) {
  const auto id = Id::parse(row.text(column));
  if (!id) throw_corrupt("no id in column " + std::to_string(column));
  return *id;
}

}  // namespace watchkeeper::storage
