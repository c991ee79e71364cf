#include "storage/embedded_store.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <cassert>

namespace watchkeeper {

namespace {

using query = embedded_database::query;

// The sweep looks at half a row a request: the table cannot grow faster than one row a request, and
// a session brings many.
constexpr std::size_t sweep_every_requests = 32;
constexpr std::size_t sweep_rows = 16;

storage_failure corrupt_row() {
  return {storage_error::corrupt, "a row of the hot store is not of the format"};
}

std::string_view bytes_of(const thumbprint& kid) {
  return {reinterpret_cast<const char*>(kid.bytes.data()), kid.bytes.size()};
}

bool is_media(std::int64_t v) {
  return v >= 0 && v <= 0x7fff'ffff;
}

/// The columns covered … version, in that order.
struct pair_row {
  progress state;
  std::uint64_t version = 0;
};
std::optional<pair_row> read_pair(embedded_statement& row) {
  pair_row pair;
  auto covered = coverage::decode(row.bytes());
  const auto duration_ms = row.number();
  pair.state.playtime_ms = row.number();
  const auto resume_ms = row.number();
  pair.state.resume_at_ms = row.number();
  pair.state.updated_ms = row.number();
  pair.state.mastered_ms = row.number();
  pair.version = static_cast<std::uint64_t>(row.number());
  if (!covered || !is_media(duration_ms) || !is_media(resume_ms) || pair.state.playtime_ms < 0)
    return std::nullopt;
  pair.state.covered = std::move(*covered);
  pair.state.duration_ms = static_cast<media_ms>(duration_ms);
  pair.state.resume_ms = static_cast<media_ms>(resume_ms);
  return pair;
}

}  // namespace

embedded_store::embedded_store(std::string path, durability worth, std::int64_t max_pages)
    : database_(std::move(path), worth, max_pages), versions_(std::random_device{}()) {}

template <class Body>
auto embedded_store::in_transaction(bool writes, Body body) -> decltype(body()) {
  try {
    database_.open();
    database_.run(writes ? query::begin_write : query::begin_read);
    auto answer = body();
    database_.run(query::commit);
    return answer;
  } catch (const embedded_fault& fault) {
    database_.close();
    return fault.failure;
  }
}

embedded_store::held_pair& embedded_store::load_pair(const pair_key& key, batch& held) {
  const auto [it, is_new] = held.pairs.try_emplace(key);
  auto& pair = it->second;
  if (!is_new) return pair;
  auto row = database_.prepare(query::get_pair);
  row.bind(key.student.view()).bind(key.module.view());
  if (!row.step()) return pair;
  pair.exists = true;
  auto found = read_pair(row);
  pair.dirty = row.number() != 0;
  if (!found) {
    pair.corrupt = true;
    return pair;
  }
  pair.state = std::move(found->state);
  pair.version = found->version;
  return pair;
}

embedded_store::held_student& embedded_store::load_student(const student_id& id, batch& held) {
  const auto [it, is_new] = held.students.try_emplace(id);
  auto& student = it->second;
  if (!is_new) return student;
  auto row = database_.prepare(query::get_student);
  row.bind(id.view());
  if (!row.step()) return student;
  student.erased = row.number() != 0;
  const auto level_us = row.number();
  const auto refilled_at_ms = row.number();
  student.bucket = credit_bucket(level_us, refilled_at_ms);
  student.touched_ms = row.number();
  return student;
}

embedded_store::held_session& embedded_store::load_session(const session_key_id& id, batch& held) {
  const auto [it, is_new] = held.sessions.try_emplace(id);
  auto& session = it->second;
  if (!is_new) return session;
  auto row = database_.prepare(query::get_session);
  row.bind_blob(bytes_of(id.device)).bind(id.session.view());
  if (!row.step()) return session;
  const auto module = module_id::parse(row.bytes());
  const auto highest = row.number();
  const auto seen = static_cast<std::uint64_t>(row.number());
  session.touched_ms = row.number();
  session.corrupt = !module || highest < 0 || highest > limits::sequence_max || seen == 0;
  if (session.corrupt) return session;
  session.state.module = *module;
  session.state.window = replay_window(static_cast<std::uint32_t>(highest), seen);
  return session;
}

bool embedded_store::is_erased(held_student& student, unix_ms now_ms) {
  if (!student.erased) return false;
  if (student.touched_ms == 0) {
    // No request had told the time when the student was erased: the refusal starts with this one.
    student.touched_ms = now_ms;
    student.changed = true;
  }
  return now_ms - student.touched_ms < limits::student_ttl_ms;
}

applied_credit embedded_store::apply_one(const hot_request& request, batch& held) {
  const auto& credit = request.credit;
  const auto now_ms = credit.now_ms;
  latest_now_ms_ = std::max(latest_now_ms_, now_ms);
  applied_credit answer;
  auto& student = load_student(credit.student, held);
  if (is_erased(student, now_ms)) {
    answer.how = applied_credit::state::done;
    answer.outcome.why = problem::unknown_device;
    if (request.want_coverage) answer.covered.emplace();
    return answer;
  }
  auto& pair = load_pair(credit.pair(), held);
  if (!pair.exists) {
    answer.how = applied_credit::state::pair_missing;
    return answer;
  }
  auto& session = load_session(credit.session_key(), held);
  if (pair.corrupt || session.corrupt) return answer;  // failed

  const bool session_expired = now_ms - session.touched_ms >= limits::session_ttl_ms;
  const bool student_expired =
      student.erased || now_ms - student.touched_ms >= limits::student_ttl_ms;
  auto window = session_expired ? session_state{} : session.state;
  auto bucket = student_expired ? credit_bucket{} : student.bucket;
  answer.outcome = apply_credit(credit, window, bucket, pair.state);
  answer.how = applied_credit::state::done;
  if (answer.outcome.status <= credit_status::limited) {
    session.state = window;
    session.touched_ms = now_ms;
    session.changed = true;
    student = {bucket, false, now_ms, true};
    ++pair.version;
    pair.changed = pair.mark_dirty = true;
  }
  if (request.want_coverage) answer.covered = pair.state.covered;
  return answer;
}

void embedded_store::save_pair(const pair_key& key, const held_pair& pair) {
  const bool dirty = pair.dirty || pair.mark_dirty;
  const bool updates = pair.exists && dirty == pair.dirty;
  const auto covered = pair.state.covered.encode();
  auto row = database_.prepare(updates ? query::update_pair : query::put_pair);
  row.bind(key.student.view())
      .bind(key.module.view())
      .bind_blob(covered)
      .bind(pair.state.duration_ms)
      .bind(pair.state.playtime_ms)
      .bind(pair.state.resume_ms)
      .bind(pair.state.resume_at_ms)
      .bind(pair.state.updated_ms)
      .bind(pair.state.mastered_ms)
      .bind(static_cast<std::int64_t>(pair.version));
  if (!updates) row.bind(std::int64_t{partition_of(key.student)}).bind(std::int64_t{dirty});
  row.step();
}

void embedded_store::save(const batch& held) {
  for (const auto& [key, pair] : held.pairs)
    if (pair.changed) save_pair(key, pair);
  for (const auto& [id, student] : held.students)
    if (student.changed)
      database_.prepare(query::put_student)
          .bind(id.view())
          .bind(std::int64_t{student.erased})
          .bind(student.bucket.level_us())
          .bind(student.bucket.refilled_at_ms())
          .bind(student.touched_ms)
          .step();
  for (const auto& [id, session] : held.sessions)
    if (session.changed)
      database_.prepare(query::put_session)
          .bind_blob(bytes_of(id.device))
          .bind(id.session.view())
          .bind(session.state.module.view())
          .bind(std::int64_t{session.state.window.highest()})
          .bind(static_cast<std::int64_t>(session.state.window.seen()))
          .bind(session.touched_ms)
          .step();
}

stored<std::vector<applied_credit>> embedded_store::apply(std::span<const hot_request> requests) {
  assert(requests.size() <= limits::batch_heartbeats_max);
  if (requests.empty()) return std::vector<applied_credit>{};
  return in_transaction(true, [&]() -> stored<std::vector<applied_credit>> {
    std::vector<applied_credit> answers;
    answers.reserve(requests.size());
    batch held;
    bool none_known = true;
    for (const auto& request : requests) {
      answers.push_back(apply_one(request, held));
      none_known = none_known && answers.back().how == applied_credit::state::failed;
    }
    if (none_known) return corrupt_row();
    save(held);
    sweep(requests.size());
    return answers;
  });
}

void embedded_store::sweep(std::size_t requests) {
  unswept_requests_ += requests;
  for (; unswept_requests_ >= sweep_every_requests; unswept_requests_ -= sweep_every_requests) {
    std::vector<std::pair<std::string, std::string>> gone;
    std::size_t seen = 0;
    {
      auto rows = database_.prepare(query::sweep_sessions);
      const auto device = swept_device_;
      const auto session = swept_session_;
      rows.bind_blob(device).bind(session).bind(std::int64_t{sweep_rows});
      for (; rows.step(); ++seen) {
        swept_device_ = rows.bytes();
        swept_session_ = rows.bytes();
        if (latest_now_ms_ - rows.number() >= limits::session_ttl_ms)
          gone.emplace_back(swept_device_, swept_session_);
      }
    }
    if (seen < sweep_rows) swept_device_ = swept_session_ = {};
    for (const auto& [device, session] : gone)
      database_.prepare(query::drop_session).bind_blob(device).bind(session).step();

    gone.clear();
    seen = 0;
    {
      auto rows = database_.prepare(query::sweep_students);
      const auto student = swept_student_;
      rows.bind(student).bind(std::int64_t{sweep_rows});
      for (; rows.step(); ++seen) {
        swept_student_ = rows.bytes();
        const auto touched_ms = rows.number();
        if (touched_ms != 0 && latest_now_ms_ - touched_ms >= limits::student_ttl_ms)
          gone.emplace_back(swept_student_, std::string{});
      }
    }
    if (seen < sweep_rows) swept_student_ = {};
    for (const auto& [student, unused] : gone)
      database_.prepare(query::drop_student).bind(student).step();
  }
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
      auto pair = read_pair(row);
      if (!pair) return corrupt_row();
      found.emplace_back(std::move(pair->state));
    }
    return found;
  });
}

