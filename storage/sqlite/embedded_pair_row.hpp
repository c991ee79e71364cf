#pragma once

#include <cstdint>
#include <optional>

#include "domain/credit.hpp"
#include "storage/sqlite/embedded_database.hpp"

namespace watchkeeper::storage {

/// The columns epoch … version, in that order.
struct embedded_pair_row {
  progress state;
  std::uint64_t version = 0;
};
/// Reads them from `row`; nothing: not of the format.
std::optional<embedded_pair_row> read_embedded_pair(sqlite_cursor& row);

}  // namespace watchkeeper::storage
