#include "storage/tiered_store.hpp"
#include "storage/limits.hpp"
#include "storage/single_pairs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace watchkeeper::storage {

namespace {

constexpr std::string_view too_little_durability =
    "its acknowledgements are less durable than store.require_durability demands";

bool is_of_one_pair(std::span<const tiered_request> requests) {
  return std::all_of(requests.begin(), requests.end(), [&](const tiered_request& each) {
    return each.credit.pair() == requests.front().credit.pair();
  });
}

std::vector<std::size_t> all_of(std::size_t count) {
  std::vector<std::size_t> which(count);
  std::iota(which.begin(), which.end(), std::size_t{0});
  return which;
}

}  // namespace

std::vector<pair_key> tiered_store::distinct_pairs(std::span<const tiered_request> requests,
                                                   const std::vector<std::size_t>& which) {
  std::vector<pair_key> keys;
  keys.reserve(which.size());
  for (auto i : which) keys.push_back(requests[i].credit.pair());
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

tiered_store::tiered_store(hot_store& hot, ledger& of_record, const time_source& time,
                           observer observed_by, durability_level required, capacity most,
                           std::int64_t retention_ms)
    : hot_(hot),
      ledger_(of_record),
      time_(time),
      observer_(std::move(observed_by)),
      required_(required),
      most_(most),
      retention_ms_(retention_ms),
      reader_(of_record, time, observer_.ledger_successes,
              [this](const storage_failure& failure) { observer_.ledger_failed(failure); }),
      writes_hang_(observer_.ledger_successes) {}

std::vector<applied_credit> tiered_store::apply(std::span<const tiered_request> requests) {
  results out(requests.size());
  check_durability();
  if (degraded_) try_recover();
  if (!degraded_ && apply_hot(requests, out)) {
    next_probe_at_ = time_.monotonic_now() + probe_interval_ms;
    return out;
  }
  apply_through_ledger(requests, all_of(requests.size()), out);
  return out;
}

bool tiered_store::apply_hot(std::span<const tiered_request> requests, results& out) {
  std::vector<hot_request> batch;
  batch.reserve(requests.size());
  for (const auto& request : requests) batch.push_back({request.credit, request.wants_coverage()});
  auto applied = hot_.apply(batch);
  if (!applied) {
    observer_.hot_failed(applied.error());
    // One value that cannot be read is not the store: its heartbeats fail, and the others go on.
    if (is_of_single_pairs(applied.error()) && is_of_one_pair(requests)) return true;
    enter_degraded(applied.error().detail);
    return false;
  }
  out = *std::move(applied);
  report_failed(requests, out);
  return true;
}

void tiered_store::apply_found(std::span<const tiered_request> requests, const ledger_rows& rows,
                               results& out) {
  if (degraded_) return apply_through_ledger(requests, all_of(requests.size()), out);
  missing_pairs missing{.which = all_of(requests.size())};
  if (!begin_pairs(requests, rows, missing, out)) return;
  // The hot store broke off in between: what is still missing goes through the ledger.
  if (!merge_missing(requests, missing, out)) apply_through_ledger(requests, missing.which, out);
}

void tiered_store::report_failed(std::span<const tiered_request> requests, const results& out) {
  std::size_t count = 0, first = 0;
  for (std::size_t i = out.size(); i-- > 0;) {
    if (out[i].state != applied_state::failed) continue;
    ++count;
    first = i;
  }
  if (count == 0) return;
  const auto pair = requests[first].credit.pair();
  observer_.hot_failed(
      {storage_error::refused, fmt::format("{} of {} heartbeats failed, the first of {}/{}", count,
                                           out.size(), pair.student.view(), pair.module.view())});
}

std::optional<progress> tiered_store::start_of(const recorded_pair& row, std::uint32_t epoch) {
  if (row.student.epoch == 0 || row.student.epoch > epoch) return std::nullopt;
  // A ledger that has come back older may have the student in an epoch that ended since.
  if (row.student.epoch < epoch) return blank_progress({epoch, never});
  return row.state.value_or(blank_progress(row.student));
}

bool tiered_store::begin_pairs(std::span<const tiered_request> requests, const ledger_rows& rows,
                               missing_pairs& missing, results& out) const {
  std::erase_if(missing.which, [&](std::size_t i) {
    const auto& [credit, in_memory, is_partial] = requests[i];
    const bool is_absent = out[i].state == applied_state::pair_missing;
    const auto* const row = rows.find(credit.pair());
    std::optional<progress> start;
    if (row && *row) {
      start = start_of(**row, credit.epoch);
      if (!start) {
        out[i] = rejected_as_ended(requests[i].wants_coverage());
        return true;
      }
    } else if (!row && in_memory && in_memory->life.epoch == credit.epoch) {
      // The next checkpoint unites it with the row that could not be read now, and gives the union
      // back to the hot store. (No checkpoint would unite it with a row that is damaged.)
      start = progress{};
    } else {
      out[i] = {};
      return true;
    }
    if (in_memory && in_memory->life >= start->life) {
      merge(*start, *in_memory);
      missing.has_memory = true;
      const bool may_have_left = credit.now_ms - in_memory->updated_ms >= retention_ms_;
      missing.lost = missing.lost || (is_absent && !may_have_left);
    }
    merge(missing.starts[credit.pair()], *start);
    return false;
  });
  return !missing.which.empty();
}

bool tiered_store::merge_missing(std::span<const tiered_request> requests,
                                 const missing_pairs& missing, results& out) {
  std::vector<pair_progress> states;
  states.reserve(missing.starts.size());
  for (const auto& [key, state] : missing.starts) states.push_back({key, state});
  std::vector<hot_request> again;
  again.reserve(missing.which.size());
  for (auto i : missing.which) again.push_back({requests[i].credit, true});
  // What only memory knew must reach the ledger: those pairs are dirty. What is held of
  // one pair may be unreadable: the others are there all the same.
  const auto from = missing.has_memory ? merge_origin::ledger_and_memory : merge_origin::ledger;
  auto [merged, applied] = hot_.merge_and_apply(states, from, again);
  for (const auto* failure :
       {merged ? nullptr : &merged.error(), applied ? nullptr : &applied.error()}) {
    if (!failure) continue;
    observer_.hot_failed(*failure);
    if (is_of_single_pairs(*failure)) continue;
    enter_degraded(failure->detail);
    return false;
  }
  if (missing.lost) observer_.data_lost();
  for (std::size_t i = 0; i < missing.which.size(); ++i) {
    auto& result = out[missing.which[i]];
    // Nothing of them can be read, or the pair was lost again in between.
    if (!applied || needs_row((*applied)[i].state))
      result = {};
    else
      result = std::move((*applied)[i]);
  }
  return true;
}

stored<std::vector<std::optional<progress>>> tiered_store::checkpoint(
    std::span<const pair_progress> pairs) {
  std::vector<std::optional<progress>> states(pairs.size());
  const auto write = [&](std::span<const pair_progress> part) -> stored<ok_t> {
    std::vector<heatmap_delta> grown;
    auto united = ask_ledger(writes_hang_, time_, observer_.ledger_failed,
                             [&] { return ledger_.checkpoint(part, time_.wall_now(), &grown); });
    if (!united) return united.error();
    std::move(united->begin(), united->end(), states.begin() + (part.data() - pairs.data()));
    if (observer_.heatmaps_grown && !grown.empty()) observer_.heatmaps_grown(grown);
    return ok;
  };
  const auto failed = [&](const pair_progress& pair, const storage_failure& why) {
    observer_.ledger_failed(failure_of_row(pair.key, why));
  };
  if (auto done = run_in_parts(pairs, write, failed); !done) return done.error();
  return states;
}

stored<ok_t> tiered_store::save(std::span<const pair_progress> pairs) {
  const auto states = checkpoint(pairs);
  if (!states) return states.error();
  if (std::all_of(states->begin(), states->end(), [](const auto& each) { return bool(each); }))
    return ok;
  return storage_failure{storage_error::corrupt, "the ledger could not write some of the pairs"};
}

stored<ok_t> tiered_store::refill(std::span<const pair_progress> pairs) {
  if (pairs.empty()) return ok;
  if (degraded_) return save(pairs);
  // Those that the hot store does not take are safe in the ledger.
  std::vector<pair_progress> left;
  if (auto given = give_to_hot_store(pairs, merge_origin::memory, left); !given) {
    if (given.error().code != storage_error::refused) return given.error();
    left.assign(pairs.begin(), pairs.end());
  }
  if (left.empty()) return ok;
  return save(left);
}

stored<ok_t> tiered_store::give_to_hot_store(std::span<const pair_progress> pairs,
                                             merge_origin from,
                                             std::vector<pair_progress>& not_taken) {
  // One may be unreadable.
  const auto give = [&](std::span<const pair_progress> part) { return hot_.merge(part, from); };
  const auto refused = [&](const pair_progress& pair, const storage_failure& why) {
    observer_.hot_failed(why);
    not_taken.push_back(pair);
  };
  auto given = run_in_parts(pairs, give, refused);
  if (!given) observer_.hot_failed(given.error());
  return given;
}

void tiered_store::probe() {
  check_durability();
  if (degraded_) return try_recover();
  if (time_.monotonic_now() < next_probe_at_) return;
  const auto health = ask_health();
  next_probe_at_ = time_.monotonic_now() + probe_interval_ms;
  if (health) return;
  observer_.hot_failed(health.error());
  enter_degraded(health.error().detail);
}

void tiered_store::try_recover() {
  if (!degraded_ || time_.monotonic_now() < next_retry_at_) return;
  if (observer_.hot_successes && observer_.hot_successes() == successes_at_failure_) return;
  // Else the next batch would find what the caller with time saw, and begin the mode again.
  if (observer_.hot_durability && observer_.hot_durability() < required_)
    return wait_before_retry();
  const auto health = ask_health();
  if (!health || !give_overlay_back()) return wait_before_retry();
  overlay_ = {};
  degraded_ = false;
  recovered_at_ = time_.monotonic_now();
  observer_.mode_changed(false, health->description);
}

stored<hot_store_health> tiered_store::ask_health() {
  auto health = hot_.health();
  if (health && health->durability < required_)
    return storage_failure{storage_error::unavailable, std::string(too_little_durability)};
  return health;
}

void tiered_store::check_durability() {
  if (!degraded_ && observer_.hot_durability && observer_.hot_durability() < required_)
    enter_degraded(std::string(too_little_durability));
}

void tiered_store::enter_degraded(const std::string& why) {
  if (degraded_) return;
  degraded_ = true;
  retry_wait_ms_ = recovered_at_ && time_.monotonic_now() - *recovered_at_ < trust_after_ms
                       ? std::min(2 * retry_wait_ms_, retry_interval_max_ms)
                       : retry_interval_ms;
  // Not at once: a store that greets well and then fails must not be tried with every batch.
  wait_before_retry();
  observer_.mode_changed(true, why);
}

void tiered_store::wait_before_retry() {
  next_retry_at_ = time_.monotonic_now() + retry_wait_ms_;
  if (observer_.hot_successes) successes_at_failure_ = observer_.hot_successes();
}

}  // namespace watchkeeper::storage
