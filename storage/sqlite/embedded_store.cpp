#include "storage/sqlite/embedded_store.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <cassert>

#include "storage/limits.hpp"
#include "storage/sqlite/embedded_pair_row.hpp"

namespace watchkeeper::storage {

namespace {

using query = embedded_database::query;

storage_failure corrupt_row() {
  return {storage_error::corrupt, "a row of the hot store is not of the format"};
}

/// A cursor has the key of the last pair of the step before; '/' is in no id.
std::pair<std::string, std::string> key_of(const std::string& cursor) {
  const auto slash = std::min(cursor.find('/'), cursor.size());
  return {cursor.substr(0, slash), cursor.substr(std::min(slash + 1, cursor.size()))};
}

}  // namespace

embedded_store::embedded_store(std::string path, durability_level durability,
                               std::int64_t max_pages)
    : database_(std::move(path), durability, max_pages), versions_(std::random_device{}()) {}

template <class Body>
auto embedded_store::in_transaction(bool writes, Body body) -> decltype(body()) {
  try {
    database_.open();
    database_.run(writes ? query::begin_write : query::begin_read);
    auto result = body();
    database_.run(query::commit);
    return result;
  } catch (const sqlite_error& error) {
    database_.close();
    return error.failure();
  }
}

stored<std::vector<applied_credit>> embedded_store::apply(std::span<const hot_request> requests) {
  assert(requests.size() <= storage_limits::batch_heartbeats_max);
  if (requests.empty()) return std::vector<applied_credit>{};
  return in_transaction(true, [&]() -> stored<std::vector<applied_credit>> {
    batch loaded;
    auto applied = apply_all(requests, loaded);
    if (!applied) return corrupt_row();
    save(loaded);
    sweep(requests.size());
    return *std::move(applied);
  });
}

std::optional<std::vector<applied_credit>> embedded_store::apply_all(
    std::span<const hot_request> requests, batch& loaded) {
  std::vector<applied_credit> applied;
  applied.reserve(requests.size());
  bool all_failed = !requests.empty();
  for (const auto& request : requests) {
    applied.push_back(apply_one(request, loaded));
    all_failed = all_failed && applied.back().state == applied_state::failed;
  }
  if (all_failed) return std::nullopt;
  return applied;
}

hot_store::merged_and_applied embedded_store::merge_and_apply(
    std::span<const pair_progress> pairs, merge_origin from,
    std::span<const hot_request> requests) {
  assert(requests.size() <= storage_limits::batch_heartbeats_max);
  auto done = in_transaction(true, [&]() -> stored<merged_and_applied> {
    batch loaded;
    std::optional<storage_failure> failure;
    for (const auto& pair : pairs) merge_one(pair, from, loaded, failure);
    auto applied = apply_all(requests, loaded);
    save(loaded);
    sweep(requests.size());
    merged_and_applied both{ok, corrupt_row()};
    if (failure) both.merged = *failure;
    if (applied) both.applied = *std::move(applied);
    return both;
  });
  if (!done) return {done.error(), done.error()};
  return *std::move(done);
}

stored<std::vector<std::optional<progress>>> embedded_store::read(std::span<const pair_key> keys) {
  return in_transaction(false, [&]() -> stored<std::vector<std::optional<progress>>> {
    std::vector<std::optional<progress>> found;
    found.reserve(keys.size());
    for (const auto& key : keys) {
      auto row = database_.prepare(query::get_pair);
      row.bind(key.student.view()).bind(key.module.view());
      if (!row.step()) {
        found.emplace_back();
        continue;
      }
      auto pair = read_embedded_pair(row);
      if (!pair) return corrupt_row();
      found.emplace_back(std::move(pair->state));
    }
    return found;
  });
}

stored<ok_t> embedded_store::merge(std::span<const pair_progress> pairs, merge_origin from) {
  return in_transaction(true, [&]() -> stored<ok_t> {
    batch loaded;
    std::optional<storage_failure> failure;
    for (const auto& pair : pairs) merge_one(pair, from, loaded, failure);
    save(loaded);
    if (failure) return *failure;
    return ok;
  });
}

stored<std::vector<module_id>> embedded_store::modules_of(const student_id& student) {
  return in_transaction(false, [&]() -> stored<std::vector<module_id>> {
    std::vector<module_id> modules;
    auto rows = database_.prepare(query::modules_of);
    rows.bind(student.view());
    while (rows.step()) {
      const auto module = module_id::parse(rows.bytes());
      if (!module) return corrupt_row();
      modules.push_back(*module);
    }
    return modules;
  });
}

stored<dirty_sample> embedded_store::read_dirty(partition_index partition, std::size_t pairs_max) {
  return in_transaction(false, [&]() -> stored<dirty_sample> {
    dirty_sample found;
    auto rows = database_.prepare(query::dirty_pairs);
    rows.bind(std::int64_t{partition}).bind(static_cast<std::int64_t>(pairs_max));
    while (rows.step()) {
      const auto student = student_id::parse(rows.bytes());
      const auto module = module_id::parse(rows.bytes());
      auto pair = read_embedded_pair(rows);
      if (student && module && pair)
        found.pairs.push_back({{*student, *module}, std::move(pair->state), pair->version});
      else if (student && module)
        found.unreadable.push_back(fmt::format("{}/{}", student->view(), module->view()));
      else
        found.unreadable.emplace_back("a pair whose key is no pair of ids");
    }
    return found;
  });
}

stored<ok_t> embedded_store::mark_clean(partition_index, std::span<const dirty_pair> pairs) {
  return in_transaction(true, [&]() -> stored<ok_t> {
    for (const auto& pair : pairs)
      database_.prepare(query::clean_pair)
          .bind(pair.key.student.view())
          .bind(pair.key.module.view())
          .bind(static_cast<std::int64_t>(pair.version))
          .step();
    return ok;
  });
}

stored<std::uint64_t> embedded_store::dirty_count() {
  return in_transaction(false, [&]() -> stored<std::uint64_t> {
    auto row = database_.prepare(query::dirty_count);
    row.step();
    return static_cast<std::uint64_t>(row.number());
  });
}

stored<std::string> embedded_store::mark_all_dirty(const std::string& cursor) {
  return in_transaction(true, [&]() -> stored<std::string> {
    const auto [student, module] = key_of(cursor);
    std::string last_student, last_module;
    {
      auto row = database_.prepare(query::last_to_mark);
      row.bind(student).bind(module).bind(
          static_cast<std::int64_t>(storage_limits::mark_dirty_pairs_max) - 1);
      if (row.step()) {
        last_student = row.bytes();
        last_module = row.bytes();
      }
    }
    const bool is_last = last_student.empty();
    if (is_last) last_student = "\x7f";  // above every id
    database_.prepare(query::mark_dirty)
        .bind(student)
        .bind(module)
        .bind(last_student)
        .bind(last_module)
        .step();
    return is_last ? std::string() : last_student + "/" + last_module;
  });
}

stored<idle_sample> embedded_store::read_idle(const std::string& cursor, wall_ms now_ms,
                                              std::int64_t idle_ms) {
  return in_transaction(false, [&]() -> stored<idle_sample> {
    const auto [student, module] = key_of(cursor);
    auto rows = database_.prepare(query::walk_pairs);
    rows.bind(student)
        .bind(module)
        .bind(now_ms - idle_ms)
        .bind(static_cast<std::int64_t>(storage_limits::retire_pairs_max));
    idle_sample found;
    for (std::size_t seen = 1; rows.step(); ++seen) {
      const std::string last_student(rows.bytes()), last_module(rows.bytes());
      if (seen == storage_limits::retire_pairs_max) found.cursor = last_student + "/" + last_module;
      if (rows.number() == 0) continue;
      auto pair = read_embedded_pair(rows);
      const auto student_of = student_id::parse(last_student);
      const auto module_of = module_id::parse(last_module);
      if (pair && student_of && module_of)
        found.pairs.push_back({{*student_of, *module_of}, std::move(pair->state), pair->version});
    }
    return found;
  });
}

stored<std::uint64_t> embedded_store::retire(std::span<const idle_pair> pairs, wall_ms) {
  if (pairs.empty()) return std::uint64_t{0};
  return in_transaction(true, [&]() -> stored<std::uint64_t> {
    std::uint64_t retired = 0;
    for (const auto& pair : pairs) {
      database_.prepare(query::retire_pair)
          .bind(pair.key.student.view())
          .bind(pair.key.module.view())
          .bind(static_cast<std::int64_t>(pair.version))
          .step();
      retired += static_cast<std::uint64_t>(database_.changes());
    }
    return retired;
  });
}

stored<std::optional<ledger_identity>> embedded_store::known_ledger() {
  return in_transaction(false, [&]() -> stored<std::optional<ledger_identity>> {
    auto row = database_.prepare(query::known_ledger);
    if (!row.step()) return std::optional<ledger_identity>();
    auto known = decode_ledger_identity(row.bytes());
    if (!known) return corrupt_row();
    return known;
  });
}

stored<ok_t> embedded_store::remember_ledger(const ledger_identity& seen) {
  return in_transaction(true, [&]() -> stored<ok_t> {
    const auto text = encode(seen);
    database_.prepare(query::remember_ledger).bind(text).step();
    return ok;
  });
}

stored<ok_t> embedded_store::end_epochs_below(const student_id& student, std::uint32_t epoch,
                                              wall_ms now_ms) {
  return in_transaction(true, [&]() -> stored<ok_t> {
    batch loaded;
    auto& known = load_student(student, loaded);
    if (known.epoch_at(now_ms) < epoch) known = {credit_bucket{}, epoch, now_ms, true};
    database_.prepare(query::end_pairs).bind(student.view()).bind(std::int64_t{known.epoch}).step();
    save(loaded);
    return ok;
  });
}

stored<hot_student> embedded_store::find_student(const student_id& student, wall_ms now_ms) {
  return in_transaction(false, [&]() -> stored<hot_student> {
    batch loaded;
    const auto& known = load_student(student, loaded);
    if (known.is_idle(now_ms)) return hot_student{};
    return hot_student{known.epoch, known.bucket != credit_bucket{}};
  });
}

stored<trace_removal> embedded_store::remove_traces() {
  try {
    database_.open();
    return database_.truncate_wal() ? trace_removal::done : trace_removal::waiting;
  } catch (const sqlite_error& error) {
    database_.close();
    return error.failure();
  }
}

namespace {
hot_store_health health_of(bool syncs_fully) {
  return {syncs_fully ? durability_level::fsync : durability_level::log,
          fmt::format("SQLite {}, WAL, synchronous {}", sqlite3_libversion(),
                      syncs_fully ? "full" : "normal")};
}
}  // namespace

stored<hot_store_health> embedded_store::health() {
  return in_transaction(
      false, [&]() -> stored<hot_store_health> { return health_of(database_.syncs_fully()); });
}

stored<hot_store_look> look_at_embedded_store(const std::string& path,
                                              durability_level durability) {
  try {
    return hot_store_look{health_of(durability == durability_level::fsync),
                          embedded_database::changes_at_start(path)};
  } catch (const sqlite_error& error) {
    return error.failure();
  }
}

std::unique_ptr<hot_store> make_embedded_store(const std::string& path,
                                               durability_level durability) {
  return std::make_unique<embedded_store>(path, durability);
}

}  // namespace watchkeeper::storage
