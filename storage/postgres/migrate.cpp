#include <pqxx/nontransaction.hxx>
#include <pqxx/transaction.hxx>

#include "storage/migrations.hpp"
#include "storage/postgres/ledger.hpp"
#include "storage/postgres/row.hpp"

namespace watchkeeper::storage::postgres {
namespace {

/// A step may rewrite a table, and waits for the gateway that is migrating already.
constexpr std::chrono::milliseconds migration_limit{600'000};

int applied_version(pqxx::transaction_base& reading) {
  const auto table = reading.exec("SELECT to_regclass('schema_migration')");
  if (table[0][0].is_null()) return 0;
  return reading.exec("SELECT coalesce(max(number), 0) FROM schema_migration")[0][0].as<int>();
}

/// One step a transaction, under a lock that lets one gateway work at a time. False: none is
/// missing.
bool apply_next(pqxx::connection& connection) {
  const auto steps = postgres_migrations();
  pqxx::work work(connection);
  work.exec("SET LOCAL statement_timeout = 0");
  work.exec("SELECT pg_advisory_xact_lock(30539, 0)");

  work.exec(
      "CREATE TABLE IF NOT EXISTS schema_migration (number integer PRIMARY KEY,"
      " name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())");
  const auto applied = applied_version(work);
  if (applied > static_cast<int>(steps.size()))
    throw mismatch_error("the schema is of version " + std::to_string(applied) +
                         ", this build knows versions up to " + std::to_string(steps.size()));
  const bool missing = applied < static_cast<int>(steps.size());
  if (missing) {
    const auto& step = steps[static_cast<std::size_t>(applied)];
    work.exec(text(step.sql));
    work.exec_params("INSERT INTO schema_migration (number, name) VALUES ($1, $2)", step.number,
                     text(step.name));
  }
  work.commit();
  return missing;
}

void check_deployment(pqxx::connection& connection) {
  pqxx::work work(connection);
  for (const auto& [key, value] : deployment_settings()) {
    work.exec_params(
        "INSERT INTO deployment (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING",
        text(key), text(value));
    const auto rows = work.exec_params("SELECT value FROM deployment WHERE key = $1", text(key));
    if (rows.empty() || text_of(rows[0][0]) != value)
      throw mismatch_error("the database was made for " + text(key) + " = " +
                           (rows.empty() ? "?" : rows[0][0].c_str()) + ", this build has " +
                           text(value));
  }
  work.commit();
}

}  // namespace

stored<ok_t> postgres_ledger::migrate() {
  auto done = session_.call(
      [](pqxx::connection& connection) {
        while (apply_next(connection)) {
        }
        check_deployment(connection);
        return ok;
      },
      migration_limit);
  if (!done) return done;
  return count_heatmaps_once();
}

stored<ledger::schema_version> postgres_ledger::version() {
  return session_.call([](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    return schema_version{.applied = applied_version(reading),
                          .newest = static_cast<int>(postgres_migrations().size())};
  });
}

}  // namespace watchkeeper::storage::postgres
