#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <pqxx/nontransaction.hxx>
#include <pqxx/transaction.hxx>

#include "storage/heatmap_growth.hpp"
#include "storage/ledger_rules.hpp"
#include "storage/postgres/completions.hpp"
#include "storage/postgres/heatmap.hpp"
#include "storage/postgres/ledger.hpp"
#include "storage/postgres/lives.hpp"
#include "storage/postgres/row.hpp"
#include "storage/postgres/text.hpp"

namespace watchkeeper::storage::postgres {

progress progress_from(const pqxx::row& row, pqxx::row::size_type first) {
  auto covered = parse_multirange(text_of(row[first]));
  if (!covered) throw decode_error("a coverage is not sorted, or its gaps are not closed");
  progress state;
  state.covered = std::move(*covered);
  state.duration_ms = number_of<media_ms>(row[first + 1]);
  state.playtime_ms = number_of<std::int64_t>(row[first + 2]);
  state.resume_ms = number_of<media_ms>(row[first + 3]);
  state.resume_at_ms = wall_time_of(row[first + 4]);
  state.updated_ms = wall_time_of(row[first + 5]);
  state.mastered_ms = wall_time_of(row[first + 6]);
  state.life = {number_of<std::uint32_t>(row[first + 7]), number_of<std::uint32_t>(row[first + 8])};
  state.begins_ms = wall_time_of(row[first + 9]);
  return state;
}

void set_mastered(pqxx::work& work, const std::vector<pair_key>& pairs, wall_ms now_ms) {
  if (pairs.empty()) return;
  array_literal students, modules;
  for (const auto& pair : pairs) {
    students.add(pair.student.view());
    modules.add(pair.module.view());
  }
  work.exec_prepared("set_mastered", students.text(), modules.text(), now_ms.value());
}

void add_completions(pqxx::work& work, const std::vector<completion>& events, wall_ms now_ms) {
  if (events.empty()) return;
  array_literal students, modules, covered, durations, thresholds, mastered, epochs, attempts,
      revisions;
  for (const auto& event : events) {
    students.add(event.student.view());
    modules.add(event.module.view());
    covered.add(std::int64_t{event.covered_ms});
    durations.add(std::int64_t{event.duration_ms});
    thresholds.add(std::int64_t{event.threshold_centipercent});
    mastered.add(event.mastered_ms);
    epochs.add(std::int64_t{event.life.epoch});
    attempts.add(std::int64_t{event.life.attempt});
    revisions.add(std::int64_t{event.revision});
  }
  work.exec_prepared("lock_completion");
  work.exec_prepared("add_completions", students.text(), modules.text(), covered.text(),
                     durations.text(), thresholds.text(), mastered.text(), completion_rule_version,
                     epochs.text(), attempts.text(), revisions.text(), now_ms.value());
}

namespace {

pair_key key_from(const pqxx::row& row) {
  return {id_of<student_id>(row[0]), id_of<module_id>(row[1])};
}

bool before(const pair_key& a, const pair_key& b) noexcept {
  return a.student != b.student ? a.student < b.student : a.module < b.module;
}

/// Places of `count` keys, in the order of the keys.
template <class KeyAt>
std::vector<std::size_t> sorted_places(std::size_t count, KeyAt&& key_at) {
  std::vector<std::size_t> places(count);
  std::iota(places.begin(), places.end(), std::size_t{0});
  std::sort(places.begin(), places.end(),
            [&](std::size_t a, std::size_t b) { return before(key_at(a), key_at(b)); });
  return places;
}

/// The first of the places whose key is `key`.
template <class KeyAt>
auto find_place(const std::vector<std::size_t>& places, const pair_key& key, KeyAt&& key_at) {
  const auto at =
      std::lower_bound(places.begin(), places.end(), key,
                       [&](std::size_t a, const pair_key& k) { return before(key_at(a), k); });
  if (at == places.end() || key_at(*at) != key) throw decode_error("a row nobody asked for");
  return at;
}

/// The arrays of the statement `checkpoint`.
struct checkpoint_columns {
  array_literal students, modules, covered, durations, playtimes, resumes, resumed_at, updated,
      mastered, epochs, attempts, begins;

