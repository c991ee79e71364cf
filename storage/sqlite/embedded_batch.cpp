// A batch of the embedded store: what it loads, what each heartbeat changes, what it writes back;
// and the sweep of what has run out.
#include <algorithm>
#include <random>

#include "domain/wall_clock.hpp"
#include "storage/limits.hpp"
#include "storage/sqlite/embedded_pair_row.hpp"
#include "storage/sqlite/embedded_store.hpp"

namespace watchkeeper::storage {

namespace {

using query = embedded_database::query;

// The sweep looks at half a row a request: the table cannot grow faster than one row a request, and
// a session brings many.
constexpr std::size_t sweep_every_requests = 32;
constexpr std::size_t sweep_rows = 16;

std::string_view bytes_of(const thumbprint& kid) {
  return {reinterpret_cast<const char*>(kid.bytes.data()), kid.bytes.size()};
}

bool is_media(std::int64_t v) {
  return v >= 0 && v <= 0x7fff'ffff;
}

bool is_u32(std::int64_t v) {
  return v >= 0 && v <= 0xffff'ffff;
}

/// That of this process: a file that came back older was opened by another one. Positive.
std::int64_t incarnation() {
  static const auto drawn = [] {
    std::random_device random;
    return static_cast<std::int64_t>((std::uint64_t{random()} << 31 ^ random()) & INT64_MAX) | 1;
  }();
  return drawn;
}

}  // namespace

std::optional<embedded_pair_row> read_embedded_pair(sqlite_cursor& row) {
  embedded_pair_row pair;
  const auto epoch = row.number();
  const auto attempt = row.number();
  pair.state.begins_ms = row.wall_time();
  auto covered = coverage::decode(row.bytes());
  const auto duration_ms = row.number();
  pair.state.playtime_ms = row.number();
  const auto resume_ms = row.number();
  pair.state.resume_at_ms = row.wall_time();
  pair.state.updated_ms = row.wall_time();
  pair.state.mastered_ms = row.wall_time();
  pair.version = static_cast<std::uint64_t>(row.number());
  if (!covered || !is_media(duration_ms) || !is_media(resume_ms) || pair.state.playtime_ms < 0 ||
      !is_u32(epoch) || !is_u32(attempt))
    return std::nullopt;
  pair.state.life = {static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(attempt)};
  pair.state.covered = std::move(*covered);
  pair.state.duration_ms = static_cast<media_ms>(duration_ms);
  pair.state.resume_ms = static_cast<media_ms>(resume_ms);
  return pair;
}

embedded_store::pair_entry& embedded_store::load_pair(const pair_key& key, batch& loaded) {
  const auto [it, is_new] = loaded.pairs.try_emplace(key);
  auto& pair = it->second;
  if (!is_new) return pair;
  auto row = database_.prepare(query::get_pair);
  row.bind(key.student.view()).bind(key.module.view());
  if (!row.step()) return pair;
  pair.exists = true;
  auto found = read_embedded_pair(row);
  pair.compared_in = row.number();
  pair.dirty = row.number() != 0;
  if (!found) {
    pair.corrupt = true;
    return pair;
  }
  pair.state = std::move(found->state);
  pair.version = found->version;
  return pair;
}

embedded_store::student_entry& embedded_store::load_student(const student_id& id, batch& loaded) {
  const auto [it, is_new] = loaded.students.try_emplace(id);
  auto& student = it->second;
  if (!is_new) return student;
  auto row = database_.prepare(query::get_student);
  row.bind(id.view());
  if (!row.step()) return student;
  student.epoch = static_cast<std::uint32_t>(row.number());
  const auto level_us = row.number();
  const auto refilled_at_ms = row.wall_time();
  student.bucket = credit_bucket(level_us, refilled_at_ms);
  student.touched_ms = row.wall_time();
  return student;
}

embedded_store::session_entry& embedded_store::load_session(const session_key_id& id,
                                                            batch& loaded) {
  const auto [it, is_new] = loaded.sessions.try_emplace(id);
  auto& session = it->second;
  if (!is_new) return session;
  auto row = database_.prepare(query::get_session);
  row.bind_blob(bytes_of(id.device)).bind(id.session.view());
  if (!row.step()) return session;
  const auto module = module_id::parse(row.bytes());
  const auto highest = row.number();
  const auto seen = static_cast<std::uint64_t>(row.number());
  session.touched_ms = row.wall_time();
  session.corrupt = !module || highest < 0 || highest > limits::sequence_max || seen == 0;
  if (session.corrupt) return session;
  session.state.module = *module;
  session.state.window = replay_window(static_cast<std::uint32_t>(highest), seen);
  return session;
}

bool embedded_store::student_entry::is_idle(wall_ms now_ms) const noexcept {
  return touched_ms != never && now_ms - touched_ms >= storage_limits::student_ttl_ms;
}

applied_credit embedded_store::apply_one(const hot_request& request, batch& loaded) {
  const auto& credit = request.credit;
  const auto now_ms = credit.now_ms;
  latest_now_ms_ = latest_of(latest_now_ms_, now_ms);
  applied_credit applied;
  auto& student = load_student(credit.student, loaded);
  auto& pair = load_pair(credit.pair(), loaded);
  const bool is_there = pair.exists || pair.changed;  // or made by this batch
  const bool is_readable = is_there && !pair.corrupt;
  const auto checked =
      check_epoch(credit.epoch, student.epoch_at(now_ms), is_readable ? &pair.state : nullptr);
  if (checked == epoch_check::ended) return rejected_as_ended(request.want_coverage);
  if (!is_there || (is_readable && checked == epoch_check::pair_missing)) {
    applied.state = applied_state::pair_missing;
    return applied;
  }
  if (is_readable && pair.compared_in != incarnation()) {
    applied.state = applied_state::not_compared;
    return applied;
  }
  auto& session = load_session(credit.session_key(), loaded);
  if (pair.corrupt || session.corrupt) return applied;  // failed

  const bool session_expired = now_ms - session.touched_ms >= storage_limits::session_ttl_ms;
  const bool begins_anew = student.is_idle(now_ms) || credit.epoch > student.epoch;
  auto window = session_expired ? session_state{} : session.state;
  auto bucket = begins_anew ? credit_bucket{} : student.bucket;
  applied.outcome = apply_credit(credit, window, bucket, pair.state);
  applied.state = applied_state::done;
  if (!applied.outcome.played.empty()) {
    session.state = window;
    session.touched_ms = now_ms;
    session.changed = true;
    student = {bucket, credit.epoch, now_ms, true};
    ++pair.version;
    pair.changed = pair.mark_dirty = true;
  }
  if (request.want_coverage) applied.covered = pair.state.covered;
  return applied;
}

void embedded_store::merge_one(const pair_progress& given, merge_origin from, batch& loaded,
                               std::optional<storage_failure>& failure) {
  const auto& [key, state] = given;
  if (state.life.epoch < load_student(key.student, loaded).epoch_at(latest_now_ms_)) return;
  auto& pair = load_pair(key, loaded);
  if (pair.corrupt) {
    failure = {storage_error::corrupt, "a row of the hot store is not of the format"};
    return;
  }
  const bool is_new = !pair.exists && !pair.changed;
  auto united = is_new ? state : pair.state;
  if (!is_new) watchkeeper::merge(united, state);
  united.covered.trim();
  // Anywhere below 2^62, so that it can be counted up and stays positive in the file.
  if (is_new) pair.version = (versions_() >> 2) + 1;
  if (!is_new && united != pair.state) ++pair.version;
  pair.changed = pair.changed || is_new || united != pair.state ||
                 (is_dirty(from) && !pair.dirty) ||
                 (is_compared(from) && pair.compared_in != incarnation());
  pair.mark_dirty = pair.mark_dirty || is_dirty(from);
  if (is_compared(from)) pair.compared_in = incarnation();
  pair.state = std::move(united);
}

void embedded_store::save_pair(const pair_key& key, const pair_entry& pair) {
  const bool dirty = pair.dirty || pair.mark_dirty;
  const bool updates = pair.exists && dirty == pair.dirty;
  const auto covered = pair.state.covered.encode();
  auto row = database_.prepare(updates ? query::update_pair : query::put_pair);
  row.bind(key.student.view())
      .bind(key.module.view())
      .bind(std::int64_t{pair.state.life.epoch})
      .bind(std::int64_t{pair.state.life.attempt})
      .bind(pair.state.begins_ms)
      .bind_blob(covered)
      .bind(pair.state.duration_ms)
      .bind(pair.state.playtime_ms)
      .bind(pair.state.resume_ms)
      .bind(pair.state.resume_at_ms)
      .bind(pair.state.updated_ms)
      .bind(pair.state.mastered_ms)
      .bind(static_cast<std::int64_t>(pair.version))
      .bind(pair.compared_in);
  if (!updates) row.bind(std::int64_t{partition_of(key.student)}).bind(std::int64_t{dirty});
  row.step();
}

void embedded_store::save(const batch& loaded) {
  for (const auto& [key, pair] : loaded.pairs)
    if (pair.changed) save_pair(key, pair);
  for (const auto& [id, student] : loaded.students)
    if (student.changed)
      database_.prepare(query::put_student)
          .bind(id.view())
          .bind(std::int64_t{student.epoch})
          .bind(student.bucket.level_us())
          .bind(student.bucket.refilled_at_ms())
          .bind(student.touched_ms)
          .step();
  for (const auto& [id, session] : loaded.sessions)
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

void embedded_store::sweep_sessions() {
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
      if (latest_now_ms_ - rows.wall_time() >= storage_limits::session_ttl_ms)
        gone.emplace_back(swept_device_, swept_session_);
    }
  }
  if (seen < sweep_rows) swept_device_ = swept_session_ = {};
  for (const auto& [device, session] : gone)
    database_.prepare(query::drop_session).bind_blob(device).bind(session).step();
}

void embedded_store::sweep_students() {
  std::vector<std::string> gone, undated;
  std::size_t seen = 0;
  {
    auto rows = database_.prepare(query::sweep_students);
    const auto student = swept_student_;
    rows.bind(student).bind(std::int64_t{sweep_rows});
    for (; rows.step(); ++seen) {
      swept_student_ = rows.bytes();
      const auto touched_ms = rows.wall_time();
      if (touched_ms == never)
        undated.push_back(swept_student_);
      else if (latest_now_ms_ - touched_ms >= storage_limits::student_ttl_ms)
        gone.push_back(swept_student_);
    }
  }
  if (seen < sweep_rows) swept_student_ = {};
  for (const auto& student : gone) database_.prepare(query::drop_student).bind(student).step();
  // The epochs of these were ended before any request had told the time: it begins now.
  for (const auto& student : undated)
    database_.prepare(query::date_student).bind(student).bind(latest_now_ms_).step();
}

void embedded_store::sweep(std::size_t requests) {
  unswept_requests_ += requests;
  for (; unswept_requests_ >= sweep_every_requests; unswept_requests_ -= sweep_every_requests) {
    sweep_sessions();
    sweep_students();
  }
}

}  // namespace watchkeeper::storage
