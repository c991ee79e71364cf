#include "storage/sqlite/embedded_database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include "domain/limits.hpp"

namespace watchkeeper::storage {

namespace {

constexpr std::int64_t application_id = 0x776b'6873;  // "wkhs"
constexpr std::int64_t format_version = 2;
constexpr int busy_ms = 2000;

constexpr const char* schema = R"sql(
CREATE TABLE hot_meta(name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE hot_pair(
  student TEXT NOT NULL, module TEXT NOT NULL, partition INTEGER NOT NULL,
  epoch INTEGER NOT NULL, attempt INTEGER NOT NULL, begins_ms INTEGER NOT NULL,
  compared_in INTEGER NOT NULL, covered BLOB NOT NULL, duration_ms INTEGER NOT NULL, playtime_ms INTEGER NOT NULL,
  resume_ms INTEGER NOT NULL, resume_at_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
  mastered_ms INTEGER NOT NULL, version INTEGER NOT NULL, dirty INTEGER NOT NULL,
  PRIMARY KEY(student, module)) STRICT, WITHOUT ROWID;
CREATE INDEX hot_pair_dirty ON hot_pair(partition) WHERE dirty = 1;
CREATE TABLE hot_student(
  student TEXT NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL, level_us INTEGER NOT NULL,
  refilled_at_ms INTEGER NOT NULL, touched_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE hot_session(
  device BLOB NOT NULL, session TEXT NOT NULL, module TEXT NOT NULL, highest INTEGER NOT NULL,
  seen INTEGER NOT NULL, touched_ms INTEGER NOT NULL,
  PRIMARY KEY(device, session)) STRICT, WITHOUT ROWID;
)sql";

/// What came later without another format: a program that does not know it leaves it alone.
constexpr const char* schema_added =
    "CREATE TABLE IF NOT EXISTS hot_ledger("
    "one INTEGER NOT NULL PRIMARY KEY, identity TEXT NOT NULL) STRICT";

// In the order of embedded_database::query. An update of a pair that is dirty already leaves the
// column alone, so that its index need not be touched.
constexpr std::array<const char*, embedded_database::queries> statements_sql{
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "SELECT epoch, attempt, begins_ms, covered, duration_ms, playtime_ms, resume_ms, resume_at_ms,"
    " updated_ms, mastered_ms, version, compared_in, dirty FROM hot_pair WHERE student = ?1 AND "
    "module = ?2",
    "INSERT OR REPLACE INTO hot_pair(student, module, epoch, attempt, begins_ms, covered,"
    " duration_ms, playtime_ms, resume_ms, resume_at_ms, updated_ms, mastered_ms, version,"
    " compared_in, partition, dirty)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    "UPDATE hot_pair SET epoch = ?3, attempt = ?4, begins_ms = ?5, covered = ?6, duration_ms = ?7,"
    " playtime_ms = ?8, resume_ms = ?9, resume_at_ms = ?10, updated_ms = ?11, mastered_ms = ?12,"
    " version = ?13, compared_in = ?14"
    " WHERE student = ?1 AND module = ?2",
    "SELECT module FROM hot_pair WHERE student = ?1",
    "SELECT student, module, epoch, attempt, begins_ms, covered, duration_ms, playtime_ms,"
    " resume_ms, resume_at_ms, updated_ms, mastered_ms, version FROM hot_pair WHERE dirty = 1 AND "
    "partition = ?1 LIMIT ?2",
    "UPDATE hot_pair SET dirty = 0 WHERE student = ?1 AND module = ?2 AND version = ?3",
    "SELECT count(*) FROM hot_pair WHERE dirty = 1",
    "SELECT student, module FROM hot_pair WHERE (student, module) > (?1, ?2)"
    " ORDER BY student, module LIMIT 1 OFFSET ?3",
    "UPDATE hot_pair SET dirty = 1 WHERE (student, module) > (?1, ?2)"
    " AND (student, module) <= (?3, ?4) AND dirty = 0",
    "SELECT student, module, dirty = 0 AND updated_ms <= ?3, epoch, attempt, begins_ms, covered,"
    " duration_ms, playtime_ms, resume_ms, resume_at_ms, updated_ms, mastered_ms, version"
    " FROM hot_pair WHERE (student, module) > (?1, ?2) ORDER BY student, module LIMIT ?4",
    "DELETE FROM hot_pair WHERE student = ?1 AND module = ?2 AND version = ?3 AND dirty = 0",
    "SELECT identity FROM hot_ledger",
    "INSERT OR REPLACE INTO hot_ledger(one, identity) VALUES(1, ?1)",
    "DELETE FROM hot_pair WHERE student = ?1 AND epoch < ?2",
    "SELECT epoch, level_us, refilled_at_ms, touched_ms FROM hot_student WHERE student = ?1",
    "INSERT OR REPLACE INTO hot_student(student, epoch, level_us, refilled_at_ms, touched_ms)"
    " VALUES(?1, ?2, ?3, ?4, ?5)",
    "SELECT student, touched_ms FROM hot_student WHERE student > ?1 ORDER BY student LIMIT ?2",
    "DELETE FROM hot_student WHERE student = ?1",
    "UPDATE hot_student SET touched_ms = ?2 WHERE student = ?1 AND touched_ms = 0",
    "SELECT module, highest, seen, touched_ms FROM hot_session WHERE device = ?1 AND session = ?2",
    "INSERT OR REPLACE INTO hot_session(device, session, module, highest, seen, touched_ms)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    "SELECT device, session, touched_ms FROM hot_session WHERE (device, session) > (?1, ?2)"
    " ORDER BY device, session LIMIT ?3",
    "DELETE FROM hot_session WHERE device = ?1 AND session = ?2",
};

/// From format 1: everybody is in their first life, except who was erased.
constexpr const char* from_format_1 = R"sql(
ALTER TABLE hot_pair ADD COLUMN epoch INTEGER NOT NULL DEFAULT 1;
ALTER TABLE hot_pair ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
ALTER TABLE hot_pair ADD COLUMN begins_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hot_pair ADD COLUMN compared_in INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hot_student ADD COLUMN epoch INTEGER NOT NULL DEFAULT 1;
UPDATE hot_student SET epoch = 2 WHERE erased = 1;
ALTER TABLE hot_student DROP COLUMN erased;
PRAGMA user_version = 2;
)sql";

[[noreturn]] void refuse(const std::string& why) {
  throw sqlite_error(storage_error::mismatch, SQLITE_OK, why);
}

bool is_new(sqlite_database& file) {
  return file.number("PRAGMA application_id") == 0 && file.number("PRAGMA user_version") == 0 &&
         file.number("SELECT count(*) FROM sqlite_schema") == 0;
}

void require_hot_store(sqlite_database& file) {
  if (file.number("PRAGMA application_id") != application_id)
    refuse("the SQLite file is not a hot store");
}

void require_format(sqlite_database& file, std::int64_t format) {
  if (const auto version = file.number("PRAGMA user_version"); version != format)
    refuse(fmt::format("the hot store has format {}, not {}", version, format_version));
  if (const auto partitions = file.number("SELECT value FROM hot_meta WHERE name = 'partitions'");
      partitions != limits::partitions)
    refuse(fmt::format("the hot store has {} partitions, not {}", partitions, limits::partitions));
}

}  // namespace

embedded_database::embedded_database(std::string path, durability_level durability,
                                     std::int64_t max_pages)
    : path_(std::move(path)), durability_(durability), max_pages_(max_pages) {}

void embedded_database::close() noexcept {
  statements_ = {};
  file_.reset();
}

void embedded_database::open() {
  if (file_) return;
  // A file that is none of ours must stay as it is, so check_schema turns it to WAL.
  file_.emplace(path_, sqlite_options{.wal = false,
                                      .synchronous_full = durability_ == durability_level::fsync,
                                      .busy_timeout_ms = busy_ms});
  check_schema();
  file_->execute(schema_added);
  // A batch of 512 touches some 1,500 pages: checkpoint every few, in one sweep over the file.
  file_->execute(
      "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;"
      "PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;");
  file_->execute(fmt::format("PRAGMA max_page_count = {}", max_pages_));
}

void embedded_database::create_schema() {
  file_->enter_wal_mode();
  sqlite_transaction work(*file_, sqlite_transaction::mode::write);
  // Another process may have been first.
  if (file_->number("SELECT count(*) FROM sqlite_schema") == 0) {
    file_->execute(schema);
    file_->execute(
        fmt::format("INSERT INTO hot_meta VALUES('partitions', {}); PRAGMA application_id = {};"
                    "PRAGMA user_version = {};",
                    limits::partitions, application_id, format_version));
  }
  work.commit();
}

void embedded_database::migrate_schema() {
  sqlite_transaction work(*file_, sqlite_transaction::mode::write);
  // Another process may have been first.
  if (file_->number("PRAGMA user_version") == 1) file_->execute(from_format_1);
  work.commit();
}

void embedded_database::check_schema() {
  if (is_new(*file_)) create_schema();
  require_hot_store(*file_);
  if (file_->number("PRAGMA user_version") == 1) migrate_schema();
  require_format(*file_, format_version);
}

std::string embedded_database::changes_at_start(const std::string& path) {
  if (::access(path.c_str(), W_OK) != 0)
    throw sqlite_error(storage_error::refused, SQLITE_READONLY, path + " cannot be written");
  sqlite_database file(path, {.wal = false, .read_only = true, .busy_timeout_ms = busy_ms});
  if (is_new(file)) return "it is empty, and its tables are made";
  require_hot_store(file);
  const auto version = file.number("PRAGMA user_version");
  require_format(file, version == 1 ? 1 : format_version);
  if (version != format_version)
    return fmt::format("its format becomes {} instead of {}", format_version, version);
  if (file.number("SELECT count(*) FROM sqlite_schema WHERE name = 'hot_ledger'") == 0)
    return "the table hot_ledger is added";
  return {};
}

sqlite_cursor embedded_database::prepare(query q) {
  auto& statement = statements_.at(static_cast<std::size_t>(q));
  if (!statement) statement = &file_->prepared(statements_sql.at(static_cast<std::size_t>(q)));
  return sqlite_cursor(*statement);
}

void embedded_database::run(query q) {
  prepare(q).step();
}

}  // namespace watchkeeper::storage
