#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/top/model.hpp"

namespace watchkeeper::top {

enum class line_style : std::uint8_t { normal, title, heading, alert };
struct frame_line {
  std::string text;  // UTF-8, every character one column wide
  line_style style = line_style::normal;
};

/// What the frame says besides the statistics.
struct frame_note {
  std::string url;
  std::string failure;  // of the newest look; empty: it went well
  bool hint = true;     // mention the keys
};

/// At most `rows` lines of at most `columns` columns. Made for 80 × 24 and larger; what does not
/// fit (shards, first of all) is left out and counted.
std::vector<frame_line> draw_frame(const top_model& model, const frame_note& note,
                                   std::size_t columns, std::size_t rows);

/// The first `columns` characters of UTF-8 text.
std::string clipped(const std::string& text, std::size_t columns);
/// The newest `columns` values as eighths of a block, the largest of them being full.
std::string spark_line(const std::deque<double>& values, std::size_t columns);

}  // namespace watchkeeper::top
