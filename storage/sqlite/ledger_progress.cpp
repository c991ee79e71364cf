#include <utility>

#include "storage/heatmap_growth.hpp"
#include "storage/ledger_rules.hpp"
#include "storage/sqlite/ledger.hpp"
#include "storage/sqlite/ledger_rows.hpp"

namespace watchkeeper::storage {
namespace {

#define WATCHKEEPER_STATE                                                                        \
  "coverage, duration_ms, playtime_ms, resume_ms, resume_at_ms, updated_ms, mastered_ms, epoch," \
  " attempt, begins_ms"
// The duration of a module now. A look-up by the key of the module, of which a page has few.
#define WATCHKEEPER_MODULE_DURATION \
  "coalesce((SELECT m.duration_ms FROM module m WHERE m.module_id = progress.module_id), 0)"

/// The columns epoch and attempt.
life_number life_from(const sqlite_statement& row, int first) {
  const auto epoch = row.integer(first);
  const auto attempt = row.integer(first + 1);
  if (epoch < 0 || epoch > 0xffff'ffff || attempt < 0 || attempt > 0xffff'ffff)
    throw_corrupt("an epoch or an attempt is no number of 32 bits");
  return {static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(attempt)};
}

/// The columns of WATCHKEEPER_STATE, of which `first` is the first.
progress progress_from(const sqlite_statement& row, int first) {
  progress state;
  state.covered = decode_coverage(row.blob(first));
  state.duration_ms = static_cast<media_ms>(row.integer(first + 1));
  state.playtime_ms = row.integer(first + 2);
  state.resume_ms = static_cast<media_ms>(row.integer(first + 3));
  state.resume_at_ms = row.wall_time(first + 4);
  state.updated_ms = row.wall_time(first + 5);
  state.mastered_ms = row.wall_time(first + 6);
  state.life = life_from(row, first + 7);
  state.begins_ms = row.wall_time(first + 9);
  return state;
}

std::optional<progress> read_one(sqlite_database& database, const pair_key& key) {
  auto& row = database.prepared("SELECT " WATCHKEEPER_STATE
                                " FROM progress WHERE student_id = ?1 AND module_id = ?2");
  row.bind_text(1, key.student.view()).bind_text(2, key.module.view());
  if (!row.step()) return std::nullopt;
  auto state = progress_from(row, 0);
  row.reset();
  return state;
}

/// The epoch that may follow an erasure of the student; 0: no erasure is known.
std::uint32_t next_epoch_of(sqlite_database& database, const student_id& student) {
  auto& row = database.prepared("SELECT next_epoch FROM erased_student WHERE student_id = ?1");
  row.bind_text(1, student.view());
  if (!row.step()) return 0;
  const auto epoch = static_cast<std::uint32_t>(row.integer(0));
  row.reset();
  return epoch;
}

/// What one checkpoint changes of the heatmaps.
struct heatmap_change {
  heatmap_growth added;
  heatmap_growth removed;  // of attempts that ended
  std::vector<heatmap_delta> grown;

