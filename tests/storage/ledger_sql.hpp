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

}  // namespace watchkeeper::test