stored<ok_t> embedded_store::merge(std::span<const pair_progress> pairs, bool dirty) {
  return in_transaction(true, [&]() -> stored<ok_t> {
    batch held;
    std::optional<storage_failure> failure;
    for (const auto& [key, state] : pairs) {
      if (is_erased(load_student(key.student, held), latest_now_ms_)) continue;
      auto& pair = load_pair(key, held);
      if (pair.corrupt) {
        failure = corrupt_row();
        continue;
      }
      auto united = pair.state;
      if (pair.exists || pair.changed)
        watchkeeper::merge(united, state);
      else
        united = state;
      if (united.covered.pieces().size() > limits::coverage_intervals_max) {
        if (!failure) failure = {storage_error::refused, "a united coverage has too many pieces"};
        continue;
      }
      const bool is_new = !pair.exists && !pair.changed;
      // Anywhere below 2^62, so that it can be counted up and stays positive in the file.
      if (is_new) pair.version = (versions_() >> 2) + 1;
      if (!is_new && united != pair.state) ++pair.version;
      pair.changed = pair.changed || is_new || united != pair.state || (dirty && !pair.dirty);
      pair.mark_dirty = pair.mark_dirty || dirty;
      pair.state = std::move(united);
    }
    save(held);
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

stored<std::vector<dirty_pair>> embedded_store::read_dirty(partition_index partition,
                                                           std::size_t pairs_max) {
  return in_transaction(false, [&]() -> stored<std::vector<dirty_pair>> {
    std::vector<dirty_pair> found;
    bool corrupt = false;
    auto rows = database_.prepare(query::dirty_pairs);
    rows.bind(std::int64_t{partition}).bind(static_cast<std::int64_t>(pairs_max));
    while (rows.step()) {
      const auto student = student_id::parse(rows.bytes());
      const auto module = module_id::parse(rows.bytes());
      auto pair = read_pair(rows);
      // One bad row must not keep the others from being checkpointed.
      if (student && module && pair)
        found.push_back({{*student, *module}, std::move(pair->state), pair->version});
      else
        corrupt = true;
    }
    if (found.empty() && corrupt) return corrupt_row();
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

stored<ok_t> embedded_store::erase(const student_id& student) {
  return in_transaction(true, [&]() -> stored<ok_t> {
    database_.prepare(query::erase_pairs).bind(student.view()).step();
    batch held;
    held.students[student] = {credit_bucket{}, true, latest_now_ms_, true};
    save(held);
    return ok;
  });
}

stored<ok_t> embedded_store::readmit(const student_id& student) {
  return in_transaction(true, [&]() -> stored<ok_t> {
    database_.prepare(query::readmit).bind(student.view()).step();
    return ok;
  });
}

stored<hot_store_health> embedded_store::health() {
  return in_transaction(false, [&]() -> stored<hot_store_health> {
    const auto full = database_.pragma("PRAGMA synchronous") >= 2;
    return hot_store_health{full ? durability::fsync : durability::log,
                            fmt::format("SQLite {}, WAL, synchronous {}", sqlite3_libversion(),
                                        full ? "full" : "normal")};
  });
}

std::unique_ptr<hot_store> make_embedded_store(const std::string& path, durability worth) {
  return std::make_unique<embedded_store>(path, worth);
}

}  // namespace watchkeeper
