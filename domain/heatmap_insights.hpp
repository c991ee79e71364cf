#pragma once

#include <cstdint>
#include <vector>

#include "domain/heatmap_bins.hpp"

namespace watchkeeper {

/// A part that those who see it see again and again.
struct heatmap_hotspot {
  media_ms from_ms = 0;
  media_ms to_ms = 0;
  double plays_per_viewer = 0;
};

/// A place where viewers leave.
struct heatmap_drop_off {
  media_ms at_ms = 0;
  std::int64_t lost = 0;  // students
  double share = 0;       // of those before it, 0 … 1
};

/// The parts whose plays a viewer are at least 1.5 times the median of all bins that anybody saw,
/// neighbours (up to two bins apart) put together. The limits::heatmap_findings_max with the most
/// plays above the median, in the order of their place. A bin counts once half a student has seen
/// it, and a twentieth of those who saw the bin that was seen most.
std::vector<heatmap_hotspot> hotspots_of(const heatmap_bins& seen);

/// The largest falls of the mean number of viewers from the bins before a place to those behind it
/// (a fiftieth of the module each, at least one bin and at most 20): at least one student and a
/// twentieth of those before. At most limits::heatmap_findings_max, not within reach of each other,
/// in the order of their place.
std::vector<heatmap_drop_off> drop_offs_of(const heatmap_bins& seen);

}  // namespace watchkeeper
