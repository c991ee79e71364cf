#pragma once

#include <pqxx/connection.hxx>
#include <string>

/// The prepared statements of a connection.
namespace watchkeeper::storage::postgres {

struct statement {
  const char* name;
  const char* sql;
};

/// Writes out what several statements share: STATE(t), the columns of a progress; COMPLETED(t),
/// whether the life of that row has its completion; RULES(m), the rules of a module. `t` is p or u.
std::string expanded(std::string sql);

/// Makes the statements known to a new connection; PostgreSQL parses each at its first use.
void prepare_statements(pqxx::connection& connection);
void prepare_heatmap_statements(pqxx::connection& connection);
void prepare_registry_statements(pqxx::connection& connection);

}  // namespace watchkeeper::storage::postgres
