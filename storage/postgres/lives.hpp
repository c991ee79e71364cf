#pragma once

#include <cstdint>
#include <pqxx/row.hxx>
#include <pqxx/transaction.hxx>

#include "domain/ids.hpp"
#include "domain/life.hpp"

/// The lives of students in PostgreSQL. Whoever changes them holds the erasure lock.
namespace watchkeeper::storage::postgres {

/// The columns epoch and begins_ms of a student, of which `first` is the first.
student_life life_from(const pqxx::row& row, pqxx::row::size_type first);

/// Removes what the student has from epochs below `epoch`. Returns how much that was.
struct removed_rows {
  std::int64_t pairs = 0;
  std::int64_t completions = 0;
};
removed_rows remove_epochs_below(pqxx::work& work, const student_id& student, std::int64_t epoch);

/// The student is in this life from now on.
void put_life(pqxx::work& work, const student_id& student, const student_life& life);

}  // namespace watchkeeper::storage::postgres
