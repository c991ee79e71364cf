#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <pqxx/transaction.hxx>
#include <span>
#include <string>
#include <string_view>

#include "storage/migrations.hpp"
#include "storage/sqlite/database.hpp"

/// The schema that the version before lives made in an empty ledger.
namespace watchkeeper::test::before_lives {

/// The newest migration of that version.
inline constexpr std::size_t postgres_schema = 5;
inline constexpr std::size_t sqlite_schema = 4;

template <class Execute>
void apply(std::span<const storage::migration> steps, std::string_view applied_at,
           Execute&& execute) {
  execute(
      fmt::format("CREATE TABLE schema_migration (number integer PRIMARY KEY,"
                  " name text NOT NULL, applied_at {})",
                  applied_at));
  for (const auto& step : steps) {
    execute(std::string(step.sql));
    execute(fmt::format("INSERT INTO schema_migration (number, name) VALUES ({}, '{}')",
                        step.number, step.name));
  }
  for (const auto& [key, value] : storage::deployment_settings())
    execute(fmt::format("INSERT INTO deployment VALUES ('{}', '{}')", key, value));
}

inline void write_schema(storage::sqlite_database& database) {
  apply(storage::sqlite_migrations().first(sqlite_schema), "INTEGER NOT NULL DEFAULT (unixepoch())",
        [&](const std::string& sql) { database.execute(sql); });
}
inline void write_schema(pqxx::work& work) {
  apply(storage::postgres_migrations().first(postgres_schema), "timestamptz NOT NULL DEFAULT now()",
        [&](const std::string& sql) { work.exec(sql); });
}

}  // namespace watchkeeper::test::before_lives
