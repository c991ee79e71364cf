#include "storage/postgres/lives.hpp"

#include <pqxx/nontransaction.hxx>

#include "storage/heatmap_growth.hpp"
#include "storage/postgres/heatmap.hpp"
#include "storage/postgres/ledger.hpp"
#include "storage/postgres/row.hpp"
#include "storage/postgres/text.hpp"

namespace watchkeeper::storage::postgres {

student_life life_from(const pqxx::row& row, pqxx::row::size_type first) {
  return {number_of<std::uint32_t>(row[first]), wall_time_of(row[first + 1])};
}

removed_rows remove_epochs_below(pqxx::work& work, const student_id& student, std::int64_t epoch) {
  heatmap_growth seen;
  for (const auto& row : work.exec_prepared("seen_in_epochs", text(student.view()), epoch)) {
    // What cannot be read is removed like the rest. Nobody knows what it added to the heatmap.
    if (const auto covered = parse_multirange(text_of(row[1])))
      seen.add(id_of<module_id>(row[0]), 0, covered->pieces());
  }
  change_viewers(work, seen, false);
  const auto removed = work.exec_prepared("remove_epochs", text(student.view()), epoch);
  return {number_of<std::int64_t>(removed.at(0)[0]), number_of<std::int64_t>(removed.at(0)[1])};
}

void put_life(pqxx::work& work, const student_id& student, const student_life& life) {
  work.exec_prepared("put_life", text(student.view()), std::int64_t{life.epoch},
                     life.begins_ms.value());
}

stored<std::vector<erased_student>> postgres_ledger::erased_students() {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    std::vector<erased_student> all;
    for (const auto& row : reading.exec_prepared("erased_students"))
      all.push_back({id_of<student_id>(row[0]), number_of<std::uint32_t>(row[1])});
    return all;
  });
}

stored<student_life> postgres_ledger::life_of(const student_id& student) {
  return session_.call([&](pqxx::connection& connection) -> student_life {
    array_literal students;
    students.add(student.view());
    pqxx::nontransaction reading(connection);
    const auto rows = reading.exec_prepared("lives", students.text());
    return rows.empty() ? student_life{} : life_from(rows[0], 1);
  });
}

}  // namespace watchkeeper::storage::postgres
