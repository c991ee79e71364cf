#pragma once

#include <pqxx/result.hxx>
#include <pqxx/result_iterator.hxx>
#include <pqxx/row.hxx>
#include <string>
#include <string_view>

#include "base/units.hpp"
#include "domain/ids.hpp"
#include "storage/postgres/database.hpp"

/// Reading fields; each throws decode_error where a field does not hold what it should.
namespace watchkeeper::storage::postgres {

inline std::string_view text_of(const pqxx::field& field) {
  return {field.c_str(), field.size()};
}

template <class Id>
Id id_of(const pqxx::field& field) {
  const auto id = Id::parse(text_of(field));
  if (!id) throw decode_error(std::string("no id in column ") + field.name());
  return *id;
}

/// Throws pqxx::conversion_error.
template <class T>
T number_of(const pqxx::field& field) {
  return field.as<T>();
}
/// The same.
inline wall_ms wall_time_of(const pqxx::field& field) {
  return wall_ms(number_of<std::int64_t>(field));
}

inline std::string text(std::string_view view) {
  return std::string(view);
}

}  // namespace watchkeeper::storage::postgres
