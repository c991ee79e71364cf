#include "actors/live/activity_tracker.hpp"

#include <algorithm>
#include <tuple>

namespace watchkeeper::actors {

void activity_tracker::count(const pair_key& pair, credit_status status, mono_ms now) {
  const auto hash = stable_hash(pair.student.view());
  const std::uint32_t credited =
      status == credit_status::credited || status == credit_status::limited ? 1 : 0;
  auto& s = stripes_[hash % stripes];
  const mutex_lock lock(s.mutex);
  add(s, hash, pair, credited, now);
  if (!collects_changes_.load(std::memory_order_relaxed)) return;
  if (s.changes.size() < stripe_changes_max)
    s.changes.push_back({pair, credited});
  else
    changes_dropped_.fetch_add(1, std::memory_order_relaxed);
}

void activity_tracker::count_elsewhere(const pair_key& pair, std::uint32_t credited, mono_ms now) {
  const auto hash = stable_hash(pair.student.view());
  auto& s = stripes_[hash % stripes];
  const mutex_lock lock(s.mutex);
  add(s, hash, pair, credited, now);
}

void activity_tracker::add(stripe& s, std::uint64_t hash, const pair_key& pair,
                           std::uint32_t credited, mono_ms now) {
  auto module = s.modules.find(pair.module);
  if (module == s.modules.end()) {
    if (s.modules.size() == modules_max) return;
    module = s.modules.try_emplace(pair.module).first;
  }
  module->second.credited += credited;
  auto& seen = module->second.seen;
  if (const auto student = seen.find(hash); student != seen.end()) {
    student->second = now;
  } else if (s.students < stripe_students_max) {
    seen.emplace(hash, now);
    ++s.students;
  }
}

std::vector<activity_tracker::pair_change> activity_tracker::take_changes() {
  std::vector<pair_change> all;
  for (auto& s : stripes_) {
    std::vector<pair_change> taken;
    {
      const mutex_lock lock(s.mutex);
      taken.swap(s.changes);
    }
    all.insert(all.end(), taken.begin(), taken.end());
  }
  const auto key = [](const pair_change& each) {
    return std::tie(each.pair.module, each.pair.student);
  };
  std::sort(all.begin(), all.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
  std::size_t distinct = 0;
  for (const auto& each : all) {
    if (distinct > 0 && key(all[distinct - 1]) == key(each))
      all[distinct - 1].credited += each.credited;
    else
      all[distinct++] = each;
  }
  all.resize(distinct);
  return all;
}

void activity_tracker::sweep(mono_ms now) {
  boost::unordered_flat_map<module_id, counted, std::hash<module_id>>
      sums;  // `seen` stays empty, its size is in active
  boost::unordered_flat_map<module_id, std::uint32_t, std::hash<module_id>> active;
  for (auto& s : stripes_) {
    const mutex_lock lock(s.mutex);
    std::size_t gone = 0;
    boost::unordered::erase_if(s.modules, [&](auto& each) {
      auto& [module, counts] = each;
      gone += boost::unordered::erase_if(
          counts.seen, [&](const auto& student) { return student.second + active_ms <= now; });
      sums[module].credited += counts.credited;
      active[module] += static_cast<std::uint32_t>(counts.seen.size());
      counts.credited = 0;
      return counts.seen.empty();
    });
    s.students -= gone;
  }
  const mutex_lock lock(mutex_);
  const auto slot = now.value() / module_activity::slot_ms;
  const auto moved =
      static_cast<std::size_t>(std::clamp<std::int64_t>(slot - slot_, 0, module_activity::slots));
  slot_ = std::max(slot_, slot);
  for (auto& [module, shown] : board_) {
    auto& ring = shown.credited;
    std::move(ring.begin() + static_cast<std::ptrdiff_t>(moved), ring.end(), ring.begin());
    std::fill(ring.end() - static_cast<std::ptrdiff_t>(moved), ring.end(), 0u);
    shown.active = 0;
  }
  for (const auto& [module, sum] : sums) {
    if (board_.size() >= modules_max && !board_.contains(module)) continue;
    auto& shown = board_[module];
    shown.module = module;
    shown.credited.back() += sum.credited;
    shown.active = active[module];
  }
  boost::unordered::erase_if(board_, [](const auto& each) {
    const auto& shown = each.second;
    return shown.active == 0 && std::all_of(shown.credited.begin(), shown.credited.end(),
                                            [](auto count) { return count == 0; });
  });
}

std::vector<module_activity> activity_tracker::read() const {
  std::vector<module_activity> found;
  {
    const mutex_lock lock(mutex_);
    found.reserve(board_.size());
    for (const auto& [module, shown] : board_) found.push_back(shown);
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.module < b.module; });
  return found;
}

}  // namespace watchkeeper::actors