  void add(const pair_progress& pair) {
    students.add(pair.key.student.view());
    modules.add(pair.key.module.view());
    covered.add(multirange(pair.state.covered));
    durations.add(std::int64_t{pair.state.duration_ms});
    playtimes.add(pair.state.playtime_ms);
    resumes.add(std::int64_t{pair.state.resume_ms});
    resumed_at.add(pair.state.resume_at_ms);
    updated.add(pair.state.updated_ms);
    mastered.add(pair.state.mastered_ms);
    epochs.add(std::int64_t{pair.state.life.epoch});
    attempts.add(std::int64_t{pair.state.life.attempt});
    begins.add(pair.state.begins_ms);
  }
};

/// What a coverage gained in a checkpoint, and what it lost: of an attempt that ended, or pieces
/// that gave way.
struct coverage_change {
  std::vector<media_interval> fresh, gone;
};

coverage_change change_from(const pqxx::row& row, pqxx::row::size_type first) {
  auto fresh = parse_ranges(text_of(row[first]));
  auto gone = parse_ranges(text_of(row[first + 1]));
  if (!fresh || !gone) throw decode_error("what a coverage grew by is not sorted");
  return {*std::move(fresh), *std::move(gone)};
}

/// The upsert unites without a limit: this takes away what a union has beyond it.
coverage_change trim(pqxx::work& work, const pair_key& pair, coverage& covered) {
  covered.trim();
  const auto rows = work.exec_prepared("put_coverage", text(pair.student.view()),
                                       text(pair.module.view()), multirange(covered));
  return change_from(rows.at(0), 0);
}

std::vector<progress> checkpoint_once(pqxx::connection& connection,
                                      std::span<const pair_progress> pairs, wall_ms now_ms,
                                      std::vector<heatmap_delta>* grown) {
  const auto key_at = [&](std::size_t i) -> const pair_key& { return pairs[i].key; };
  const auto places = sorted_places(pairs.size(), key_at);
  checkpoint_columns given;
  for (const auto place : places) given.add(pairs[place]);

  pqxx::work work(connection);
  work.exec_prepared("lock_erasure_shared");
  const auto rows = work.exec_prepared(
      "checkpoint", given.students.text(), given.modules.text(), given.covered.text(),
      given.durations.text(), given.playtimes.text(), given.resumes.text(), given.resumed_at.text(),
      given.updated.text(), given.mastered.text(), given.epochs.text(), given.attempts.text(),
      given.begins.text());

  std::vector<progress> states(pairs.size());
  std::vector<pair_key> newly_mastered;
  std::vector<completion> events;
  heatmap_growth growth, removed;
  for (const auto& row : rows) {
    const auto place = *find_place(places, key_from(row), key_at);
    const auto& key = pairs[place].key;
    auto& state = states[place];
    state = progress_from(row, 2);

    constexpr pqxx::row::size_type after_state = 2 + state_columns;
    std::optional<recorded_module> module;
    if (!row[after_state].is_null()) module = module_rules_from(row, after_state);
    constexpr pqxx::row::size_type after_rules = after_state + rules_columns;
    auto change = change_from(row, after_rules + 1);
    if (state.covered.pieces().size() > limits::coverage_intervals_max)
      change = trim(work, key, state.covered);
    growth.add(key.module, module ? module->newest.rules.duration_ms : state.duration_ms,
               change.fresh);
    removed.add(key.module, 0, change.gone);
    auto decision = decide_mastery(key, state, module, now_ms);
    if (decision.newly) {
      state.mastered_ms = now_ms;
      newly_mastered.push_back(key);
    }
    if (!decision.event || row[after_rules].as<bool>()) continue;
    if (decision.event->revision == 0)
      name_revision(decision.event, state.covered, revisions_of(work, key.module));
    if (decision.event) events.push_back(*decision.event);
  }
  set_mastered(work, newly_mastered, now_ms);
  change_viewers(work, removed, false);
  auto added = change_viewers(work, growth, true);
  add_completions(work, events, now_ms);
  work.exec_prepared("count_transaction");
  work.commit();
  if (grown) *grown = std::move(added);
  return states;
}

/// What the ledger knows of the epochs of some students.
struct known_epochs {
  std::map<student_id, student_life> lives;
  std::map<student_id, std::uint32_t> next;  // of those who were erased
};

known_epochs read_epochs(pqxx::transaction_base& reading, std::span<const pair_progress> pairs,
                         const std::vector<std::size_t>& places) {
  array_literal students;
  for (const auto i : places) students.add(pairs[i].key.student.view());
  known_epochs known;
  for (const auto& row : reading.exec_prepared("lives", students.text()))
    known.lives.emplace(id_of<student_id>(row[0]), life_from(row, 1));
  for (const auto& row : reading.exec_prepared("next_epochs", students.text()))
    known.next.emplace(id_of<student_id>(row[0]), number_of<std::uint32_t>(row[1]));
  return known;
}

/// Whether a pair that was passed over is not to be written: its epoch has ended, which `state`
/// then says, or nobody is enrolled for it.
bool is_over(const known_epochs& known, const pair_progress& pair, progress& state) {
  const auto epoch = pair.state.life.epoch;
  if (const auto found = known.lives.find(pair.key.student); found != known.lives.end()) {
    if (epoch >= found->second.epoch) return false;
    state = ended_progress(found->second.epoch);
    return true;
  }
  const auto next = known.next.find(pair.key.student);
  if (next != known.next.end() && next->second > epoch) state = ended_progress(next->second);
  return true;
}

/// Looks at the pairs that checkpoint_once() has passed over, whose state is of no life. Begins the
/// epochs that are later than those of their students, and puts the places of these pairs into
/// `to_repeat`; the others have ended.
void judge_passed_over(pqxx::connection& connection, std::span<const pair_progress> pairs,
                       std::vector<progress>& states, std::vector<std::size_t>& to_repeat) {
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (states[i].life == life_number{}) left.push_back(i);
  const auto drop_ended = [&](const known_epochs& known) {
    std::erase_if(left, [&](std::size_t i) { return is_over(known, pairs[i], states[i]); });
  };
  if (left.empty()) return;
  {
    // Mostly all of them: that takes no lock for which other checkpoints would have to wait, and
    // whose wait would fail the call although its pairs are committed.
    pqxx::nontransaction reading(connection);
    drop_ended(read_epochs(reading, pairs, left));
  }
  if (left.empty()) return;
  pqxx::work work(connection);
  work.exec_prepared("lock_erasure");
  auto known = read_epochs(work, pairs, left);
  drop_ended(known);
  for (const auto i : left) {
    const auto& [key, state] = pairs[i];
    auto& life = known.lives.at(key.student);
    if (state.life.epoch > life.epoch) {
      (void)remove_epochs_below(work, key.student, state.life.epoch);
      put_life(work, key.student, life = life_of_epoch(state));
    }
    to_repeat.push_back(i);
  }
  // What the same call has written in an epoch that ended just now is gone again.
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (const auto found = known.lives.find(pairs[i].key.student);
        found != known.lives.end() && states[i].life.attempt > 0 &&
        states[i].life.epoch < found->second.epoch)
      states[i] = ended_progress(found->second.epoch);
  work.commit();
}

/// The duration of a module that the ledger may not have.
media_ms duration_from(const pqxx::field& field) {
  return field.is_null() ? 0 : number_of<media_ms>(field);
}

std::vector<listed_pair> pairs_from(const pqxx::result& rows) {
  std::vector<listed_pair> items;
  items.reserve(rows.size());
  for (const auto& row : rows)
    items.push_back(
        {{key_from(row), progress_from(row, 2)}, duration_from(row[2 + state_columns])});
  return items;
}

}  // namespace

stored<std::vector<recorded_pair>> postgres_ledger::look_up(std::span<const pair_key> keys) {
  std::vector<recorded_pair> found(keys.size());
  if (keys.empty()) return found;
  return session_.call([&](pqxx::connection& connection) {
    array_literal students, modules;
    for (const auto& key : keys) {
      students.add(key.student.view());
      modules.add(key.module.view());
    }
    pqxx::nontransaction reading(connection);
    const auto rows = reading.exec_prepared("look_up", students.text(), modules.text());

    const auto key_at = [&](std::size_t i) -> const pair_key& { return keys[i]; };
    const auto places = sorted_places(keys.size(), key_at);
    constexpr pqxx::row::size_type after_state = 2 + state_columns;
    for (const auto& row : rows) {
      const auto key = key_from(row);
      recorded_pair pair{.student = life_from(row, after_state),
                         .state = std::nullopt,
                         .duration_ms = duration_from(row[after_state + 2])};
      if (!row[2].is_null()) pair.state = progress_from(row, 2);
      // A key that was asked for twice has a row for each time, and is answered in both places.
      for (auto at = find_place(places, key, key_at); at != places.end() && keys[*at] == key; ++at)
        found[*at] = pair;
    }
    return std::move(found);
  });
}

stored<std::vector<wall_ms>> postgres_ledger::last_credits(std::span<const student_id> students) {
  std::vector<wall_ms> found(students.size(), never);
  if (students.empty()) return found;
  return session_.call([&](pqxx::connection& connection) {
    array_literal ids;
    for (const auto& student : students) ids.add(student.view());
    pqxx::nontransaction reading(connection);
    std::map<std::string_view, wall_ms> credited;
    const auto rows = reading.exec_prepared("last_credits", ids.text());
    for (const auto& row : rows) credited.emplace(text_of(row[0]), wall_time_of(row[1]));
    for (std::size_t i = 0; i < students.size(); ++i)
      if (const auto at = credited.find(students[i].view()); at != credited.end())
        found[i] = at->second;
    return std::move(found);
  });
}

stored<std::vector<progress>> postgres_ledger::checkpoint(std::span<const pair_progress> pairs,
                                                          wall_ms now_ms,
                                                          std::vector<heatmap_delta>* grown) {
  if (grown) grown->clear();
  if (pairs.empty()) return std::vector<progress>{};
  return session_.call([&](pqxx::connection& connection) {
    auto states = checkpoint_once(connection, pairs, now_ms, grown);
    // Passed over: of an epoch that ended, of nobody who is enrolled, or, because this ledger has
    // come back older, of one that is to begin.
    std::vector<pair_progress> of_later_epochs;
    std::vector<std::size_t> places;
    judge_passed_over(connection, pairs, states, places);
    if (places.empty()) return states;
    for (const auto i : places) of_later_epochs.push_back(pairs[i]);
    std::vector<heatmap_delta> more;
    const auto again = checkpoint_once(connection, of_later_epochs, now_ms, &more);
    for (std::size_t i = 0; i < places.size(); ++i) states[places[i]] = again[i];
    // The heatmaps of epochs that ended have shrunk, which deltas do not tell.
    if (grown) add_deltas(*grown, more);
    return states;
  });
}

stored<std::optional<progress>> postgres_ledger::reset_progress(
    const pair_key& pair, const std::optional<progress>& known, const reset_order& order) {
  return session_.call([&](pqxx::connection& connection) -> std::optional<progress> {
    pqxx::work work(connection);
    work.exec_prepared("lock_erasure");  // no checkpoint of the pair goes on meanwhile
    array_literal students, modules;
    students.add(pair.student.view());
    modules.add(pair.module.view());
    const auto rows = work.exec_prepared("look_up", students.text(), modules.text());
    if (rows.empty()) return std::nullopt;
    std::optional<progress> recorded;
    if (!rows[0][2].is_null()) recorded = progress_from(rows[0], 2);
    if (!recorded && !known) return std::nullopt;
    const auto state = next_attempt(recorded, known, order.now_ms);
    if (life_from(rows[0], 2 + state_columns).epoch != state.life.epoch) return std::nullopt;
    work.exec_prepared("put_progress", text(pair.student.view()), text(pair.module.view()),
                       state.duration_ms, state.updated_ms.value(), std::int64_t{state.life.epoch},
                       std::int64_t{state.life.attempt}, state.begins_ms.value());
    heatmap_growth seen;
    if (recorded) seen.add(pair.module, 0, recorded->covered.pieces());
    change_viewers(work, seen, false);
    work.exec_prepared("audit_reset", order.now_ms.value(), text(order.actor),
                       text(pair.student.view()), text(pair.module.view()), text(order.reason));
    work.exec_prepared("note_reset", text(pair.student.view()) + "/" + text(pair.module.view()));
    work.commit();
    return state;
  });
}

stored<page<listed_pair>> postgres_ledger::progress_of_student(const student_id& student,
                                                               std::string_view cursor,
                                                               std::size_t limit) {
  if (!is_cursor<module_id>(cursor)) return page<listed_pair>{};
  return session_.call([&](pqxx::connection& connection) {
    const auto items = page_items(limit);
    pqxx::nontransaction reading(connection);
    const auto rows = reading.exec_prepared("progress_of_student", text(student.view()),
                                            text(cursor), static_cast<std::int64_t>(items + 1));
    return make_page(pairs_from(rows), items, [](const auto& item) { return item.key.module; });
  });
}

stored<page<listed_pair>> postgres_ledger::progress_of_module(const module_id& module,
                                                              std::string_view cursor,
                                                              std::size_t limit) {
  if (!is_cursor<student_id>(cursor)) return page<listed_pair>{};
  return session_.call([&](pqxx::connection& connection) {
    const auto items = page_items(limit);
    pqxx::nontransaction reading(connection);
    const auto rows = reading.exec_prepared("progress_of_module", text(module.view()), text(cursor),
                                            static_cast<std::int64_t>(items + 1));
    return make_page(pairs_from(rows), items, [](const auto& item) { return item.key.student; });
  });
}

stored<std::vector<completion>> postgres_ledger::completions(std::int64_t after_sequence,
                                                             std::size_t limit,
                                                             const completion_filter& filter) {
  return read_completions("completions", after_sequence, limit, filter);
}

stored<std::vector<completion>> postgres_ledger::newest_completions(
    std::int64_t before_sequence, std::size_t limit, const completion_filter& filter) {
  return read_completions("newest_completions", before_sequence, limit, filter);
}

stored<std::vector<completion>> postgres_ledger::read_completions(const char* statement,
                                                                  std::int64_t sequence,
                                                                  std::size_t limit,
                                                                  const completion_filter& filter) {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::work reading(connection);
    // Which index is right depends on which of the filters is there.
    if (!filter.student.empty() || !filter.module.empty())
      reading.exec("SET LOCAL plan_cache_mode = force_custom_plan");
    const auto rows =
        reading.exec_prepared(statement, sequence, static_cast<std::int64_t>(page_items(limit)),
                              text(filter.student.view()), text(filter.module.view()));
    std::vector<completion> items;
    items.reserve(rows.size());
    for (const auto& row : rows)
      items.push_back({.sequence = number_of<std::int64_t>(row[0]),
                       .student = id_of<student_id>(row[1]),
                       .module = id_of<module_id>(row[2]),
                       .rule_version = number_of<std::int32_t>(row[3]),
                       .covered_ms = number_of<media_ms>(row[4]),
                       .duration_ms = number_of<media_ms>(row[5]),
                       .threshold_centipercent = number_of<std::int32_t>(row[6]),
                       .mastered_ms = wall_time_of(row[7]),
                       .life = {number_of<std::uint32_t>(row[8]), number_of<std::uint32_t>(row[9])},
                       .revision = number_of<std::int32_t>(row[10])});
    return items;
  });
}

stored<std::vector<module_summary>> postgres_ledger::summarize_modules() {
  return session_.call([&](pqxx::connection& connection) {
    pqxx::nontransaction reading(connection);
    const auto rows = reading.exec_prepared("summarize_modules");
    std::vector<module_summary> found;
    found.reserve(rows.size());
    for (const auto& row : rows)
      found.push_back({.module = id_of<module_id>(row[0]),
                       .students = number_of<std::int64_t>(row[1]),
                       .mastered = number_of<std::int64_t>(row[2]),
                       .average_centipercent = number_of<std::int32_t>(row[3])});
    return found;
  });
}

}  // namespace watchkeeper::storage::postgres