  void write(sqlite_database& database) {
    change_viewers(database, std::exchange(removed, {}), false);
    add_deltas(grown, change_viewers(database, std::exchange(added, {}), true));
  }
};

/// Begins the epochs of these pairs that are later than those of their students.
void begin_later_epochs(sqlite_database& database, std::span<const pair_progress> pairs) {
  for (const auto& [key, state] : pairs) {
    const auto student = life_in(database, key.student);
    if (student.epoch == 0 || state.life.epoch <= student.epoch) continue;
    remove_epochs_below(database, key.student, state.life.epoch);
    put_life(database, key.student, life_of_epoch(state));
  }
}

progress checkpoint_one(sqlite_database& database, const pair_progress& pair, wall_ms now_ms,
                        heatmap_change& change) {
  const auto student = life_in(database, pair.key.student);
  const auto epoch = pair.state.life.epoch;
  if (student.epoch == 0) {
    const auto next_epoch = next_epoch_of(database, pair.key.student);
    return next_epoch > epoch ? ended_progress(next_epoch) : progress{};
  }
  if (epoch < student.epoch) return ended_progress(student.epoch);
  const auto recorded = read_one(database, pair.key);
  progress state = pair.state;
  if (recorded) merge(state, *recorded);
  state.covered.trim();
  const auto module = module_rules_of(database, pair.key.module);
  const auto before = recorded ? recorded->covered : coverage{};
  change.added.add(pair.key.module, module ? module->newest.rules.duration_ms : state.duration_ms,
                   state.covered.without(before));
  change.removed.add(pair.key.module, 0, before.without(state.covered));
  auto decision = decide_mastery(pair.key, state, module, now_ms);
  if (decision.newly) state.mastered_ms = now_ms;
  if (!recorded || *recorded != state) write_one(database, pair.key, state);
  if (decision.event && decision.event->revision == 0)
    name_revision(decision.event, state.covered, revisions_of(database, pair.key.module));
  if (decision.event) add_completion(database, *decision.event, now_ms);
  return state;
}

constexpr int state_columns = 10;

/// The columns student_id, module_id, WATCHKEEPER_STATE and WATCHKEEPER_MODULE_DURATION.
std::vector<listed_pair> read_pairs(sqlite_statement& row) {
  std::vector<listed_pair> items;
  while (row.step())
    items.push_back(
        {{{sqlite_id<student_id>(row, 0), sqlite_id<module_id>(row, 1)}, progress_from(row, 2)},
         static_cast<media_ms>(row.integer(2 + state_columns))});
  return items;
}

#define WATCHKEEPER_COMPLETION                                                                     \
  "sequence, student_id, module_id, rule_version, covered_ms, duration_ms,"                        \
  " threshold_centipercent, mastered_ms, epoch, attempt, revision FROM completion WHERE (?3 = '' " \
  "OR"                                                                                             \
  " student_id = ?3) AND (?4 = '' OR module_id = ?4)"

std::vector<completion> read_completions(sqlite_statement& row, std::int64_t sequence,
                                         std::size_t limit, const completion_filter& filter) {
  row.bind(1, sequence).bind(2, static_cast<std::int64_t>(page_items(limit)));
  row.bind_text(3, filter.student.view()).bind_text(4, filter.module.view());
  std::vector<completion> items;
  while (row.step())
    items.push_back({.sequence = row.integer(0),
                     .student = sqlite_id<student_id>(row, 1),
                     .module = sqlite_id<module_id>(row, 2),
                     .rule_version = static_cast<std::int32_t>(row.integer(3)),
                     .covered_ms = static_cast<media_ms>(row.integer(4)),
                     .duration_ms = static_cast<media_ms>(row.integer(5)),
                     .threshold_centipercent = static_cast<std::int32_t>(row.integer(6)),
                     .mastered_ms = row.wall_time(7),
                     .life = life_from(row, 8),
                     .revision = static_cast<std::int32_t>(row.integer(10))});
  return items;
}

media_ms duration_of_module(sqlite_database& database, const module_id& module) {
  const auto found = module_rules_of(database, module);
  return found ? found->newest.rules.duration_ms : 0;
}

}  // namespace

void write_one(sqlite_database& database, const pair_key& key, const progress& state) {
  database
      .prepared("INSERT OR REPLACE INTO progress (student_id, module_id, " WATCHKEEPER_STATE
                ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")
      .bind_text(1, key.student.view())
      .bind_text(2, key.module.view())
      .bind_blob(3, state.covered.encode())
      .bind(4, state.duration_ms)
      .bind(5, state.playtime_ms)
      .bind(6, state.resume_ms)
      .bind(7, state.resume_at_ms)
      .bind(8, state.updated_ms)
      .bind(9, state.mastered_ms)
      .bind(10, state.life.epoch)
      .bind(11, state.life.attempt)
      .bind(12, state.begins_ms)
      .run();
}

void add_completion(sqlite_database& database, const completion& event, wall_ms now_ms) {
  database
      .prepared(
          "INSERT INTO completion (student_id, module_id, rule_version, covered_ms,"
          " duration_ms, threshold_centipercent, mastered_ms, epoch, attempt, revision, sequence)"
          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
          "  (SELECT max(last_sequence + 1, ?11) FROM outbox))"
          " ON CONFLICT (student_id, module_id, rule_version, epoch, attempt) DO NOTHING")
      .bind_text(1, event.student.view())
      .bind_text(2, event.module.view())
      .bind(3, event.rule_version)
      .bind(4, event.covered_ms)
      .bind(5, event.duration_ms)
      .bind(6, event.threshold_centipercent)
      .bind(7, event.mastered_ms)
      .bind(8, event.life.epoch)
      .bind(9, event.life.attempt)
      .bind(10, event.revision)
      .bind(11, now_ms)
      .run();
  if (database.changes() == 0) return;
  database.prepared("UPDATE outbox SET last_sequence = ?1")
      .bind(1, database.last_insert_rowid())
      .run();
}

bool is_completed(sqlite_database& database, const pair_progress& pair) {
  auto& row = database.prepared(
      "SELECT 1 FROM completion WHERE student_id = ?1 AND module_id = ?2 AND rule_version = ?3"
      " AND epoch = ?4 AND attempt = ?5");
  row.bind_text(1, pair.key.student.view())
      .bind_text(2, pair.key.module.view())
      .bind(3, completion_rule_version)
      .bind(4, pair.state.life.epoch)
      .bind(5, pair.state.life.attempt);
  const bool found = row.step();
  row.reset();
  return found;
}

pairs_of_module read_pairs_of_module(sqlite_database& database, const module_id& module,
                                     std::string_view student, std::size_t limit) {
  auto& rows = database.prepared(
      "SELECT student_id, module_id, " WATCHKEEPER_STATE
      " FROM progress WHERE module_id = ?1 AND student_id > ?2 ORDER BY student_id LIMIT ?3");
  rows.bind_text(1, module.view()).bind_text(2, student).bind(3, static_cast<std::int64_t>(limit));
  pairs_of_module found;
  while (rows.step()) {
    const pair_key key{sqlite_id<student_id>(rows, 0), module};
    found.last = key.student;
    if (!is_readable([&] { found.readable.push_back({key, progress_from(rows, 2)}); }))
      found.unreadable.push_back(key);
  }
  return found;
}

/// As coverage::decode, but a row that was written before there was a limit may have more pieces.
coverage decode_coverage(std::string_view bytes) {
  constexpr std::size_t part_bytes = limits::coverage_intervals_max * 8;
  coverage whole;
  for (std::size_t at = 0; at < bytes.size(); at += part_bytes) {
    const auto part = coverage::decode(bytes.substr(at, part_bytes));
    if (!part) throw_corrupt("a coverage is not of the documented format");
    whole.unite(*part);
  }
  // Uniting made the parts fit each other: what was stored has to have been so already.
  if (bytes.size() > part_bytes && whole.encode() != bytes)
    throw_corrupt("a coverage is not sorted, or its gaps are not closed");
  return whole;
}

student_life life_in(sqlite_database& database, const student_id& student) {
  auto& row = database.prepared("SELECT epoch, begins_ms FROM student WHERE student_id = ?1");
  row.bind_text(1, student.view());
  if (!row.step()) return {};
  const student_life life{static_cast<std::uint32_t>(row.integer(0)), row.wall_time(1)};
  row.reset();
  return life;
}

namespace {

wall_ms last_credit_of(sqlite_database& database, const student_id& student) {
  auto& row = database.prepared(
      "SELECT max(updated_ms) FROM progress WHERE student_id = ?1 AND playtime_ms > 0");
  row.bind_text(1, student.view());
  row.step();
  const auto updated_ms = row.wall_time(0);  // of no row NULL, which reads as 0
  row.reset();
  return updated_ms;
}

}  // namespace

stored<std::vector<recorded_pair>> sqlite_ledger::look_up(std::span<const pair_key> keys) {
  return call([&](sqlite_database& database) {
    std::vector<recorded_pair> found;
    found.reserve(keys.size());
    sqlite_transaction reading(database, sqlite_transaction::mode::read);
    for (const auto& key : keys)
      found.push_back({life_in(database, key.student), read_one(database, key),
                       duration_of_module(database, key.module)});
    reading.commit();
    return found;
  });
}

stored<std::vector<wall_ms>> sqlite_ledger::last_credits(std::span<const student_id> students) {
  return call([&](sqlite_database& database) {
    std::vector<wall_ms> found;
    found.reserve(students.size());
    for (const auto& student : students) found.push_back(last_credit_of(database, student));
    return found;
  });
}

stored<std::vector<progress>> sqlite_ledger::checkpoint(std::span<const pair_progress> pairs,
                                                        wall_ms now_ms,
                                                        std::vector<heatmap_delta>* grown) {
  return call([&](sqlite_database& database) {
    std::vector<progress> states;
    states.reserve(pairs.size());
    sqlite_transaction work(database, sqlite_transaction::mode::write);
    begin_later_epochs(database, pairs);
    heatmap_change change;
    for (const auto& pair : pairs) states.push_back(checkpoint_one(database, pair, now_ms, change));
    change.write(database);
    count_transaction(database);
    work.commit();
    if (grown) *grown = std::move(change.grown);
    return states;
  });
}

stored<std::optional<progress>> sqlite_ledger::reset_progress(const pair_key& pair,
                                                              const std::optional<progress>& known,
                                                              const reset_order& order) {
  return call([&](sqlite_database& database) -> std::optional<progress> {
    sqlite_transaction work(database, sqlite_transaction::mode::write);
    const auto recorded = read_one(database, pair);
    if (!recorded && !known) return std::nullopt;
    const auto state = next_attempt(recorded, known, order.now_ms);
    if (life_in(database, pair.student).epoch != state.life.epoch) return std::nullopt;
    heatmap_growth seen;
    if (recorded) seen.add(pair.module, 0, recorded->covered.pieces());
    change_viewers(database, seen, false);
    write_one(database, pair, state);
    database
        .prepared(
            "INSERT INTO audit (at_ms, actor, action, erasure_id, progress_rows,"
            " completion_rows, assignment_rows, device_rows, student_id, module_id, reason)"
            " VALUES (?1, ?2, 'progress-reset', '', 1, 0, 0, 0, ?3, ?4, ?5)")
        .bind(1, order.now_ms)
        .bind_text(2, order.actor)
        .bind_text(3, pair.student.view())
        .bind_text(4, pair.module.view())
        .bind_text(5, order.reason)
        .run();
    note_change(database, registry_change::kind::progress_reset,
                std::string(pair.student.view()) + "/" + std::string(pair.module.view()));
    work.commit();
    return state;
  });
}

stored<page<listed_pair>> sqlite_ledger::progress_of_student(const student_id& student,
                                                             std::string_view cursor,
                                                             std::size_t limit) {
  if (!is_cursor<module_id>(cursor)) return page<listed_pair>{};
  return call([&](sqlite_database& database) {
    const auto items = page_items(limit);
    auto& rows = database.prepared(
        "SELECT student_id, module_id, " WATCHKEEPER_STATE ", " WATCHKEEPER_MODULE_DURATION
        " FROM progress WHERE student_id = ?1 AND module_id > ?2 ORDER BY module_id LIMIT ?3");
    rows.bind_text(1, student.view()).bind_text(2, cursor);
    rows.bind(3, static_cast<std::int64_t>(items + 1));
    return make_page(read_pairs(rows), items, [](const auto& item) { return item.key.module; });
  });
}

stored<page<listed_pair>> sqlite_ledger::progress_of_module(const module_id& module,
                                                            std::string_view cursor,
                                                            std::size_t limit) {
  if (!is_cursor<student_id>(cursor)) return page<listed_pair>{};
  return call([&](sqlite_database& database) {
    const auto items = page_items(limit);
    auto& rows = database.prepared(
        "SELECT student_id, module_id, " WATCHKEEPER_STATE ", " WATCHKEEPER_MODULE_DURATION
        " FROM progress WHERE module_id = ?1 AND student_id > ?2 ORDER BY student_id LIMIT ?3");
    rows.bind_text(1, module.view()).bind_text(2, cursor);
    rows.bind(3, static_cast<std::int64_t>(items + 1));
    return make_page(read_pairs(rows), items, [](const auto& item) { return item.key.student; });
  });
}

stored<std::vector<completion>> sqlite_ledger::completions(std::int64_t after_sequence,
                                                           std::size_t limit,
                                                           const completion_filter& filter) {
  return call([&](sqlite_database& database) {
    return read_completions(database.prepared("SELECT " WATCHKEEPER_COMPLETION
                                              " AND sequence > ?1 ORDER BY sequence LIMIT ?2"),
                            after_sequence, limit, filter);
  });
}

stored<std::vector<completion>> sqlite_ledger::newest_completions(std::int64_t before_sequence,
                                                                  std::size_t limit,
                                                                  const completion_filter& filter) {
  return call([&](sqlite_database& database) {
    return read_completions(database.prepared("SELECT " WATCHKEEPER_COMPLETION
                                              " AND sequence < ?1 ORDER BY sequence DESC LIMIT ?2"),
                            before_sequence, limit, filter);
  });
}

stored<std::vector<module_summary>> sqlite_ledger::summarize_modules() {
  return call([&](sqlite_database& database) {
    auto& row = database.prepared(
        "SELECT p.module_id, p.coverage, coalesce(m.duration_ms, p.duration_ms), p.mastered_ms"
        " FROM progress p LEFT JOIN module m ON m.module_id = p.module_id ORDER BY p.module_id");
    std::vector<module_summary> found;
    std::int64_t centipercent = 0;
    const auto finish = [&] {
      if (!found.empty())
        found.back().average_centipercent =
            static_cast<std::int32_t>(centipercent / found.back().students);
      centipercent = 0;
    };
    while (row.step()) {
      if (found.empty() || found.back().module.view() != row.text(0)) {
        finish();
        found.push_back({.module = sqlite_id<module_id>(row, 0)});
      }
      const auto covered = decode_coverage(row.blob(1));
      ++found.back().students;
      if (row.integer(3) != 0) ++found.back().mastered;
      const auto duration_ms = static_cast<media_ms>(row.integer(2));
      centipercent += completion_centipercent(covered.measured_ms(duration_ms), duration_ms);
    }
    finish();
    return found;
  });
}

}  // namespace watchkeeper::storage
