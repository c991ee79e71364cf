#include <pqxx/nontransaction.hxx>
#include <pqxx/subtransaction.hxx>
#include <pqxx/transaction.hxx>

#include "storage/ledger_rules.hpp"
#include "storage/limits.hpp"
#include "storage/postgres/completions.hpp"
#include "storage/postgres/ledger.hpp"
#include "storage/postgres/row.hpp"
#include "storage/postgres/text.hpp"

/// The catalogue, its revisions, and the judging of pairs by a new one.
namespace watchkeeper::storage::postgres {
namespace {

/// The columns of get_module.
module_record module_from(const pqxx::row& row) {
  const auto recorded = module_rules_from(row, 2);
  return {.id = id_of<module_id>(row[0]),
          .title = text(text_of(row[1])),
          .rules = recorded.newest.rules,
          .updated_ms = wall_time_of(row[2 + rules_columns]),
          .preview_url = text(text_of(row[3 + rules_columns])),
          .revision = recorded.newest.revision};
}

void write_module(pqxx::work& work, const module_record& module, const module_change& change) {
  const auto id = text(module.id.view());
  const auto& rules = module.rules;
  work.exec_prepared("put_module", id, module.title, rules.duration_ms, rules.mastery_centipercent,
                     rules.max_rate_permille, module.updated_ms.value(), module.preview_url,
                     change.revision);
  if (change.begins_revision) {
    work.exec_prepared("add_revision", id, change.revision, rules.duration_ms,
                       rules.mastery_centipercent, rules.max_rate_permille,
                       storage_limits::module_revisions_max);
    work.exec_prepared(change.judges_pairs ? "begin_judging" : "keep_judging", id);
  }
  work.exec_prepared("note_module", id);
}

/// A module with pairs that are not judged yet, and how far that is. Its row stays locked.
struct module_to_judge {
  judging_progress progress;
  recorded_module module;
  std::string after;  // the student who was judged last; empty: none
};
std::optional<module_to_judge> lock_module_to_judge(pqxx::work& work) {
  const auto rows = work.exec_prepared("module_to_judge");
  if (rows.empty()) return std::nullopt;
  const auto& row = rows[0];
  constexpr pqxx::row::size_type after_rules = 1 + rules_columns;
  module_to_judge found{.progress = {.module = id_of<module_id>(row[0])},
                        .module = module_rules_from(row, 1),
                        .after = text(text_of(row[after_rules]))};
  found.progress.done = number_of<std::uint64_t>(row[after_rules + 1]);
  if (!row[after_rules + 2].is_null())
    found.progress.total = number_of<std::uint64_t>(row[after_rules + 2]);
  return found;
}

std::optional<progress> progress_if_readable(const pqxx::row& row, pqxx::row::size_type first) {
  try {
    return progress_from(row, first);
  } catch (const decode_error&) {
    return std::nullopt;
  } catch (const pqxx::conversion_error&) {
    return std::nullopt;
  }
}

/// The pairs of a module, for those who watch the job. Nothing: there are so many that counting
/// would hold up the judging.
std::optional<std::uint64_t> count_in_time(pqxx::work& work, const module_id& module) {
  pqxx::subtransaction counting(work);
  try {
    counting.exec("SET LOCAL statement_timeout = 1000");  // ms
    const auto rows = counting.exec_prepared("students_of_module", text(module.view()));
    const auto count = number_of<std::uint64_t>(rows.at(0)[0]);
    counting.abort();  // with its time limit; nothing was written
    return count;
  } catch (const pqxx::sql_error& error) {
    if (error.sqlstate() != "57014") throw;  // canceled by its time limit
    return std::nullopt;
  }
}

}  // namespace

std::vector<module_revision> revisions_of(pqxx::work& work, const module_id& module) {
  std::vector<module_revision> found;
  for (const auto& row : work.exec_prepared("revisions", text(module.view())))
    found.push_back({.revision = number_of<std::int32_t>(row[0]),
                     .rules = {.duration_ms = number_of<media_ms>(row[1]),
                               .mastery_centipercent = number_of<std::int32_t>(row[2])}});
  return found;
}

recorded_module module_rules_from(const pqxx::row& row, pqxx::row::size_type first) {
  return {.newest = {.revision = number_of<std::int32_t>(row[first + 3]),
                     .rules = {.duration_ms = number_of<media_ms>(row[first]),
                               .mastery_centipercent = number_of<std::int32_t>(row[first + 1]),
                               .max_rate_permille = number_of<std::int32_t>(row[first + 2])}},
          .is_removed = row[first + 4].as<bool>()};
}

stored<std::optional<module_put>> postgres_ledger::put_module(const module_record& module,
                                                              const module_record* replaces) {
  return session_.call([&](pqxx::connection& connection) -> std::optional<module_put> {
    pqxx::work work(connection);
    // First, as in every transaction that has it. A checkpoint that judges by the rules of before
    // has been committed then, so that the judging sees what it wrote.
    work.exec_prepared("lock_erasure");
    const auto rows = work.exec_prepared("module_for_change", text(module.id.view()));
    std::optional<recorded_module> before;
    if (!rows.empty()) before = module_rules_from(rows[0], 2);
    if (replaces && (!before || before->is_removed || module_from(rows[0]) != *replaces))
      return std::nullopt;
    const auto change = change_of(before, module.rules);
    module_put put{.module = module, .is_new = change.is_new};
    put.module.revision = change.revision;
    write_module(work, module, change);
    work.commit();
    return put;
  });
}

stored<std::optional<module_record>> postgres_ledger::get_module(const module_id& id) {
  return session_.call([&](pqxx::connection& connection) -> std::optional<module_record> {
    pqxx::nontransaction reading(connection);
    const auto rows = reading.exec_prepared("get_module", text(id.view()));
    if (rows.empty()) return std::nullopt;
    return module_from(rows[0]);
  });
}

stored<bool> postgres_ledger::remove_module(const module_id& id) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::work work(connection);
    work.exec_prepared("lock_erasure");  // as in put_module: nobody is mastered after the removal
    const bool removed = !work.exec_prepared("remove_module", text(id.view())).empty();
    work.commit();
    return removed;
  });
}

