#include <utility>

#include "storage/ledger_rules.hpp"
#include "storage/limits.hpp"
#include "storage/sqlite/ledger.hpp"
#include "storage/sqlite/ledger_rows.hpp"

/// The catalogue, its revisions, and the judging of pairs by a new one.
namespace watchkeeper::storage {
namespace {

using mode = sqlite_transaction::mode;

#define WATCHKEEPER_MODULE                                                                 \
  "module_id, duration_ms, mastery_centipercent, max_rate_permille, revision, is_removed," \
  " title, updated_ms, preview_url"

/// The columns of WATCHKEEPER_MODULE.
module_record module_from(const sqlite_statement& row) {
  const auto recorded = module_rules_from(row, 1);
  return {.id = sqlite_id<module_id>(row, 0),
          .title = std::string(row.text(6)),
          .rules = recorded.newest.rules,
          .updated_ms = row.wall_time(7),
          .preview_url = std::string(row.text(8)),
          .revision = recorded.newest.revision};
}

void write_module(sqlite_database& database, const module_record& module, std::int32_t revision) {
  database
      .prepared(
          "INSERT INTO module (module_id, title, duration_ms, mastery_centipercent,"
          " max_rate_permille, updated_ms, preview_url, revision)"
          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
          " ON CONFLICT (module_id) DO UPDATE SET title = excluded.title,"
          " duration_ms = excluded.duration_ms,"
          " mastery_centipercent = excluded.mastery_centipercent,"
          " max_rate_permille = excluded.max_rate_permille, updated_ms = excluded.updated_ms,"
          " preview_url = excluded.preview_url, revision = excluded.revision, is_removed = 0")
      .bind_text(1, module.id.view())
      .bind_text(2, module.title)
      .bind(3, module.rules.duration_ms)
      .bind(4, module.rules.mastery_centipercent)
      .bind(5, module.rules.max_rate_permille)
      .bind(6, module.updated_ms)
      .bind_text(7, module.preview_url)
      .bind(8, revision)
      .run();
}

void add_revision(sqlite_database& database, const module_id& module, const module_rules& rules,
                  std::int32_t revision) {
  database.prepared("DELETE FROM module_revision WHERE module_id = ?1 AND revision <= ?2")
      .bind_text(1, module.view())
      .bind(2, revision - storage_limits::module_revisions_max)
      .run();
  database
      .prepared(
          "INSERT INTO module_revision (module_id, revision, duration_ms, mastery_centipercent,"
          " max_rate_permille) VALUES (?1, ?2, ?3, ?4, ?5)")
      .bind_text(1, module.view())
      .bind(2, revision)
      .bind(3, rules.duration_ms)
      .bind(4, rules.mastery_centipercent)
      .bind(5, rules.max_rate_permille)
      .run();
}

void begin_revision(sqlite_database& database, const module_id& module, const module_rules& rules,
                    const module_change& change) {
  add_revision(database, module, rules, change.revision);
  // Another rate: who is mastered stays the same, and a judging that runs goes on.
  auto& judging = change.judges_pairs
                      ? database.prepared(
                            "UPDATE module SET judged_revision = revision - 1, judged_student = '',"
                            " judged_pairs = 0, pairs_to_judge = NULL WHERE module_id = ?1")
                      : database.prepared(
                            "UPDATE module SET judged_revision = judged_revision + 1"
                            " WHERE module_id = ?1");
  judging.bind_text(1, module.view()).run();
}

/// A module with pairs that are not judged yet, and how far that is.
struct module_to_judge {
  judging_progress progress;
  recorded_module module;
  std::string after;  // the student who was judged last; empty: none
};
std::optional<module_to_judge> find_module_to_judge(sqlite_database& database) {
  auto& row = database.prepared(
      "SELECT " WATCHKEEPER_MODULE
      ", judged_student, judged_pairs, pairs_to_judge FROM module"
      " WHERE judged_revision < revision AND is_removed = 0 ORDER BY module_id LIMIT 1");
  if (!row.step()) return std::nullopt;
  module_to_judge found{.progress = {.module = sqlite_id<module_id>(row, 0)},
                        .module = module_rules_from(row, 1),
                        .after = std::string(row.text(9))};
  found.progress.done = static_cast<std::uint64_t>(row.integer(10));
  if (!row.is_null(11)) found.progress.total = static_cast<std::uint64_t>(row.integer(11));
  row.reset();
  return found;
}

std::uint64_t count_pairs(sqlite_database& database, const module_id& module) {
  auto& row = database.prepared("SELECT count(*) FROM progress WHERE module_id = ?1");
  row.bind_text(1, module.view());
  row.step();
  const auto count = static_cast<std::uint64_t>(row.integer(0));
  row.reset();
  return count;
}

void note_judged(sqlite_database& database, const judging_progress& judged,
                 std::string_view student, bool is_last) {
  database
      .prepared(
          "UPDATE module SET judged_student = ?2, judged_pairs = ?3, pairs_to_judge = ?4,"
          " judged_revision = CASE WHEN ?5 THEN revision ELSE judged_revision END"
          " WHERE module_id = ?1")
      .bind_text(1, judged.module.view())
      .bind_text(2, student)
      .bind(3, static_cast<std::int64_t>(judged.done))
      .bind(4, static_cast<std::int64_t>(judged.total.value_or(0)))
      .bind(5, is_last ? 1 : 0)
      .run();
}

}  // namespace

std::vector<module_revision> revisions_of(sqlite_database& database, const module_id& module) {
  auto& row = database.prepared(
      "SELECT revision, duration_ms, mastery_centipercent FROM module_revision"
      " WHERE module_id = ?1 ORDER BY revision DESC");
  row.bind_text(1, module.view());
  std::vector<module_revision> found;
  while (row.step())
    found.push_back({.revision = static_cast<std::int32_t>(row.integer(0)),
                     .rules = {.duration_ms = static_cast<media_ms>(row.integer(1)),
                               .mastery_centipercent = static_cast<std::int32_t>(row.integer(2))}});
  return found;
}

recorded_module module_rules_from(const sqlite_statement& row, int first) {
  return {
      .newest = {.revision = static_cast<std::int32_t>(row.integer(first + 3)),
                 .rules = {.duration_ms = static_cast<media_ms>(row.integer(first)),
                           .mastery_centipercent =
                               static_cast<std::int32_t>(row.integer(first + 1)),
                           .max_rate_permille = static_cast<std::int32_t>(row.integer(first + 2))}},
      .is_removed = row.integer(first + 4) != 0};
}

std::optional<recorded_module> module_rules_of(sqlite_database& database, const module_id& module) {
  auto& row = database.prepared("SELECT " WATCHKEEPER_MODULE " FROM module WHERE module_id = ?1");
  row.bind_text(1, module.view());
  if (!row.step()) return std::nullopt;
  auto found = module_rules_from(row, 1);
  row.reset();
  return found;
}

stored<std::optional<module_put>> sqlite_ledger::put_module(const module_record& module,
                                                            const module_record* replaces) {
  return call([&](sqlite_database& database) -> std::optional<module_put> {
    sqlite_transaction work(database, mode::write);
    auto& row = database.prepared("SELECT " WATCHKEEPER_MODULE " FROM module WHERE module_id = ?1");
    row.bind_text(1, module.id.view());
    std::optional<recorded_module> before;
    bool is_as_expected = false;
    if (row.step()) {
      before = module_rules_from(row, 1);
      is_as_expected = replaces && !before->is_removed && module_from(row) == *replaces;
    }
    row.reset();
    if (replaces && !is_as_expected) return std::nullopt;
    const auto change = change_of(before, module.rules);
    write_module(database, module, change.revision);
    if (change.begins_revision) begin_revision(database, module.id, module.rules, change);
    note_change(database, registry_change::kind::module, module.id.view());
    work.commit();
    module_put put{.module = module, .is_new = change.is_new};
    put.module.revision = change.revision;
    return put;
  });
}

stored<std::optional<module_record>> sqlite_ledger::get_module(const module_id& id) {
  return call([&](sqlite_database& database) -> std::optional<module_record> {
    auto& row = database.prepared("SELECT " WATCHKEEPER_MODULE
                                  " FROM module WHERE module_id = ?1 AND is_removed = 0");
    row.bind_text(1, id.view());
    if (!row.step()) return std::nullopt;
    auto module = module_from(row);
    row.reset();
    return module;
  });
}

stored<bool> sqlite_ledger::remove_module(const module_id& id) {
  return call([&](sqlite_database& database) {
    sqlite_transaction work(database, mode::write);
    database.prepared("UPDATE module SET is_removed = 1 WHERE module_id = ?1 AND is_removed = 0")
        .bind_text(1, id.view())
        .run();
    if (database.changes() == 0) return false;
    note_change(database, registry_change::kind::module, id.view());
    work.commit();
    return true;
  });
}

stored<page<module_record>> sqlite_ledger::list_modules(std::string_view cursor,
                                                        std::size_t limit) {
  if (!is_cursor<module_id>(cursor)) return page<module_record>{};
  return call([&](sqlite_database& database) {
    const auto items = page_items(limit);
    auto& row = database.prepared(
        "SELECT " WATCHKEEPER_MODULE
        " FROM module WHERE module_id > ?1 AND is_removed = 0 ORDER BY module_id LIMIT ?2");
    row.bind_text(1, cursor).bind(2, static_cast<std::int64_t>(items + 1));
    std::vector<module_record> modules;
    while (row.step()) modules.push_back(module_from(row));
    return make_page(std::move(modules), items, [](const auto& item) { return item.id; });
  });
}

stored<std::optional<judging_step>> sqlite_ledger::judge_next(wall_ms now_ms,
                                                              std::size_t pairs_max) {
  return call([&](sqlite_database& database) -> std::optional<judging_step> {
    sqlite_transaction work(database, mode::write);
    auto found = find_module_to_judge(database);
    if (!found) return std::nullopt;
    auto& progress = found->progress;
    if (!progress.total) progress.total = count_pairs(database, progress.module);
    const auto revisions = revisions_of(database, progress.module);
    auto pairs =
        read_pairs_of_module(database, progress.module, found->after, page_items(pairs_max));
    judged_pairs judged;
    for (const auto& pair : pairs.readable)
      judge(judged, pair, is_completed(database, pair), found->module, revisions, now_ms);
    for (const auto& pair : judged.mastered) write_one(database, pair.key, pair.state);
    for (const auto& event : judged.events) add_completion(database, event, now_ms);
    const auto count = pairs.readable.size() + pairs.unreadable.size();
    progress.done += count;
    const bool is_last = count < page_items(pairs_max);
    note_judged(database, progress, is_last ? std::string_view{} : pairs.last->view(), is_last);
    count_transaction(database);
    work.commit();
    return judging_step{.module = progress.module,
                        .mastered = std::move(judged.mastered),
                        .unreadable = std::move(pairs.unreadable)};
  });
}

stored<std::vector<judging_progress>> sqlite_ledger::judgings(std::size_t limit) {
  return call([&](sqlite_database& database) {
    auto& row = database.prepared(
        "SELECT module_id, revision, judged_pairs, pairs_to_judge FROM module"
        " WHERE judged_revision < revision AND is_removed = 0 ORDER BY module_id LIMIT ?1");
    row.bind(1, static_cast<std::int64_t>(page_items(limit)));
    std::vector<judging_progress> found;
    while (row.step()) {
      auto& each = found.emplace_back();
      each.module = sqlite_id<module_id>(row, 0);
      each.revision = static_cast<std::int32_t>(row.integer(1));
      each.done = static_cast<std::uint64_t>(row.integer(2));
      if (!row.is_null(3)) each.total = static_cast<std::uint64_t>(row.integer(3));
    }
    return found;
  });
}

}  // namespace watchkeeper::storage
