#pragma once

#include <pqxx/row.hxx>
#include <pqxx/transaction.hxx>
#include <vector>

#include "domain/progress.hpp"
#include "storage/ledger_rules.hpp"

/// What a checkpoint and the judging of a module have in common. Each throws decode_error where a
/// field does not hold what it should.
namespace watchkeeper::storage::postgres {

/// The columns that STATE(t) stands for, of which `first` is the first.
progress progress_from(const pqxx::row& row, pqxx::row::size_type first);
inline constexpr pqxx::row::size_type state_columns = 10;

/// The columns that RULES(m) stands for, of which `first` is the first.
recorded_module module_rules_from(const pqxx::row& row, pqxx::row::size_type first);
inline constexpr pqxx::row::size_type rules_columns = 5;

/// The revisions of a module that are known, the newest first.
std::vector<module_revision> revisions_of(pqxx::work& work, const module_id& module);

/// Pairs that are mastered from now on.
void set_mastered(pqxx::work& work, const std::vector<pair_key>& pairs, wall_ms now_ms);
/// Takes the lock of the outbox, which is held to the commit.
void add_completions(pqxx::work& work, const std::vector<completion>& events, wall_ms now_ms);

}  // namespace watchkeeper::storage::postgres
