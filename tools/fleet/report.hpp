#pragma once

#include <string>

#include "tools/fleet/fleet.hpp"
#include "tools/fleet/tally.hpp"

namespace watchkeeper::fleet {

/// The summary for people: a table of at most 80 columns.
std::string report_table(const fleet_options& options, std::size_t connections, const tally& t);
/// The same as one JSON object, without a line end. Members: docs of `watchkeeper fleet --json`.
std::string report_json(const fleet_options& options, std::size_t connections, const tally& t);

/// 1234567 as 1,234,567.
std::string grouped(std::uint64_t number);
/// 950 µs, 12.3 ms, 1.24 s.
std::string duration_text(std::uint64_t duration_us);

}  // namespace watchkeeper::fleet
