#include "storage/sqlite/embedded_database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <mutex>

#include "domain/limits.hpp"

namespace watchkeeper::storage {

namespace {

constexpr std::int64_t application_id = 0x776b'6873;  // "wkhs"
constexpr std::int64_t format_version = 1;
constexpr int busy_ms = 2000;

constexpr const char* schema = R"sql(
CREATE TABLE hot_meta(name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE hot_pair(
  student TEXT NOT NULL, module TEXT NOT NULL, partition INTEGER NOT NULL,
  covered BLOB NOT NULL, duration_ms INTEGER NOT NULL, playtime_ms INTEGER NOT NULL,
  resume_ms INTEGER NOT NULL, resume_at_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
  mastered_ms INTEGER NOT NULL, version INTEGER NOT NULL, dirty INTEGER NOT NULL,
  PRIMARY KEY(student, module)) STRICT, WITHOUT ROWID;
CREATE INDEX hot_pair_dirty ON hot_pair(partition) WHERE dirty = 1;
CREATE TABLE hot_student(
  student TEXT NOT NULL PRIMARY KEY, erased INTEGER NOT NULL, level_us INTEGER NOT NULL,
  refilled_at_ms INTEGER NOT NULL, touched_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE hot_session(
  device BLOB NOT NULL, session TEXT NOT NULL, module TEXT NOT NULL, highest INTEGER NOT NULL,
  seen INTEGER NOT NULL, touched_ms INTEGER NOT NULL,
  PRIMARY KEY(device, session)) STRICT, WITHOUT ROWID;
)sql";

// In the order of embedded_database::query. An update of a pair that is dirty already leaves the
// column alone, so that its index need not be touched.
constexpr std::array<const char*, embedded_database::queries> statements_sql{
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "SELECT covered, duration_ms, playtime_ms, resume_ms, resume_at_ms, updated_ms, mastered_ms,"
    " version, dirty FROM hot_pair WHERE student = ?1 AND module = ?2",
    "INSERT OR REPLACE INTO hot_pair(student, module, covered, duration_ms, playtime_ms, resume_ms,"
    " resume_at_ms, updated_ms, mastered_ms, version, partition, dirty)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    "UPDATE hot_pair SET covered = ?3, duration_ms = ?4, playtime_ms = ?5, resume_ms = ?6,"
    " resume_at_ms = ?7, updated_ms = ?8, mastered_ms = ?9, version = ?10"
    " WHERE student = ?1 AND module = ?2",
    "SELECT module FROM hot_pair WHERE student = ?1",
    "SELECT student, module, covered, duration_ms, playtime_ms, resume_ms, resume_at_ms, "
    "updated_ms,"
    " mastered_ms, version FROM hot_pair WHERE dirty = 1 AND partition = ?1 LIMIT ?2",
    "UPDATE hot_pair SET dirty = 0 WHERE student = ?1 AND module = ?2 AND version = ?3",
    "SELECT count(*) FROM hot_pair WHERE dirty = 1",
    "DELETE FROM hot_pair WHERE student = ?1",
    "SELECT erased, level_us, refilled_at_ms, touched_ms FROM hot_student WHERE student = ?1",
    "INSERT OR REPLACE INTO hot_student(student, erased, level_us, refilled_at_ms, touched_ms)"
    " VALUES(?1, ?2, ?3, ?4, ?5)",
    "DELETE FROM hot_student WHERE student = ?1 AND erased = 1",
    "SELECT student, touched_ms FROM hot_student WHERE student > ?1 ORDER BY student LIMIT ?2",
    "DELETE FROM hot_student WHERE student = ?1",
    "SELECT module, highest, seen, touched_ms FROM hot_session WHERE device = ?1 AND session = ?2",
    "INSERT OR REPLACE INTO hot_session(device, session, module, highest, seen, touched_ms)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    "SELECT device, session, touched_ms FROM hot_session WHERE (device, session) > (?1, ?2)"
    " ORDER BY device, session LIMIT ?3",
    "DELETE FROM hot_session WHERE device = ?1 AND session = ?2",
};

[[noreturn]] void fail(sqlite3* database, const char* during) {
  const int code = database ? sqlite3_extended_errcode(database) : SQLITE_NOMEM;
  storage_failure failure;
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_TOOBIG:
      failure.code = storage_error::refused;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
      failure.code = storage_error::corrupt;
      break;
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
      failure.code = storage_error::mismatch;
      break;
    default:
      failure.code = storage_error::unavailable;
  }
  failure.detail = fmt::format("SQLite, {}: {} ({})", during, sqlite3_errstr(code & 0xff), code);
  throw embedded_fault{std::move(failure)};
}

}  // namespace

embedded_statement::embedded_statement(sqlite3* database, sqlite3_stmt* statement)
    : database_(database), statement_(statement) {}

embedded_statement::~embedded_statement() {
  sqlite3_reset(statement_);
}

embedded_statement& embedded_statement::bind(std::string_view text) {
  if (sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()),
                        SQLITE_STATIC) != SQLITE_OK)
    fail(database_, "bind");
  return *this;
}

