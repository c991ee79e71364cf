#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "storage/sqlite/database.hpp"
#include "storage/storage_error.hpp"

namespace watchkeeper::storage {

/// The file of the embedded store: its settings, its schema and its prepared statements. All
/// functions throw sqlite_error; then the file is to be closed.
class embedded_database {
 public:
  enum class query : std::uint8_t {
    begin_read,
    begin_write,
    commit,
    get_pair,
    put_pair,
    update_pair,
    modules_of,
    dirty_pairs,
    clean_pair,
    dirty_count,
    last_to_mark,
    mark_dirty,
    walk_pairs,
    retire_pair,
    known_ledger,
    remember_ledger,
    end_pairs,
    get_student,
    put_student,
    sweep_students,
    drop_student,
    date_student,
    get_session,
    put_session,
    sweep_sessions,
    drop_session,
  };
  static constexpr std::size_t queries = 26;
  /// 64 GiB of 4 KiB pages: what a file may grow to before it is refused as full.
  static constexpr std::int64_t pages_max = 16 * 1024 * 1024;

  embedded_database(std::string path, durability_level durability, std::int64_t max_pages);

  /// What open() would change in a file that is there, which stays as it is; mostly nothing. Throws
  /// where open() would.
  static std::string changes_at_start(const std::string& path);

  /// Opens the file if it is closed: creates it, or checks its format and deployment.
  void open();
  /// Rolls back an open transaction.
  void close() noexcept;
  /// The file must be open.
  [[nodiscard]] sqlite_cursor prepare(query q);
  void run(query q);
  /// Rows that the last statement that writes has changed.
  [[nodiscard]] std::int64_t changes() const noexcept { return file_->changes(); }
  [[nodiscard]] durability_level durability() const noexcept { return durability_; }
  /// As sqlite_database::truncate_wal. No transaction is open.
  [[nodiscard]] bool truncate_wal() { return file_->truncate_wal(); }
  [[nodiscard]] bool syncs_fully() { return file_->number("PRAGMA synchronous") >= 2; }

 private:
  void check_schema();
  void create_schema();
  void migrate_schema();

  std::string path_;
  durability_level durability_;
  std::int64_t max_pages_;
  std::optional<sqlite_database> file_;
  std::array<sqlite_statement*, queries> statements_{};  // of file_; null: not prepared yet
};

}  // namespace watchkeeper::storage
