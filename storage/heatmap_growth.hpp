#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "domain/heatmap_bins.hpp"
#include "domain/ids.hpp"
#include "storage/ledger.hpp"

/// What both ledgers do alike with heatmaps.
namespace watchkeeper::storage {

/// The bins of a module lie in parts of so many: a transaction writes the parts that it touches.
inline constexpr std::size_t heatmap_part_bins = 64;
inline constexpr std::size_t heatmap_parts_max =
    (limits::heatmap_bins_max + heatmap_part_bins - 1) / heatmap_part_bins;
using heatmap_part = std::array<std::int64_t, heatmap_part_bins>;

/// What one transaction changes of the heatmaps, gathered pair by pair; by module, in the order in
/// which rows are locked.
class heatmap_growth {
 public:
  struct of_module {
    media_ms duration_ms = 0;  // of the bins, should the module have none yet; 0: not known
    std::vector<media_interval> ranges;
  };

  /// `fresh`: what became covered. `duration_ms`: the module's; 0 where it is not known, and the
  /// end of what was covered has to do.
  void add(const module_id& module, media_ms duration_ms, std::span<const media_interval> fresh) {
    if (fresh.empty()) return;
    auto& growth = modules_[module];
    growth.duration_ms =
        std::max(growth.duration_ms, duration_ms > 0 ? duration_ms : fresh.back().to_ms);
    growth.ranges.insert(growth.ranges.end(), fresh.begin(), fresh.end());
  }
  [[nodiscard]] const std::map<module_id, of_module>& modules() const noexcept { return modules_; }

 private:
  std::map<module_id, of_module> modules_;
};

/// Adds deltas to those of other transactions: each module once.
inline void add_deltas(std::vector<heatmap_delta>& into, std::span<const heatmap_delta> more) {
  for (const auto& delta : more) {
    const auto same = std::find_if(into.begin(), into.end(), [&](const heatmap_delta& each) {
      return each.module == delta.module && each.duration_ms == delta.duration_ms;
    });
    if (same == into.end())
      into.push_back(delta);
    else
      add_sums(same->ms, delta.ms);
  }
}

/// Calls `take(part, bins)` for each part that has a bin other than 0.
template <class Take>
void for_each_part(std::span<const std::uint64_t> sums, Take&& take) {
  for (std::size_t first = 0; first < sums.size(); first += heatmap_part_bins) {
    heatmap_part bins{};
    bool any = false;
    const auto count = std::min(heatmap_part_bins, sums.size() - first);
    for (std::size_t i = 0; i < count; ++i) {
      bins[i] = static_cast<std::int64_t>(sums[first + i]);
      any = any || bins[i] != 0;
    }
    if (any) take(static_cast<std::int32_t>(first / heatmap_part_bins), bins);
  }
}

/// Puts a part into its place. False: a bin is negative, or not 0 behind the end.
inline bool place_part(bin_sums& sums, std::int64_t part, const heatmap_part& bins) {
  for (std::size_t i = 0; i < bins.size(); ++i) {
    if (bins[i] == 0) continue;
    const auto at = static_cast<std::size_t>(part) * heatmap_part_bins + i;
    if (part < 0 || bins[i] < 0 || at >= sums.size()) return false;
    sums[at] = static_cast<std::uint64_t>(bins[i]);
  }
  return true;
}

/// Counts the heatmaps of all modules anew, one transaction each; ends with the first failure.
inline stored<ok_t> recount_all_heatmaps(ledger& ledger) {
  std::optional<module_id> module;
  for (;;) {
    auto next = ledger.next_watched_module(module);
    if (!next) return next.error();
    if (!*next) return ok;
    module = *next;
    if (auto done = ledger.recount_heatmap(*module, true); !done) return done.error();
  }
}

/// What a recount says of a module whose viewers were `recorded` and are `counted`.
inline heatmap_recount compare_heatmaps(const heatmap_bins& recorded, const heatmap_bins& counted,
                                        std::uint64_t students) {
  heatmap_recount recounted;
  recounted.students = students;
  for (const auto ms : recorded.viewer_ms) recounted.recorded_ms += ms;
  for (const auto ms : counted.viewer_ms) recounted.counted_ms += ms;
  recounted.other_duration = recorded.layout.bins > 0 && recorded.layout != counted.layout;
  const auto had = rebinned(recorded.viewer_ms, recorded.layout, counted.layout);
  for (std::size_t i = 0; i < had.size(); ++i)
    recounted.wrong_bins += had[i] != counted.viewer_ms[i] ? 1 : 0;
  return recounted;
}

}  // namespace watchkeeper::storage
