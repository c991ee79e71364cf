#include "domain/heatmap_insights.hpp"

#include <algorithm>
#include <cmath>

namespace watchkeeper {
namespace {

constexpr double clearly_above = 1.5;
constexpr double least_viewers = 0.5;
constexpr double least_share = 0.05;
constexpr std::size_t hotspot_gap_bins = 2;

/// Students that each bin was seen by, on average over its length.
std::vector<double> viewers_of(const heatmap_bins& seen) {
  std::vector<double> viewers(seen.layout.bins);
  for (std::size_t i = 0; i < viewers.size(); ++i)
    viewers[i] = static_cast<double>(seen.viewer_ms[i]) / seen.layout.length_ms(i);
  return viewers;
}

/// The best of `found` by `weight`, in the order in which they were.
template <class T, class Weight>
void keep_best(std::vector<T>& found, Weight&& weight) {
  if (found.size() <= limits::heatmap_findings_max) return;
  auto ranked = found;
  const auto last = ranked.begin() + limits::heatmap_findings_max - 1;
  std::nth_element(ranked.begin(), last, ranked.end(),
                   [&](const T& a, const T& b) { return weight(a) > weight(b); });
  const auto least = weight(*last);
  std::size_t left = limits::heatmap_findings_max;
  // Those above the least first; of equals as many as there is room for.
  for (const auto& each : found) left -= weight(each) > least ? 1 : 0;
  std::erase_if(found, [&](const T& each) {
    if (weight(each) > least) return false;
    if (weight(each) < least || left == 0) return true;
    --left;
    return false;
  });
}

}  // namespace

std::vector<heatmap_hotspot> hotspots_of(const heatmap_bins& seen) {
  const auto bins = seen.layout.bins;
  const auto viewers = viewers_of(seen);
  if (viewers.empty()) return {};
  const auto enough =
      std::max(least_viewers, least_share * *std::max_element(viewers.begin(), viewers.end()));
  const auto ratio = [&](std::size_t i) {
    return static_cast<double>(seen.play_ms[i]) / static_cast<double>(seen.viewer_ms[i]);
  };
  std::vector<double> ratios;
  for (std::size_t i = 0; i < bins; ++i)
    if (viewers[i] >= enough) ratios.push_back(ratio(i));
  if (ratios.empty()) return {};
  const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  // A play is a whole pass: less than one a viewer is only what an abrupt end has lost.
  const auto median = std::max(1.0, *middle);

  struct part {
    std::size_t first, last;
    double viewer_ms, play_ms;
    [[nodiscard]] double excess(double usual) const { return play_ms - usual * viewer_ms; }
  };
  std::vector<part> parts;
  for (std::size_t i = 0; i < bins; ++i) {
    if (viewers[i] < enough || ratio(i) < clearly_above * median) continue;
    if (parts.empty() || i - parts.back().last > hotspot_gap_bins) parts.push_back({i, i, 0, 0});
    // With the bins between this one and the last that was hot.
    for (auto j = parts.back().viewer_ms > 0 ? parts.back().last + 1 : i; j <= i; ++j) {
      parts.back().viewer_ms += static_cast<double>(seen.viewer_ms[j]);
      parts.back().play_ms += static_cast<double>(seen.play_ms[j]);
    }
    parts.back().last = i;
  }
  keep_best(parts, [&](const part& p) { return p.excess(median); });
  std::vector<heatmap_hotspot> found;
  for (const auto& p : parts)
    found.push_back(
        {seen.layout.start_ms(p.first), seen.layout.start_ms(p.last + 1), p.play_ms / p.viewer_ms});
  return found;
}

std::vector<heatmap_drop_off> drop_offs_of(const heatmap_bins& seen) {
  const auto viewers = viewers_of(seen);
  const auto bins = viewers.size();
  const auto reach = std::clamp<std::size_t>(bins / 50, 1, 20);
  std::vector<double> until(bins + 1);  // sum of the bins before each
  for (std::size_t i = 0; i < bins; ++i) until[i + 1] = until[i] + viewers[i];
  const auto mean = [&](std::size_t first, std::size_t last) {
    return (until[last] - until[first]) / static_cast<double>(last - first);
  };
  struct fall {
    std::size_t at;
    double lost, share;
  };
  std::vector<fall> falls;
  for (std::size_t at = 1; at < bins; ++at) {
    const auto before = mean(at - std::min(at, reach), at);
    const auto lost = before - mean(at, std::min(bins, at + reach));
    if (lost >= 1 && lost >= least_share * before) falls.push_back({at, lost, lost / before});
  }
  // One fall is seen from all places within reach: the steepest stands for it.
  std::stable_sort(falls.begin(), falls.end(),
                   [](const fall& a, const fall& b) { return a.lost > b.lost; });
  std::vector<fall> findings;
  for (const auto& each : falls) {
    if (findings.size() == limits::heatmap_findings_max) break;
    if (std::none_of(findings.begin(), findings.end(), [&](const fall& other) {
          return (each.at > other.at ? each.at - other.at : other.at - each.at) < 2 * reach;
        }))
      findings.push_back(each);
  }
  std::sort(findings.begin(), findings.end(),
            [](const fall& a, const fall& b) { return a.at < b.at; });
  std::vector<heatmap_drop_off> found;
  for (const auto& each : findings)
    found.push_back({seen.layout.start_ms(each.at), std::llround(each.lost), each.share});
  return found;
}

}  // namespace watchkeeper
