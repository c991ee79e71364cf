// The heatmap while several gateways use the stores, or after a life ended: see heatmap.hpp.
#include <algorithm>

#include "actors/heatmap/heatmap.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::actors {
namespace {

constexpr int reads_max = 3;
constexpr int rounds_after_announcement = 2;

/// What `read` gives of all keys, list_items_max at a time.
template <class Read>
auto read_all(std::span<const pair_key> keys, Read read) -> decltype(read(keys)) {
  std::decay_t<decltype(*read(keys))> all;
  all.reserve(keys.size());
  for (std::size_t first = 0; first < keys.size(); first += storage_limits::list_items_max) {
    auto some =
        read(keys.subspan(first, std::min(storage_limits::list_items_max, keys.size() - first)));
    if (!some) return some.error();
    std::move(some->begin(), some->end(), std::back_inserter(all));
  }
  return all;
}

bool same(const std::optional<storage::heatmap_record>& a,
          const std::optional<storage::heatmap_record>& b) {
  if (!a || !b) return !a && !b;
  return a->students == b->students && a->bins.layout == b->bins.layout &&
         a->bins.viewer_ms == b->bins.viewer_ms;
}

}  // namespace

void heatmap::touch(const module_id& module, const student_id& student, touched_pair how) {
  auto& students = touched_[module];
  if (const auto found = students.find(student); found != students.end()) {
    found->second.since = found->second.since || how.since;
    found->second.epoch = std::max(found->second.epoch, how.epoch);
  } else if (touched_pairs_ < touched_pairs_max) {
    students.emplace(student, how);
    ++touched_pairs_;
  }
}

void heatmap::end_life(const pair_key& pair) {
  auto* const overlay = overlay_of(pair.module, {});
  if (!overlay) return;  // the module is shown from the ledger
  unread_ -= overlay->unread.count(pair.student);
  overlay->end_life(pair.student);
}

void heatmap::end_epochs(const storage::erased_student& erased) {
  drain(lane_of(partition_of(erased.student)));
  const mutex_lock lock(mutex_);
  // Whom there was no room to remember may be in any module.
  if (touched_pairs_ >= touched_pairs_max)
    for (const auto& [module, overlay] : modules_) end_life({erased.student, module});
  for (auto& [module, students] : touched_) {
    const auto found = students.find(erased.student);
    if (found == students.end() || found->second.epoch >= erased.next_epoch) continue;
    end_life({erased.student, module});
    students.erase(found);
    --touched_pairs_;
  }
}

void heatmap::end_attempt(const pair_key& pair) {
  drain(lane_of(partition_of(pair.student)));
  const mutex_lock lock(mutex_);
  end_life(pair);
}

void heatmap::seen_elsewhere(const module_id& module,
                             std::span<const student_id> students) noexcept {
  try {
    const mutex_lock lock(mutex_);
    others_for_rounds_ = rounds_after_announcement;
    // Announced before a round begins: the credit is in the hot store, and the round takes it
    // along.
    for (const auto& student : students) touch(module, student, {in_round_, 0});
  } catch (...) {  // out of memory: it appears with the next checkpoint
    ++left_out_;
  }
}

void heatmap::finish_touched(bool complete) {
  in_round_ = false;
  if (complete && others_for_rounds_ > 0) --others_for_rounds_;
  for (auto at = touched_.begin(); at != touched_.end();) {
    auto& students = at->second;
    if (complete)
      touched_pairs_ -=
          boost::unordered::erase_if(students, [](const auto& each) { return !each.second.since; });
    for (auto& [student, pair] : students) pair.since = false;
    at = students.empty() ? touched_.erase(at) : std::next(at);
  }
}

std::vector<pair_key> heatmap::touched_in(const module_id& module) {
  std::vector<pair_key> keys;
  const mutex_lock lock(mutex_);
  const auto found = touched_.find(module);
  if (found == touched_.end()) return keys;
  keys.reserve(std::min(found->second.size(), looked_up_max));
  for (const auto& [student, since] : found->second) {
    if (keys.size() == looked_up_max) break;
    keys.push_back({student, module});
  }
  return keys;
}

storage::stored<storage::heatmap_record> heatmap::read_pairs(const module_id& module,
                                                             media_ms duration_ms,
                                                             storage::ledger& ledger,
                                                             storage::hot_store& hot) {
  const auto keys = touched_in(module);
  std::optional<storage::heatmap_record> row;
  std::vector<std::optional<progress>> current;
  std::vector<storage::recorded_pair> recorded;
  for (int reads = 0; reads < reads_max; ++reads) {
    auto before = ledger.heatmap_of(module);
    if (!before) return before.error();
    auto in_hot = read_all(keys, [&](auto some) { return hot.read(some); });
    if (!in_hot) return in_hot.error();
    auto in_ledger = read_all(keys, [&](auto some) { return ledger.look_up(some); });
    if (!in_ledger) return in_ledger.error();
    row = *std::move(before);
    current = *std::move(in_hot);
    recorded = *std::move(in_ledger);
    // If another gateway's checkpoint came in between, what it added would be missing: read again.
    // After a few tries it may be missing until the next call.
    const auto after = ledger.heatmap_of(module);
    if (!after) return after.error();
    if (same(row, *after)) break;
  }

  storage::heatmap_record shown;
  if (row) shown = *std::move(row);
  if (shown.bins.layout.bins == 0) shown.bins.layout = heatmap_layout::of(duration_ms);
  auto& bins = shown.bins;
  bins.viewer_ms.resize(bins.layout.bins);
  bins.play_ms.resize(bins.layout.bins);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!current[i] || !storage::is_living(recorded[i], *current[i])) continue;
    const auto& state = recorded[i].state;
    if (!state) ++shown.students;
    const auto& in_row = state ? state->covered : coverage{};
    for (const auto& range : current[i]->covered.without(in_row))
      add_range(bins.viewer_ms, bins.layout, range);
  }
  const mutex_lock lock(mutex_);
  if (const auto found = modules_.find(module); found != modules_.end()) {
    const auto& overlay = found->second;
    for (const auto* plays : {&overlay.plays, &overlay.plays_in_flight})
      if (!plays->empty()) add_sums(bins.play_ms, rebinned(*plays, overlay.layout, bins.layout));
  }
  return shown;
}

}  // namespace watchkeeper::actors
