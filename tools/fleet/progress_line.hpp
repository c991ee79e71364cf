#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "tools/fleet/tally.hpp"

namespace watchkeeper::fleet {

/// The progress of a run on stderr: one line that is drawn over, five times a second, on a
/// terminal; else a line every five seconds; nothing when quiet. One thread.
class progress_line {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  explicit progress_line(bool quiet);
  ~progress_line();  // leaves a terminal's line clean
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  /// A step with a known end: "enrolling 120 of 1,000", with a bar.
  void step(std::string_view what, std::size_t done, std::size_t whole, time_point now);
  /// The run itself. `fraction`: how much of it is over, in 0 … 1.
  void running(const tally& t, std::size_t connected, std::size_t connections, double fraction,
               time_point now);

 private:
  [[nodiscard]] bool due(time_point now);
  void show(std::string text);

  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  time_point last_{};
  std::uint64_t sent_before_ = 0;
  std::uint64_t answered_before_ = 0;
};

}  // namespace watchkeeper::fleet
