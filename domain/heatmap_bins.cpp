#include "domain/heatmap_bins.hpp"

#include <cassert>

namespace watchkeeper {
namespace {
__extension__ using wide = unsigned __int128;  // a sum of many viewers times a length
}  // namespace

heatmap_layout heatmap_layout::of(media_ms duration_ms) noexcept {
  if (duration_ms <= 0) return {};
  constexpr auto bins_max = static_cast<std::int64_t>(limits::heatmap_bins_max);
  heatmap_layout made;
  made.duration_ms = duration_ms;
  const auto least_ms = (std::int64_t{duration_ms} + bins_max - 1) / bins_max;
  made.bin_ms = std::max(limits::heatmap_bin_ms_min, static_cast<media_ms>(least_ms));
  made.bins = static_cast<std::size_t>((std::int64_t{duration_ms} + made.bin_ms - 1) / made.bin_ms);
  return made;
}

void add_range(bin_sums& sums, const heatmap_layout& layout, media_interval range) {
  if (sums.empty()) sums.resize(layout.bins);
  layout.for_each_bin(
      range, [&](std::size_t bin, media_ms ms) { sums[bin] += static_cast<std::uint64_t>(ms); });
}

void add_sums(bin_sums& into, std::span<const std::uint64_t> more) {
  if (into.empty()) {
    into.assign(more.begin(), more.end());
    return;
  }
  assert(more.empty() || into.size() == more.size());
  for (std::size_t i = 0; i < more.size(); ++i) into[i] += more[i];
}

bin_sums rebinned(std::span<const std::uint64_t> sums, const heatmap_layout& from,
                  const heatmap_layout& to) {
  if (from == to) return {sums.begin(), sums.end()};
  bin_sums made(to.bins);
  if (to.bins == 0) return made;
  for (std::size_t bin = 0; bin < sums.size(); ++bin) {
    const auto length_ms = static_cast<std::uint64_t>(from.length_ms(bin));
    // Shares of the running length, so that the rounded shares add up to the whole.
    std::uint64_t passed_ms = 0, given = 0;
    to.for_each_bin(
        {from.start_ms(bin), from.start_ms(bin + 1)}, [&](std::size_t into, media_ms ms) {
          passed_ms += static_cast<std::uint64_t>(ms);
          const auto until =
              static_cast<std::uint64_t>(static_cast<wide>(sums[bin]) * passed_ms / length_ms);
          made[into] += until - given;
          given = until;
        });
  }
  return made;
}

heatmap_bins downsampled(const heatmap_bins& full, std::size_t bins_max) {
  assert(bins_max > 0);
  const auto bins = full.layout.bins;
  if (bins <= bins_max) return full;
  const auto each = (bins + bins_max - 1) / bins_max;
  heatmap_bins made;
  made.layout = full.layout;
  made.layout.bin_ms = static_cast<media_ms>(each) * full.layout.bin_ms;
  made.layout.bins = (bins + each - 1) / each;
  made.viewer_ms.resize(made.layout.bins);
  made.play_ms.resize(made.layout.bins);
  for (std::size_t i = 0; i < bins; ++i) {
    made.viewer_ms[i / each] += full.viewer_ms[i];
    made.play_ms[i / each] += full.play_ms[i];
  }
  return made;
}

}  // namespace watchkeeper