embedded_statement& embedded_statement::bind_blob(std::string_view bytes) {
  // A null pointer would bind NULL in the place of an empty blob.
  const char* const at = bytes.empty() ? "" : bytes.data();
  if (sqlite3_bind_blob(statement_, ++bound_, at, static_cast<int>(bytes.size()), SQLITE_STATIC) !=
      SQLITE_OK)
    fail(database_, "bind");
  return *this;
}

embedded_statement& embedded_statement::bind(std::int64_t number) {
  if (sqlite3_bind_int64(statement_, ++bound_, number) != SQLITE_OK) fail(database_, "bind");
  return *this;
}

bool embedded_statement::step() {
  read_ = 0;
  const int got = sqlite3_step(statement_);
  if (got != SQLITE_ROW && got != SQLITE_DONE) fail(database_, "step");
  return got == SQLITE_ROW;
}

std::int64_t embedded_statement::number() {
  return sqlite3_column_int64(statement_, read_++);
}

std::string_view embedded_statement::bytes() {
  const int column = read_++;
  const auto* const data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return data ? std::string_view(data, static_cast<std::size_t>(size)) : std::string_view{};
}

embedded_database::embedded_database(std::string path, durability_level durability,
                                     std::int64_t max_pages)
    : path_(std::move(path)), durability_(durability), max_pages_(max_pages) {}

embedded_database::~embedded_database() {
  close();
}

void embedded_database::close() noexcept {
  for (auto& statement : statements_) {
    sqlite3_finalize(statement);
    statement = nullptr;
  }
  sqlite3_close(handle_);
  handle_ = nullptr;
}

void embedded_database::execute(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(handle_, "setup");
}

std::int64_t embedded_database::pragma(const char* text) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(handle_, text, -1, &statement, nullptr) != SQLITE_OK)
    fail(handle_, "setup");
  const int got = sqlite3_step(statement);
  const auto number = got == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  if (got != SQLITE_ROW && got != SQLITE_DONE) fail(handle_, "setup");
  return number;
}

void embedded_database::open() {
  if (handle_) return;
  // SQLite does not wait when two connections turn one new file to WAL; within a process they
  // queue.
  static std::mutex one_opens;
  const std::lock_guard lock(one_opens);
  if (sqlite3_open_v2(path_.c_str(), &handle_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                      nullptr) != SQLITE_OK)
    fail(handle_, "open");
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_timeout(handle_, busy_ms);
  check_schema();
  // A batch of 512 touches some 1,500 pages: checkpoint every few, in one sweep over the file.
  execute(
      "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;"
      "PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;");
  execute(durability_ == durability_level::fsync ? "PRAGMA synchronous = FULL"
                                                 : "PRAGMA synchronous = NORMAL");
  pragma(fmt::format("PRAGMA max_page_count = {}", max_pages_).c_str());
}

void embedded_database::check_schema() {
  const bool is_new = pragma("PRAGMA application_id") == 0 && pragma("PRAGMA user_version") == 0 &&
                      pragma("SELECT count(*) FROM sqlite_schema") == 0;
  if (is_new) {
    execute("PRAGMA journal_mode = WAL");
    execute("BEGIN IMMEDIATE");
    // Another process may have been first.
    if (pragma("SELECT count(*) FROM sqlite_schema") == 0) {
      execute(schema);
      execute(
          fmt::format("INSERT INTO hot_meta VALUES('partitions', {}); PRAGMA application_id = {};"
                      "PRAGMA user_version = {};",
                      limits::partitions, application_id, format_version)
              .c_str());
    }
    execute("COMMIT");
  }
  if (pragma("PRAGMA application_id") != application_id)
    throw embedded_fault{{storage_error::mismatch, "the SQLite file is not a hot store"}};
  if (const auto version = pragma("PRAGMA user_version"); version != format_version)
    throw embedded_fault{
        {storage_error::mismatch,
         fmt::format("the hot store is of format {}, not {}", version, format_version)}};
  if (const auto partitions = pragma("SELECT value FROM hot_meta WHERE name = 'partitions'");
      partitions != limits::partitions)
    throw embedded_fault{
        {storage_error::mismatch,
         fmt::format("the hot store has {} partitions, not {}", partitions, limits::partitions)}};
}

embedded_statement embedded_database::prepare(query q) {
  auto& statement = statements_.at(static_cast<std::size_t>(q));
  if (!statement) {
    const char* const sql = statements_sql.at(static_cast<std::size_t>(q));
    if (sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
        SQLITE_OK)
      fail(handle_, "prepare");
  }
  return {handle_, statement};
}

void embedded_database::run(query q) {
  prepare(q).step();
}

}  // namespace watchkeeper::storage
