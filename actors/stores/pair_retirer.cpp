#include "actors/stores/pair_retirer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "storage/limits.hpp"
#include "storage/single_pairs.hpp"

namespace watchkeeper::actors {
namespace {

/// Whether the ledger has all of the copy, or knows that its life has ended. A student who is not
/// enrolled may be one whose enrolment the ledger has lost.
bool is_recorded(const storage::recorded_pair& row, const progress& copy) {
  if (is_blank(copy) || row.student.epoch > copy.life.epoch) return true;
  if (row.student.epoch < copy.life.epoch || !row.state) return false;
  auto united = *row.state;
  merge(united, copy);
  return united == *row.state;
}

}  // namespace

bool pair_retirer::is_ledger_well() const {
  return deps_.probe.up && !deps_.probe.memory.is_catching_up() &&
         deps_.probe.memory.losses() == losses_;
}

void pair_retirer::round_ended() {
  const auto is_well = is_ledger_well();
  losses_ = deps_.probe.memory.losses();
  if (!is_well) {
    well_since_.reset();
  } else if (!well_since_) {
    well_since_ = deps_.time.monotonic_now();
    next_step_at_ = *well_since_ + std::min(settling_ms, deps_.retention_ms);
  }
}

bool pair_retirer::is_due() const {
  return deps_.retention_ms != INT64_MAX && well_since_ && is_ledger_well() &&
         deps_.time.monotonic_now() >= next_step_at_;
}

std::chrono::milliseconds pair_retirer::wait_max(std::chrono::milliseconds else_ms) const {
  if (deps_.retention_ms == INT64_MAX || !well_since_ || !is_ledger_well()) return else_ms;
  const auto left_ms = std::max<std::int64_t>(next_step_at_ - deps_.time.monotonic_now(), 0);
  return std::min(else_ms, std::chrono::milliseconds(left_ms));
}

void pair_retirer::step() {
  const auto began_at = deps_.time.monotonic_now();
  if (cursor_.empty()) {
    walk_began_at_ = began_at;
    steps_ = 0;
  }
  if (try_step()) {
    failures_ = 0;
    next_step_at_ = next_after(began_at);
    return;
  }
  // The cursor may be of a store that has been started anew.
  if (++failures_ % failures_of_cursor_max == 0) cursor_.clear();
  next_step_at_ = deps_.time.monotonic_now() + failure_pause_ms;
}

mono_ms pair_retirer::next_after(mono_ms step_began) {
  const auto now = deps_.time.monotonic_now();
  const auto rest_until = now + std::max<std::int64_t>(1, pause_per_step * (now - step_began));
  const auto walk_ms = deps_.retention_ms / walks_per_retention;
  ++steps_;
  if (cursor_.empty()) {
    steps_last_ = steps_;
    return std::max(rest_until, walk_began_at_ + walk_ms);
  }
  // The store may have grown since the last walk.
  const auto pause_ms =
      steps_ < steps_last_ ? walk_ms / steps_last_ : std::min(walk_ms, first_pause_ms);
  return std::max(rest_until, step_began + pause_ms);
}

bool pair_retirer::try_step() {
  auto found = deps_.hot.read_idle(cursor_, deps_.time.wall_now(), deps_.retention_ms);
  if (!found) {
    deps_.hot_probe.failed(found.error());
    deps_.log(log_level::warning, "hot_store",
              "idle pairs could not be looked for: " + found.error().detail);
    return false;
  }
  std::span<const storage::idle_pair> left(found->pairs);
  while (!left.empty()) {
    const auto some = left.first(std::min(left.size(), storage_limits::list_items_max));
    left = left.subspan(some.size());
    if (const auto done = retire(some); !done) {
      deps_.log(log_level::warning, "hot_store", "idle pairs stay for now: " + done.error().detail);
      return false;
    }
  }
  cursor_ = std::move(found->cursor);
  return true;
}

storage::stored<std::vector<storage::recorded_pair>> pair_retirer::look_up(
    std::span<const storage::idle_pair> pairs) {
  std::vector<pair_key> keys;
  for (const auto& pair : pairs) keys.push_back(pair.key);
  std::vector<storage::recorded_pair> rows(keys.size());
  const auto read = [&](std::span<const pair_key> part) -> storage::stored<ok_t> {
    auto found = deps_.ledger.look_up(part);
    if (!found) return found.error();
    std::move(found->begin(), found->end(), rows.begin() + (part.data() - keys.data()));
    return ok;
  };
  const auto unreadable = [&](const pair_key& key, const storage::storage_failure& why) {
    deps_.probe.failed(
        {why.code, fmt::format("{}/{}: {}", key.student.view(), key.module.view(), why.detail)});
  };
  if (const auto done = storage::run_in_parts(std::span<const pair_key>(keys), read, unreadable);
      !done) {
    deps_.probe.failed(done.error());
    return done.error();
  }
  return rows;
}

storage::stored<ok_t> pair_retirer::retire(std::span<const storage::idle_pair> pairs) {
  const auto rows = look_up(pairs);
  if (!rows) return rows.error();
  std::vector<storage::idle_pair> recorded;
  std::vector<storage::pair_progress> lacking;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (is_recorded((*rows)[i], pairs[i].state))
      recorded.push_back(pairs[i]);
    else if ((*rows)[i].student.epoch > 0)
      lacking.push_back({pairs[i].key, pairs[i].state});
  }
  if (!is_ledger_well()) return ok;  // it went back meanwhile: what it said may hold no longer
  const auto retired = deps_.hot.retire(recorded, deps_.time.wall_now());
  if (!retired) {
    deps_.hot_probe.failed(retired.error());
    return retired.error();
  }
  bump(deps_.hot_probe.retired_pairs, *retired);
  if (lacking.empty()) return ok;
  auto marked = deps_.hot.merge(lacking, storage::merge_origin::memory);
  if (!marked) deps_.hot_probe.failed(marked.error());
  return marked;
}

}  // namespace watchkeeper::actors
