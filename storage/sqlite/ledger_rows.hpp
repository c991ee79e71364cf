#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "domain/progress.hpp"
#include "storage/ledger_rules.hpp"
#include "storage/sqlite/database.hpp"

/// Rows that several parts of the SQLite ledger read and write. Each throws sqlite_error where a
/// row is not of the documented format.
namespace watchkeeper::storage {

/// The columns duration_ms, mastery_centipercent, max_rate_permille, revision, is_removed.
recorded_module module_rules_from(const sqlite_statement& row, int first);
std::optional<recorded_module> module_rules_of(sqlite_database& database, const module_id& module);
/// The revisions of a module that are known, the newest first.
std::vector<module_revision> revisions_of(sqlite_database& database, const module_id& module);

struct pairs_of_module {
  std::vector<pair_progress> readable;
  std::vector<pair_key> unreadable;
  std::optional<student_id> last;  // of both
};
/// Pairs of students after `student`, in the order of their ids.
pairs_of_module read_pairs_of_module(sqlite_database& database, const module_id& module,
                                     std::string_view student, std::size_t limit);
/// Calls `decode`. False: it found something that is not of the documented format.
template <class Decode>
bool is_readable(Decode&& decode) {
  try {
    decode();
    return true;
  } catch (const sqlite_error& error) {
    if (error.code() != storage_error::corrupt) throw;
    return false;
  }
}
void write_one(sqlite_database& database, const pair_key& key, const progress& state);
/// Does nothing if the life of the pair has its completion.
void add_completion(sqlite_database& database, const completion& event, wall_ms now_ms);
bool is_completed(sqlite_database& database, const pair_progress& pair);

}  // namespace watchkeeper::storage
