#include "storage/sqlite/ledger.hpp"

#include <sqlite3.h>

#include "storage/ledger_rules.hpp"
#include "storage/migrations.hpp"

namespace watchkeeper::storage {
namespace {

int applied_version(sqlite_database& database) {
  auto& table = database.prepared(
      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migration'");
  table.step();
  const bool exists = table.integer(0) != 0;
  table.reset();
  if (!exists) return 0;
  auto& newest = database.prepared("SELECT coalesce(max(number), 0) FROM schema_migration");
  newest.step();
  const auto number = static_cast<int>(newest.integer(0));
  newest.reset();
  return number;
}

/// One step a transaction; the write lock lets one gateway work at a time. False: none is missing.
bool apply_next(sqlite_database& database) {
  const auto steps = sqlite_migrations();
  const auto newest = static_cast<int>(steps.size());
  sqlite_transaction work(database, sqlite_transaction::mode::write);
  const auto applied = applied_version(database);
  if (applied > newest)
    throw sqlite_error(storage_error::mismatch, SQLITE_OK,
                       "SQLite: the schema is of version " + std::to_string(applied) +
                           ", this build has versions up to " + std::to_string(newest));
  if (applied == newest) return false;
  const auto& step = steps[static_cast<std::size_t>(applied)];
  database.execute(
      "CREATE TABLE IF NOT EXISTS schema_migration (number INTEGER PRIMARY KEY,"
      " name TEXT NOT NULL, applied_at INTEGER NOT NULL DEFAULT (unixepoch())) STRICT");
  database.execute(std::string(step.sql));
  database.prepared("INSERT INTO schema_migration (number, name) VALUES (?1, ?2)")
      .bind(1, step.number)
      .bind_text(2, step.name)
      .run();
  work.commit();
  return true;
}

void check_deployment(sqlite_database& database) {
  sqlite_transaction work(database, sqlite_transaction::mode::write);
  for (const auto& [key, value] : deployment_settings()) {
    database.prepared("INSERT INTO deployment (key, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
        .bind_text(1, key)
        .bind_text(2, value)
        .run();
    auto& row = database.prepared("SELECT value FROM deployment WHERE key = ?1");
    row.bind_text(1, key);
    const std::string found(row.step() ? row.text(0) : "?");
    row.reset();
    if (found != value)
      throw sqlite_error(storage_error::mismatch, SQLITE_OK,
                         "SQLite: the file was made for " + std::string(key) + " = " + found +
                             ", this build has " + std::string(value));
  }
  work.commit();
}

}  // namespace

void throw_corrupt(const std::string& what) {
  throw sqlite_error(storage_error::corrupt, SQLITE_CORRUPT, "SQLite: " + what);
}

stored<ok_t> sqlite_ledger::migrate() {
  auto done = call([](sqlite_database& database) {
    bool has_changed = false;
    while (apply_next(database)) has_changed = true;
    check_deployment(database);
    // A step may remove what the log of writes must not keep; what reads the file now ends soon.
    if (has_changed) (void)database.truncate_wal();
    return ok;
  });
  if (!done) return done;
  return count_heatmaps_once();
}

stored<ledger::schema_version> sqlite_ledger::version() {
  return call([](sqlite_database& database) {
    return schema_version{.applied = applied_version(database),
                          .newest = static_cast<int>(sqlite_migrations().size())};
  });
}

void forget_old(sqlite_database& database) {
  constexpr auto retention_s = registry_change_retention_ms / 1000;
  database.prepared("DELETE FROM registry_change WHERE noted_at < unixepoch() - ?1")
      .bind(1, retention_s)
      .run();
  database.prepared("DELETE FROM erased_student WHERE erased_at < unixepoch() - ?1")
      .bind(1, retention_s)
      .run();
}

void note_change(sqlite_database& database, registry_change::kind what, std::string_view key) {
  forget_old(database);
  database.prepared("INSERT INTO registry_change (kind, key) VALUES (?1, ?2)")
      .bind(1, static_cast<std::int64_t>(what))
      .bind_text(2, key)
      .run();
  count_transaction(database);
}

stored<std::vector<registry_change>> sqlite_ledger::changes(std::int64_t after_sequence,
                                                            std::size_t limit) {
  return call([&](sqlite_database& database) {
    auto& row = database.prepared(
        "SELECT sequence, kind, key FROM registry_change WHERE sequence > ?1"
        " ORDER BY sequence LIMIT ?2");
    row.bind(1, after_sequence).bind(2, static_cast<std::int64_t>(page_items(limit)));
    std::vector<registry_change> items;
    while (row.step()) {
      const auto kind = row.integer(1);
      if (kind < 0 || kind > 4) throw_corrupt("a registry change is of an unknown kind");
      items.push_back({.sequence = row.integer(0),
                       .what = static_cast<registry_change::kind>(kind),
                       .key = std::string(row.text(2))});
    }
    // Writes forget old rows; where nobody writes any more, ids must not stay for ever either.
    if (items.empty() && ++idle_polls_ >= forget_after_idle_polls) {
      idle_polls_ = 0;
      sqlite_transaction work(database, sqlite_transaction::mode::write);
      forget_old(database);
      work.commit();
    }
    return items;
  });
}

stored<trace_removal> sqlite_ledger::remove_traces() {
  return call([](sqlite_database& database) {
    sqlite_transaction work(database, sqlite_transaction::mode::write);
    forget_old(database);
    work.commit();
    return database.truncate_wal() ? trace_removal::done : trace_removal::waiting;
  });
}

stored<std::string> sqlite_ledger::health() {
  return call([](sqlite_database& database) {
    // Reads the file, which the version of the library alone would not.
    database.prepared("SELECT count(*) FROM sqlite_schema").run();
    return std::string("SQLite ") + sqlite3_libversion() + ", WAL, synchronous FULL";
  });
}

std::unique_ptr<ledger> make_sqlite_ledger(const std::string& path) {
  return std::make_unique<sqlite_ledger>(path);
}

}  // namespace watchkeeper::storage
