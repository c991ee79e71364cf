#include "storage/memory/memory_store.hpp"
#include "domain/wall_clock.hpp"
#include "storage/limits.hpp"

#include <algorithm>
#include <atomic>

namespace watchkeeper::storage {

namespace {

/// Looks at up to `buckets` hash buckets from `cursor` on and removes what has expired.
template <class Map, class Expired>
void sweep_buckets(Map& map, std::size_t& cursor, std::size_t buckets, Expired expired) {
  for (std::size_t i = 0; i < buckets && !map.empty(); ++i) {
    cursor = (cursor + 1) % map.bucket_count();
    std::vector<typename Map::key_type> gone;
    for (auto it = map.begin(cursor); it != map.end(cursor); ++it)
      if (expired(it->second)) gone.push_back(it->first);
    for (const auto& key : gone) map.erase(key);
  }
}

/// From 1 on.
std::uint64_t new_incarnation() {
  static std::atomic<std::uint64_t> made{0};
  return made.fetch_add(1, std::memory_order_relaxed) + 1;
}

storage_failure full() {
  return {storage_error::refused, "the memory store is full"};
}

}  // namespace

memory_store::memory_store(std::size_t pairs_max)
    : pairs_max_(pairs_max), incarnation_(new_incarnation()) {}

void memory_store::come_back_as(const memory_store& copy) {
  const auto last_version = last_version_;
  *this = copy;
  last_version_ = last_version;
  incarnation_ = new_incarnation();
}

memory_store::student_entry memory_store::student_in(const student_id& student, std::uint32_t epoch,
                                                     wall_ms now_ms) const {
  const auto found = students_.find(student);
  if (found == students_.end()) return {.bucket = {}, .epoch = 0, .touched_ms = {}};
  auto entry = found->second;
  const bool is_idle =
      entry.touched_ms != never && now_ms - entry.touched_ms >= storage_limits::student_ttl_ms;
  if (is_idle) return {.bucket = {}, .epoch = 0, .touched_ms = entry.touched_ms};
  if (epoch > entry.epoch) entry.bucket = {};
  return entry;
}

applied_credit memory_store::apply_one(const hot_request& request) {
  const auto& credit = request.credit;
  const auto now_ms = credit.now_ms;
  latest_now_ms_ = latest_of(latest_now_ms_, now_ms);
  applied_credit applied;
  auto student = student_in(credit.student, credit.epoch, now_ms);
  const auto pair = pairs_.find(credit.pair());
  switch (check_epoch(credit.epoch, student.epoch,
                      pair == pairs_.end() ? nullptr : &pair->second.state)) {
    case epoch_check::ended:
      return rejected_as_ended(request.want_coverage);
    case epoch_check::pair_missing:
      applied.state = applied_state::pair_missing;
      return applied;
    case epoch_check::same:
      break;
  }
  if (pair->second.compared_in != incarnation_) {
    applied.state = applied_state::not_compared;
    return applied;
  }

  // The states are copies: what expired or is new starts afresh, what is rejected leaves no trace.
  session_entry session;
  const auto session_found = sessions_.find(credit.session_key());
  if (session_found != sessions_.end() &&
      now_ms - session_found->second.touched_ms < storage_limits::session_ttl_ms)
    session = session_found->second;
  if ((session_found == sessions_.end() &&
       sessions_.size() >= storage_limits::memory_store_sessions_max) ||
      (!students_.contains(credit.student) && students_.size() >= pairs_max_))
    return applied;  // failed

  applied.outcome = apply_credit(credit, session.state, student.bucket, pair->second.state);
  applied.state = applied_state::done;
  if (!applied.outcome.played.empty()) {
    session.touched_ms = student.touched_ms = now_ms;
    student.epoch = credit.epoch;
    sessions_[credit.session_key()] = session;
    students_[credit.student] = student;
    pair->second.version = ++last_version_;
    dirty_[partition_of(credit.student)].insert(credit.pair());
  }
  if (request.want_coverage) applied.covered = pair->second.state.covered;
  return applied;
}

stored<std::vector<applied_credit>> memory_store::apply(std::span<const hot_request> requests) {
  std::vector<applied_credit> applied;
  applied.reserve(requests.size());
  for (const auto& request : requests) applied.push_back(apply_one(request));
  sweep(requests.size());
  if (!applied.empty() && std::all_of(applied.begin(), applied.end(), [](const auto& a) {
        return a.state == applied_state::failed;
      }))
    return full();
  return applied;
}

void memory_store::sweep(std::size_t entries) {
  sweep_buckets(sessions_, session_cursor_, entries, [this](const session_entry& s) {
    return latest_now_ms_ - s.touched_ms >= storage_limits::session_ttl_ms;
  });
  sweep_buckets(students_, student_cursor_, entries, [this](student_entry& s) {
    if (s.touched_ms == never) s.touched_ms = latest_now_ms_;  // its time begins now
    return latest_now_ms_ - s.touched_ms >= storage_limits::student_ttl_ms;
  });
}

stored<std::vector<std::optional<progress>>> memory_store::read(std::span<const pair_key> keys) {
  std::vector<std::optional<progress>> found;
  found.reserve(keys.size());
  for (const auto& key : keys) {
    const auto it = pairs_.find(key);
    found.push_back(it == pairs_.end() ? std::nullopt : std::optional(it->second.state));
  }
  return found;
}

stored<ok_t> memory_store::merge(std::span<const pair_progress> pairs, merge_origin from) {
  for (const auto& [key, state] : pairs) {
    const auto epoch = state.life.epoch;
    if (epoch < student_in(key.student, epoch, latest_now_ms_).epoch) continue;
    auto it = pairs_.find(key);
    auto united = it == pairs_.end() ? state : it->second.state;
    if (it != pairs_.end()) watchkeeper::merge(united, state);
    united.covered.trim();
    if (it == pairs_.end()) {
      if (pairs_.size() >= pairs_max_) return full();
      it = pairs_.emplace(key, pair_entry{std::move(united), ++last_version_}).first;
      modules_[key.student].insert(key.module);
    } else if (united != it->second.state) {
      it->second.state = std::move(united);
      it->second.version = ++last_version_;
    }
    if (is_compared(from)) it->second.compared_in = incarnation_;
    if (is_dirty(from)) dirty_[partition_of(key.student)].insert(key);
  }
  return ok;
}

stored<std::vector<module_id>> memory_store::modules_of(const student_id& student) {
  std::vector<module_id> modules;
  if (const auto it = modules_.find(student); it != modules_.end())
    modules.assign(it->second.begin(), it->second.end());
  return modules;
}

stored<dirty_sample> memory_store::read_dirty(partition_index partition, std::size_t pairs_max) {
  dirty_sample found;
  for (const auto& key : dirty_.at(partition)) {
    if (found.size() == pairs_max) break;
    const auto& entry = pairs_.at(key);
    found.pairs.push_back({key, entry.state, entry.version});
  }
  return found;
}

stored<ok_t> memory_store::mark_clean(partition_index partition,
                                      std::span<const dirty_pair> pairs) {
  for (const auto& pair : pairs) {
    const auto it = pairs_.find(pair.key);
    if (it != pairs_.end() && it->second.version == pair.version)
      dirty_.at(partition).erase(pair.key);
  }
  return ok;
}

stored<std::uint64_t> memory_store::dirty_count() {
  std::uint64_t count = 0;
  for (const auto& keys : dirty_) count += keys.size();
  return count;
}

stored<std::string> memory_store::mark_all_dirty(const std::string&) {
  for (const auto& [key, entry] : pairs_) dirty_[partition_of(key.student)].insert(key);
  return std::string();
}

stored<idle_sample> memory_store::read_idle(const std::string&, wall_ms now_ms,
                                            std::int64_t idle_ms) {
  idle_sample found;
  for (const auto& [key, entry] : pairs_)
    if (now_ms - entry.state.updated_ms >= idle_ms &&
        !dirty_[partition_of(key.student)].contains(key))
      found.pairs.push_back({key, entry.state, entry.version});
  return found;
}

stored<std::uint64_t> memory_store::retire(std::span<const idle_pair> pairs, wall_ms) {
  std::uint64_t retired = 0;
  for (const auto& pair : pairs) {
    const auto it = pairs_.find(pair.key);
    if (it == pairs_.end() || it->second.version != pair.version ||
        dirty_[partition_of(pair.key.student)].contains(pair.key))
      continue;
    pairs_.erase(it);
    const auto of_student = modules_.find(pair.key.student);
    of_student->second.erase(pair.key.module);
    if (of_student->second.empty()) modules_.erase(of_student);
    ++retired;
  }
  return retired;
}

stored<std::optional<ledger_identity>> memory_store::known_ledger() {
  return known_ledger_;
}

stored<ok_t> memory_store::remember_ledger(const ledger_identity& seen) {
  known_ledger_ = seen;
  return ok;
}

stored<ok_t> memory_store::end_epochs_below(const student_id& student, std::uint32_t epoch,
                                            wall_ms now_ms) {
  if (!students_.contains(student) && students_.size() >= pairs_max_) return full();
  auto known = student_in(student, epoch, now_ms);
  if (known.epoch < epoch) known = {credit_bucket{}, epoch, now_ms};
  students_[student] = known;
  const auto it = modules_.find(student);
  if (it == modules_.end()) return ok;
  std::erase_if(it->second, [&](const module_id& module) {
    const pair_key key{student, module};
    if (pairs_.at(key).state.life.epoch >= known.epoch) return false;
    pairs_.erase(key);
    dirty_[partition_of(student)].erase(key);
    return true;
  });
  if (it->second.empty()) modules_.erase(it);
  return ok;
}

stored<hot_student> memory_store::find_student(const student_id& student, wall_ms now_ms) {
  const auto known = student_in(student, 0, now_ms);
  return hot_student{known.epoch, known.bucket != credit_bucket{}};
}

stored<hot_store_health> memory_store::health() {
  return hot_store_health{durability_level::memory, "memory of this process",
                          std::to_string(incarnation_)};
}

std::unique_ptr<hot_store> make_memory_store(std::size_t pairs_max) {
  return std::make_unique<memory_store>(pairs_max);
}

}  // namespace watchkeeper::storage
