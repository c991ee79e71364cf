#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/units.hpp"
#include "domain/coverage.hpp"
#include "domain/limits.hpp"

namespace watchkeeper {

/// How a module's media time is cut into bins: of one second, or as long as it takes for
/// limits::heatmap_bins_max of them. All are equally long but the last, which may be shorter.
struct heatmap_layout {
  media_ms duration_ms = 0;
  media_ms bin_ms = limits::heatmap_bin_ms_min;
  std::size_t bins = 0;

  /// The layout of a module of this duration; no bins where it is not above 0.
  static heatmap_layout of(media_ms duration_ms) noexcept;

  /// The bin that holds this position; of one beyond the end, the last.
  /// Precondition: bins > 0.
  [[nodiscard]] std::size_t bin_at(media_ms position_ms) const noexcept {
    return std::min(static_cast<std::size_t>(std::max(position_ms, 0) / bin_ms), bins - 1);
  }
  /// Start of a bin; of `bins`: the duration.
  [[nodiscard]] media_ms start_ms(std::size_t bin) const noexcept {
    return static_cast<media_ms>(
        std::min<std::int64_t>(static_cast<std::int64_t>(bin) * bin_ms, duration_ms));
  }
  [[nodiscard]] media_ms length_ms(std::size_t bin) const noexcept {
    return start_ms(bin + 1) - start_ms(bin);
  }
  /// Calls `take(bin, ms)` for every bin that the range touches: the sum of `ms` is the length of
  /// the part that lies within the duration.
  template <class Take>
  void for_each_bin(media_interval range, Take&& take) const {
    const auto end_ms = std::min(range.to_ms, duration_ms);
    auto from_ms = range.from_ms;
    if (bins == 0 || from_ms >= end_ms) return;
    for (auto bin = bin_at(from_ms); from_ms < end_ms; ++bin) {
      const auto to_ms = std::min(end_ms, start_ms(bin + 1));
      take(bin, to_ms - from_ms);
      from_ms = to_ms;
    }
  }
  friend bool operator==(const heatmap_layout&, const heatmap_layout&) = default;
};

/// Media time a bin, in milliseconds: 2^64 of them are not reached in any lifetime.
using bin_sums = std::vector<std::uint64_t>;

/// Adds a range to the bins that it touches, which are made if there are none yet.
void add_range(bin_sums& sums, const heatmap_layout& layout, media_interval range);
/// `into` gets `more`, bin by bin. Precondition: `into` is empty or as long as `more`.
void add_sums(bin_sums& into, std::span<const std::uint64_t> more);

/// The same sums in another layout, for a module whose duration has changed: each bin is spread
/// evenly over its length. Positions stay; what lies beyond the new end is left out. Without that,
/// the total stays the same to the millisecond.
bin_sums rebinned(std::span<const std::uint64_t> sums, const heatmap_layout& from,
                  const heatmap_layout& to);

/// What is known of a module: time that viewers have covered, each counted once, and time that was
/// played, rewatching included. Both of layout.bins elements.
struct heatmap_bins {
  heatmap_layout layout;
  bin_sums viewer_ms;
  bin_sums play_ms;
  friend bool operator==(const heatmap_bins&, const heatmap_bins&) = default;
};

/// Neighbours put together, the same number each (but at the end), so that at most `bins_max` are
/// left. Sums are exact. The result's layout has longer bins than its duration would give.
/// Precondition: bins_max > 0.
heatmap_bins downsampled(const heatmap_bins& full, std::size_t bins_max);

}  // namespace watchkeeper
