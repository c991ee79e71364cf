#pragma once

#include <string>

#include "storage/ledger.hpp"
#include "storage/postgres/database.hpp"

namespace watchkeeper::storage::postgres {

/// The port over PostgreSQL 15. Progress: postgres_progress.cpp; heatmaps: postgres_heatmap.cpp;
/// catalogue, devices, assignments and erasure: postgres_registry.cpp; schema:
/// postgres_migrate.cpp; SQL: postgres_statements.cpp.
class postgres_ledger final : public ledger {
 public:
  postgres_ledger(const std::string& url, const postgres_time_limits& limits)
      : session_(url, limits) {}

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
  stored<std::vector<completion>> read_completions(const char* statement, std::int64_t sequence,
                                                   std::size_t limit,
                                                   const completion_filter& filter);
  stored<ok_t> count_heatmaps_once();

  session session_;
  unsigned idle_polls_ = 0;  // of changes(), since it last let old rows be forgotten
};

}  // namespace watchkeeper::storage::postgres
