#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/units.hpp"
#include "storage/storage_error.hpp"

struct sqlite3;
struct sqlite3_stmt;

/// A thin owner of SQLite handles for the adapters in this folder; not a port. Unlike the ports it
/// throws: `sqlite_error`, which the adapters turn into a storage_failure at their boundary.
namespace watchkeeper::storage {

/// Carries the closed error and SQLite's own (extended) code.
class sqlite_error : public std::runtime_error {
 public:
  sqlite_error(storage_error code, int sqlite_code, const std::string& detail)
      : std::runtime_error(detail), code_(code), sqlite_code_(sqlite_code) {}
  [[nodiscard]] storage_error code() const noexcept { return code_; }
  [[nodiscard]] int sqlite_code() const noexcept { return sqlite_code_; }
  [[nodiscard]] storage_failure failure() const { return {code_, what()}; }

 private:
  storage_error code_;
  int sqlite_code_;
};

/// BUSY, CANTOPEN, IOERR: unavailable. FULL, READONLY, NOMEM, PERM, CONSTRAINT: refused. CORRUPT,
/// NOTADB: corrupt. ERROR (no such table or column), SCHEMA: mismatch.
storage_error classify_sqlite(int sqlite_code) noexcept;

/// A prepared statement. Parameters count from 1, columns from 0. Belongs to its database.
class sqlite_statement {
 public:
  sqlite_statement(sqlite3* database, std::string_view sql);
  ~sqlite_statement();
  sqlite_statement(const sqlite_statement&) = delete;
  sqlite_statement& operator=(const sqlite_statement&) = delete;

  sqlite_statement& bind(int parameter, std::int64_t value);
  sqlite_statement& bind(int parameter, wall_ms value) { return bind(parameter, value.value()); }
  // These copy the bytes.
  sqlite_statement& bind_text(int parameter, std::string_view value);
  sqlite_statement& bind_blob(int parameter, std::string_view value);
  sqlite_statement& bind_null(int parameter);
  // These borrow the bytes until the statement is reset.
  sqlite_statement& bind_borrowed_text(int parameter, std::string_view value);
  sqlite_statement& bind_borrowed_blob(int parameter, std::string_view value);

  /// True: a row is there. False: done, and the statement is reset.
  bool step();
  /// Steps to the end and resets; for statements whose rows nobody wants.
  void run();
  /// Ends the reading of rows before their end. A statement left on a row holds its read lock.
  void reset() noexcept;

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] wall_ms wall_time(int column) const { return wall_ms(integer(column)); }
  /// Valid until the next step or reset.
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] std::string_view blob(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  [[noreturn]] void fail(int code) const;
  void check(int code) const {
    if (code != 0) fail(code);  // SQLITE_OK
  }

  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
};

/// One use of a statement: bind in order, step, read the columns in order. Resets the statement
/// when it ends, and borrows until then what is bound. Text and blobs live until the next step.
class sqlite_cursor {
 public:
  explicit sqlite_cursor(sqlite_statement& statement) noexcept : statement_(statement) {}
  ~sqlite_cursor() { statement_.reset(); }
  sqlite_cursor(const sqlite_cursor&) = delete;
  sqlite_cursor& operator=(const sqlite_cursor&) = delete;

  sqlite_cursor& bind(std::int64_t number) {
    statement_.bind(++bound_, number);
    return *this;
  }
  sqlite_cursor& bind(wall_ms when) { return bind(when.value()); }
  sqlite_cursor& bind(std::string_view text) {
    statement_.bind_borrowed_text(++bound_, text);
    return *this;
  }
  sqlite_cursor& bind_blob(std::string_view bytes) {
    statement_.bind_borrowed_blob(++bound_, bytes);
    return *this;
  }
  /// True: a row is there.
  bool step() {
    read_ = 0;
    return statement_.step();
  }
  std::int64_t number() { return statement_.integer(read_++); }
  wall_ms wall_time() { return statement_.wall_time(read_++); }
  std::string_view bytes() { return statement_.blob(read_++); }

 private:
  sqlite_statement& statement_;
  int bound_ = 0;
  int read_ = 0;
};

struct sqlite_options {
  /// Turns the file to WAL mode when it is opened. False: the caller does, once it knows the file.
  bool wal = true;
  /// The file has to be there, and stays as it is: nothing of its log of writes is moved into it
  /// either. For reading only; not together with `wal`.
  bool read_only = false;
  /// NORMAL: a commit survives the end of the process. FULL: it is on the disk as well.
  bool synchronous_full = true;
  int busy_timeout_ms = 5000;
};

/// One connection to a file, which overwrites what it deletes (secure_delete). Thread: one at a
/// time. Any number of connections, in one process or in many, may be open on a file. All functions
/// throw sqlite_error.
class sqlite_database {
 public:
  sqlite_database(const std::string& path, const sqlite_options& options);
  ~sqlite_database();
  sqlite_database(const sqlite_database&) = delete;
  sqlite_database& operator=(const sqlite_database&) = delete;

  /// Any number of statements, separated by `;`. Their rows are dropped.
  void execute(const std::string& sql);
  /// The first column of the first row, such as that of a PRAGMA; 0 if there is none.
  std::int64_t number(std::string_view sql);
  /// Turns the file to WAL mode. Several connections may do so at the same time.
  void enter_wal_mode();

  /// Moves what the log of writes has into the file, and cuts the log off. False: somebody reads or
  /// writes at the moment, who may hold this up for some 50 ms only.
  bool truncate_wal();

  /// The statement of this text, prepared at the first call and kept: reset, parameters cleared.
  /// For texts known when compiled, of which there are few; the cache is not bounded otherwise. A
  /// statement is not to be asked for again while its rows are being read.
  sqlite_statement& prepared(std::string_view sql);

  /// Rows that the last INSERT, UPDATE or DELETE changed.
  [[nodiscard]] std::int64_t changes() const noexcept;
  [[nodiscard]] std::int64_t last_insert_rowid() const noexcept;

 private:
  sqlite3* database_ = nullptr;
  int busy_timeout_ms_;
  std::unordered_map<std::string, std::unique_ptr<sqlite_statement>> statements_;
};

/// BEGIN at construction, ROLLBACK at the end of the scope unless commit() was called and
/// succeeded.
class sqlite_transaction {
 public:
  enum class mode : std::uint8_t {
    read,   // a consistent view; deferred
    write,  // takes the write lock at once, waiting up to the busy timeout, so that nothing that
            // was read inside can be overtaken
  };
  sqlite_transaction(sqlite_database& database, mode how);
  ~sqlite_transaction();
  sqlite_transaction(const sqlite_transaction&) = delete;
  sqlite_transaction& operator=(const sqlite_transaction&) = delete;
  void commit();

 private:
  sqlite_database& database_;
  bool open_ = true;
};

}  // namespace watchkeeper::storage
