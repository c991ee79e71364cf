#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/storage_error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace watchkeeper::storage {

/// Thrown below embedded_store, caught at its public functions.
struct embedded_fault {
  storage_failure failure;
};

/// One use of a prepared statement: bind in order, step, read the columns in order. Resets itself.
/// Borrows what is bound until it ends. Text and blobs that it gives live until the next step.
class embedded_statement {
 public:
  embedded_statement(sqlite3* database, sqlite3_stmt* statement);
  ~embedded_statement();
  embedded_statement(const embedded_statement&) = delete;
  embedded_statement& operator=(const embedded_statement&) = delete;

  embedded_statement& bind(std::string_view text);
  embedded_statement& bind_blob(std::string_view bytes);
  embedded_statement& bind(std::int64_t number);

  /// True: a row is there. Throws embedded_fault.
  bool step();
  std::int64_t number();
  std::string_view bytes();

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
  int read_ = 0;
};

/// The file, its settings, its schema and its prepared statements. All functions throw
/// embedded_fault; then the file is to be closed.
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
    erase_pairs,
    get_student,
    put_student,
    readmit,
    sweep_students,
    drop_student,
    get_session,
    put_session,
    sweep_sessions,
    drop_session,
  };
  static constexpr std::size_t queries = 20;
  /// 64 GiB of 4 KiB pages: what a file may grow to before it is refused as full.
  static constexpr std::int64_t pages_max = 16 * 1024 * 1024;

  embedded_database(std::string path, durability_level durability, std::int64_t max_pages);
  ~embedded_database();
  embedded_database(const embedded_database&) = delete;
  embedded_database& operator=(const embedded_database&) = delete;

  /// Opens the file if it is closed: makes it, or checks that it is of this format and deployment.
  void open();
  /// Rolls back what is not committed.
  void close() noexcept;
  [[nodiscard]] embedded_statement prepare(query q);
  void run(query q);
  [[nodiscard]] durability_level durability() const noexcept { return durability_; }
  /// The number a PRAGMA gives; 0 when it gives none.
  std::int64_t pragma(const char* text);

 private:
  void execute(const char* sql);
  void check_schema();

  std::string path_;
  durability_level durability_;
  std::int64_t max_pages_;
  sqlite3* handle_ = nullptr;
  std::array<sqlite3_stmt*, queries> statements_{};
};

}  // namespace watchkeeper::storage
