#include "storage/sqlite/database.hpp"

#include <sqlite3.h>

namespace watchkeeper::storage {

storage_error classify_sqlite(int sqlite_code) noexcept {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_NOMEM:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
      return storage_error::refused;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_MISMATCH:
      return storage_error::corrupt;
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
      return storage_error::mismatch;
    default:
      return storage_error::unavailable;
  }
}

namespace {

[[noreturn]] void raise(sqlite3* database, int code) {
  const int extended = database != nullptr ? sqlite3_extended_errcode(database) : code;
  const char* text = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  throw sqlite_error(classify_sqlite(code), extended, std::string("SQLite: ") + text);
}

}  // namespace

// --- statement -----------------------------------------------------------------------------------

sqlite_statement::sqlite_statement(sqlite3* database, std::string_view sql) : database_(database) {
  const int code = sqlite3_prepare_v3(database, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
  if (code != SQLITE_OK) raise(database, code);
}

sqlite_statement::~sqlite_statement() {
  sqlite3_finalize(statement_);
}

void sqlite_statement::fail(int code) const {
  // The reset comes after the message was taken: it would replace it.
  try {
    raise(database_, code);
  } catch (...) {
    sqlite3_reset(statement_);
    throw;
  }
}

namespace {

/// An empty view may hold a null pointer, which would bind NULL.
const char* not_null(std::string_view value) noexcept {
  return value.empty() ? "" : value.data();
}

}  // namespace

sqlite_statement& sqlite_statement::bind(int parameter, std::int64_t value) {
  check(sqlite3_bind_int64(statement_, parameter, value));
  return *this;
}

sqlite_statement& sqlite_statement::bind_text(int parameter, std::string_view value) {
  check(sqlite3_bind_text64(statement_, parameter, not_null(value), value.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8));
  return *this;
}

sqlite_statement& sqlite_statement::bind_blob(int parameter, std::string_view value) {
  check(
      sqlite3_bind_blob64(statement_, parameter, not_null(value), value.size(), SQLITE_TRANSIENT));
  return *this;
}

sqlite_statement& sqlite_statement::bind_borrowed_text(int parameter, std::string_view value) {
  check(sqlite3_bind_text64(statement_, parameter, not_null(value), value.size(), SQLITE_STATIC,
                            SQLITE_UTF8));
  return *this;
}

sqlite_statement& sqlite_statement::bind_borrowed_blob(int parameter, std::string_view value) {
  check(sqlite3_bind_blob64(statement_, parameter, not_null(value), value.size(), SQLITE_STATIC));
  return *this;
}

sqlite_statement& sqlite_statement::bind_null(int parameter) {
  check(sqlite3_bind_null(statement_, parameter));
  return *this;
}

bool sqlite_statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) fail(code);
  reset();
  return false;
}

void sqlite_statement::run() {
  while (step()) {
  }
}

void sqlite_statement::reset() noexcept {
  sqlite3_reset(statement_);
}

std::int64_t sqlite_statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string_view sqlite_statement::text(int column) const {
  const auto* data = sqlite3_column_text(statement_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return data == nullptr ? std::string_view{}
                         : std::string_view{reinterpret_cast<const char*>(data), size};
}

std::string_view sqlite_statement::blob(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return data == nullptr ? std::string_view{} : std::string_view{data, size};
}

bool sqlite_statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

// --- database ------------------------------------------------------------------------------------

sqlite_database::sqlite_database(const std::string& path, const sqlite_options& options)
    : busy_timeout_ms_(options.busy_timeout_ms) {
  const int mode =
      options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int code = sqlite3_open_v2(path.c_str(), &database_, mode | SQLITE_OPEN_NOMUTEX, nullptr);
  try {
    if (code != SQLITE_OK) raise(database_, code);
    sqlite3_busy_timeout(database_, busy_timeout_ms_);
    if (options.wal) enter_wal_mode();
    execute(options.synchronous_full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    // Whether this is the default depends on how the library was built.
    execute("PRAGMA secure_delete = ON");
  } catch (...) {
    statements_.clear();
    sqlite3_close(database_);
    throw;
  }
}

sqlite_database::~sqlite_database() {
  statements_.clear();
  sqlite3_close(database_);
}

void sqlite_database::enter_wal_mode() {
  // Two connections that turn a new file to WAL at once: SQLite answers one of them BUSY without
  // asking its busy handler (it sees a deadlock). So the lock is polled here, as that handler
  // would.
  constexpr int poll_ms = 5;
  for (int waited_ms = 0;; waited_ms += poll_ms) {
    try {
      execute("PRAGMA journal_mode = WAL");
      return;
    } catch (const sqlite_error& error) {
      if ((error.sqlite_code() & 0xff) != SQLITE_BUSY || waited_ms >= busy_timeout_ms_) throw;
    }
    sqlite3_sleep(poll_ms);
  }
}

void sqlite_database::execute(const std::string& sql) {
  if (const int code = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
      code != SQLITE_OK)
    raise(database_, code);
}

std::int64_t sqlite_database::number(std::string_view sql) {
  sqlite_statement statement(database_, sql);
  return statement.step() ? statement.integer(0) : 0;
}

bool sqlite_database::truncate_wal() {
  // It keeps writers out while it waits for readers, and a recount reads for minutes.
  constexpr int wait_ms = 50;
  sqlite3_busy_timeout(database_, wait_ms);
  const int code =
      sqlite3_wal_checkpoint_v2(database_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  sqlite3_busy_timeout(database_, busy_timeout_ms_);
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) return false;
  if (code != SQLITE_OK) raise(database_, code);
  return true;
}

sqlite_statement& sqlite_database::prepared(std::string_view sql) {
  auto& slot = statements_[std::string(sql)];
  if (!slot) slot = std::make_unique<sqlite_statement>(database_, sql);
  slot->reset();
  return *slot;
}

std::int64_t sqlite_database::changes() const noexcept {
  return sqlite3_changes64(database_);
}

std::int64_t sqlite_database::last_insert_rowid() const noexcept {
  return sqlite3_last_insert_rowid(database_);
}

// --- transaction ---------------------------------------------------------------------------------

sqlite_transaction::sqlite_transaction(sqlite_database& database, mode how) : database_(database) {
  database_.prepared(how == mode::write ? "BEGIN IMMEDIATE" : "BEGIN").run();
}

sqlite_transaction::~sqlite_transaction() {
  if (!open_) return;
  try {
    database_.prepared("ROLLBACK").run();
  } catch (const sqlite_error&) {
    // SQLite has rolled back by itself (disk full, I/O error): there is nothing left to end.
  }
}

void sqlite_transaction::commit() {
  database_.prepared("COMMIT").run();
  open_ = false;
}

}  // namespace watchkeeper::storage