stored<page<module_record>> postgres_ledger::list_modules(std::string_view cursor,
                                                          std::size_t limit) {
  if (!is_cursor<module_id>(cursor)) return page<module_record>{};
  return session_.call([&](pqxx::connection& connection) {
    const auto items = page_items(limit);
    pqxx::nontransaction reading(connection);
    std::vector<module_record> found;
    for (const auto& row :
         reading.exec_prepared("list_modules", text(cursor), static_cast<std::int64_t>(items + 1)))
      found.push_back(module_from(row));
    return make_page(std::move(found), items, [](const auto& item) { return item.id; });
  });
}

stored<std::optional<judging_step>> postgres_ledger::judge_next(wall_ms now_ms,
                                                                std::size_t pairs_max) {
  return session_.call([&](pqxx::connection& connection) -> std::optional<judging_step> {
    pqxx::work work(connection);
    work.exec_prepared("lock_erasure_shared");
    const auto found = lock_module_to_judge(work);
    if (!found) return std::nullopt;
    const auto& module = found->progress.module;
    const auto id = text(module.view());
    auto total = found->progress.total;
    if (!total && found->progress.done == 0) total = count_in_time(work, module);
    const auto rows = work.exec_prepared("pairs_to_judge", id, found->after,
                                         static_cast<std::int64_t>(page_items(pairs_max)));
    const auto revisions = revisions_of(work, module);
    judged_pairs judged;
    std::vector<pair_key> unreadable;
    for (const auto& row : rows) {
      const pair_key key{id_of<student_id>(row[0]), module};
      if (const auto state = progress_if_readable(row, 2))
        judge(judged, {key, *state}, row[2 + state_columns].as<bool>(), found->module, revisions,
              now_ms);
      else
        unreadable.push_back(key);
    }
    std::vector<pair_key> keys;
    for (const auto& pair : judged.mastered) keys.push_back(pair.key);
    set_mastered(work, keys, now_ms);
    add_completions(work, judged.events, now_ms);
    const bool is_last = rows.size() < page_items(pairs_max);
    work.exec_prepared("judged", id, is_last ? std::string() : text(text_of(rows.back()[0])),
                       static_cast<std::int64_t>(found->progress.done + rows.size()),
                       total ? std::optional(static_cast<std::int64_t>(*total)) : std::nullopt,
                       is_last);
    work.exec_prepared("count_transaction");
    work.commit();
    return judging_step{.module = module,
                        .mastered = std::move(judged.mastered),
                        .unreadable = std::move(unreadable)};
  });
}

stored<std::vector<judging_progress>> postgres_ledger::judgings(std::size_t limit) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    std::vector<judging_progress> found;
    for (const auto& row :
         reading.exec_prepared("judgings", static_cast<std::int64_t>(page_items(limit)))) {
      auto& each = found.emplace_back();
      each.module = id_of<module_id>(row[0]);
      each.revision = number_of<std::int32_t>(row[1]);
      each.done = number_of<std::uint64_t>(row[2]);
      if (!row[3].is_null()) each.total = number_of<std::uint64_t>(row[3]);
    }
    return found;
  });
}

}  // namespace watchkeeper::storage::postgres
