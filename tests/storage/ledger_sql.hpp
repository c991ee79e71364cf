#pragma once

#include <pqxx/connection.hxx>
#include <pqxx/nontransaction.hxx>
#include <string>

#include "storage/sqlite/database.hpp"
#include "tests/storage/ledger_fixtures.hpp"

namespace watchkeeper::test {
using namespace storage;

/// Statements past the ledger: what another program, or another version, would have done.
inline void execute(const sqlite_place& place, const std::string& sql) {
  sqlite_database(place.url, {}).execute(sql);
}
inline void execute(const postgres_place& place, const std::string& sql) {
  pqxx::connection connection(place.url);
  pqxx::nontransaction(connection).exec(sql);
}

/// The text that a query gives; empty: no row.
inline std::string query_text(const sqlite_place& place, const std::string& sql) {
  sqlite_database database(place.url, {});
  auto& row = database.prepared(sql);
  if (!row.step()) return {};
  std::string text(row.text(0));
  row.reset();
  return text;
}
inline std::string query_text(const postgres_place& place, const std::string& sql) {
  pqxx::connection connection(place.url);
  const auto rows = pqxx::nontransaction(connection).exec(sql);
  return rows.empty() ? std::string() : rows[0][0].as<std::string>();
}

}  // namespace watchkeeper::test
