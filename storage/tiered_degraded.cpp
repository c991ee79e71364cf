// The tiered store while the hot store is away: credit through the ledger, and what is given back
// afterwards.
#include <algorithm>

#include "storage/limits.hpp"
#include "storage/tiered_store.hpp"

namespace watchkeeper::storage {

std::optional<tiered_store::last_credits> tiered_store::load_into_overlay(
    std::span<const tiered_request> requests, const std::vector<std::size_t>& which) {
  // Enrolled anew since: the ledger says when that was.
  for (auto i : which) {
    const auto& credit = requests[i].credit;
    const auto known = overlay_.pairs.find(credit.pair());
    if (known != overlay_.pairs.end() && known->second.life.epoch < credit.epoch)
      overlay_.pairs.erase(known);
  }
  std::vector<pair_key> asked;
  std::vector<student_id> without_bucket;
  // Who was there first goes on.
  auto room = most_.pairs_max - std::min(most_.pairs_max, overlay_.pairs.size());
  for (const auto& key : distinct_pairs(requests, which)) {
    // Nothing was earned yet: when the student was credited last, the ledger says again.
    const bool lacks_bucket = !overlay_.buckets.contains(key.student);
    if (overlay_.pairs.contains(key)) {
      if (lacks_bucket) without_bucket.push_back(key.student);
    } else if (room > 0) {
      asked.push_back(key);
      if (lacks_bucket) without_bucket.push_back(key.student);
      --room;
    }
  }
  last_credits credits;
  const auto note = [&](const student_id& student, wall_ms credited_ms) {
    if (overlay_.buckets.contains(student)) return;
    auto& known = credits[student];
    known = std::max(known, credited_ms);
  };
  if (!asked.empty()) {
    const auto read = reader_.read(asked);
    if (!read.rows) return std::nullopt;
    for (const auto& key : asked) {
      const auto& row = *read.find(key);
      if (!row) continue;
      overlay_.pairs.emplace(key, row->student.epoch == 0
                                      ? ended_progress(all_epochs)  // whatever the request's
                                      : row->state.value_or(blank_progress(row->student)));
    }
  }
  if (!without_bucket.empty()) {
    // Sorted by student, as the pairs are.
    without_bucket.erase(std::unique(without_bucket.begin(), without_bucket.end()),
                         without_bucket.end());
    const auto read = reader_.last_credits(without_bucket);
    if (!read) return std::nullopt;
    for (std::size_t i = 0; i < without_bucket.size(); ++i) note(without_bucket[i], (*read)[i]);
  }
  for (auto i : which) {
    const auto& request = requests[i];
    const auto entry = overlay_.pairs.find(request.credit.pair());
    if (entry == overlay_.pairs.end()) continue;
    if (request.in_memory && !(asked.empty() && without_bucket.empty()))
      merge(entry->second, *request.in_memory);
    // Where nothing was played, it is the time of a reset.
    if (entry->second.playtime_ms > 0) note(request.credit.student, entry->second.updated_ms);
  }
  return credits;
}

void tiered_store::apply_through_ledger(std::span<const tiered_request> requests,
                                        const std::vector<std::size_t>& which, results& out) {
  if (which.empty()) return;
  for (auto i : which) out[i] = {};
  if (const auto credits = load_into_overlay(requests, which)) {
    degraded_batch batch;
    for (auto i : which) credit_degraded(requests[i], *credits, batch, out[i]);
    commit(requests, which, batch, out);
  }
  // Nobody's room goes to what earned nothing, nor to what has ended.
  for (auto i : which) {
    const auto entry = overlay_.pairs.find(requests[i].credit.pair());
    if (entry != overlay_.pairs.end() && (is_blank(entry->second) || is_passed_over(entry->second)))
      overlay_.pairs.erase(entry);
  }
}

namespace {

/// The copy of a value of the overlay that a batch works on, made now if need be.
template <class Map, class Key>
auto& working_copy(Map& copies, const Map& originals, const Key& key) {
  const auto found = copies.find(key);
  if (found != copies.end()) return found->second;
  const auto entry = originals.find(key);
  return copies[key] = entry == originals.end() ? typename Map::mapped_type{} : entry->second;
}

}  // namespace

void tiered_store::credit_degraded(const tiered_request& request, const last_credits& credits,
                                   degraded_batch& batch, applied_credit& result) const {
  const auto& credit = request.credit;
  if (!overlay_.pairs.contains(credit.pair())) return;  // no room, or no row to be read
  const auto key = credit.session_key();
  const bool is_new = !overlay_.sessions.contains(key) && !batch.new_sessions.contains(key);
  if (is_new && overlay_.sessions.size() + batch.new_sessions.size() >= most_.sessions_max) return;
  auto& pair = working_copy(batch.pairs, overlay_.pairs, credit.pair());
  const auto checked = check_epoch(credit.epoch, 0, &pair);
  if (checked == epoch_check::ended) {
    result = rejected_as_ended(request.wants_coverage());
    return;
  }
  // The ledger has come back older.
  if (checked == epoch_check::pair_missing) pair = blank_progress({credit.epoch, never});
  auto& session = working_copy(batch.sessions, overlay_.sessions, key);
  const bool has_bucket =
      batch.buckets.contains(credit.student) || overlay_.buckets.contains(credit.student);
  auto& bucket = working_copy(batch.buckets, overlay_.buckets, credit.student);
  // The buckets are in the hot store. In their place a student has what was earned since the last
  // credit, so that nobody begins anew because the hot store is away.
  if (const auto last = credits.find(credit.student); !has_bucket && last != credits.end())
    bucket = credit_bucket::since(last->second, credit.now_ms);
  result.outcome = apply_credit(credit, session, bucket, pair);
  if (is_new && !result.outcome.played.empty()) batch.new_sessions.insert(key);
  if (!result.outcome.played.empty() || result.outcome.status == credit_status::duplicate)
    batch.earned.insert(credit.pair());
  result.state = applied_state::done;
  if (request.wants_coverage()) result.covered = pair.covered;
}

void tiered_store::commit(std::span<const tiered_request> requests,
                          const std::vector<std::size_t>& which, degraded_batch& batch,
                          results& out) {
  std::vector<pair_progress> states;
  states.reserve(batch.earned.size());
  for (const auto& [key, state] : batch.pairs)
    if (batch.earned.contains(key)) states.push_back({key, state});
  auto stored_states = checkpoint(states);
  if (!stored_states) {
    for (auto i : which) out[i] = {};
    return;
  }
  set<pair_key> failed, ended;
  for (std::size_t i = 0; i < states.size(); ++i) {
    auto& united = (*stored_states)[i];
    if (!united) {
      failed.insert(states[i].key);
    } else if (is_passed_over(*united)) {  // nothing is written of who is not enrolled
      ended.insert(states[i].key);
      overlay_.pairs.erase(states[i].key);
    } else {
      // Reset meanwhile: the attempt in which this was to count has ended.
      if (united->life != states[i].state.life) failed.insert(states[i].key);
      overlay_.pairs[states[i].key] = *std::move(united);
    }
  }
  for (auto i : which) {
    const auto& credit = requests[i].credit;
    const auto pair = credit.pair();
    if (failed.contains(pair)) out[i] = {};
    if (ended.contains(pair)) out[i] = rejected_as_ended(requests[i].wants_coverage());
    if (out[i].outcome.played.empty()) continue;
    overlay_.sessions[credit.session_key()] = batch.sessions[credit.session_key()];
    overlay_.buckets[credit.student] = batch.buckets[credit.student];
  }
}

bool tiered_store::give_overlay_back() {
  boost::unordered::erase_if(overlay_.pairs,
                             [](const auto& item) { return is_blank(item.second); });
  while (!overlay_.pairs.empty()) {
    std::vector<pair_progress> states;
    for (const auto& [key, state] : overlay_.pairs) {
      states.push_back({key, state});
      if (states.size() == storage_limits::batch_heartbeats_max) break;
    }
    std::vector<pair_progress> not_taken;  // stays behind, in the ledger
    if (!give_to_hot_store(states, merge_origin::ledger_and_memory, not_taken)) return false;
    for (const auto& pair : states) overlay_.pairs.erase(pair.key);
  }
  return true;
}

stored<ok_t> tiered_store::begin_attempt(const pair_progress& pair) {
  if (!degraded_) {
    // Dirty: the ledger may have gone back since it began the attempt.
    auto merged = hot_.merge({&pair, 1}, merge_origin::ledger_and_memory);
    if (merged) return merged;
    observer_.hot_failed(merged.error());
    if (is_of_single_pairs(merged.error())) return merged;
    enter_degraded(merged.error().detail);
  }
  if (overlay_.pairs.size() >= most_.pairs_max && !overlay_.pairs.contains(pair.key))
    return storage_failure{storage_error::refused, "degraded mode holds no more pairs"};
  merge(overlay_.pairs[pair.key], pair.state);
  return ok;
}

void tiered_store::drop_copies(const erased_student& erased) {
  hot_.forget_copies(erased.student);
  bool is_there = false;
  boost::unordered::erase_if(overlay_.pairs, [&](const auto& item) {
    if (item.first.student != erased.student) return false;
    const bool has_ended = item.second.life.epoch < erased.next_epoch;
    is_there = is_there || !has_ended;
    return has_ended;
  });
  // Also where what was of the student has gone before, with a checkpoint that passed over it.
  if (!is_there) overlay_.buckets.erase(erased.student);
}

}  // namespace watchkeeper::storage
