#pragma once

#include <vector>

#include "domain/coverage.hpp"

namespace watchkeeper::test {

/// Coverage as slowly and plainly as it can be said: one flag a millisecond.
class media_bitmap {
 public:
  explicit media_bitmap(media_ms universe_ms) : covered_(static_cast<std::size_t>(universe_ms)) {}

  struct change {
    media_ms new_ms = 0;
    media_ms closed_gap_ms = 0;
  };
  change add(media_interval added) {
    const auto before = covered_;
    for (auto t = added.from_ms; t < added.to_ms; ++t) at(t) = true;
    close_gaps();
    change made;
    for (std::size_t t = 0; t < covered_.size(); ++t) {
      if (!covered_[t] || before[t]) continue;
      ++made.new_ms;
      const auto place = static_cast<media_ms>(t);
      if (place < added.from_ms || place >= added.to_ms) ++made.closed_gap_ms;
    }
    return made;
  }

  [[nodiscard]] media_ms covered_ms() const {
    media_ms sum = 0;
    for (const bool b : covered_) sum += b ? 1 : 0;
    return sum;
  }
  [[nodiscard]] bool contains(media_interval wanted) const {
    for (auto t = wanted.from_ms; t < wanted.to_ms; ++t)
      if (!covered_[static_cast<std::size_t>(t)]) return false;
    return true;
  }
  [[nodiscard]] bool contains(media_ms at) const { return covered_[static_cast<std::size_t>(at)]; }
  [[nodiscard]] std::vector<media_interval> runs() const {
    std::vector<media_interval> found;
    for (std::size_t t = 0; t < covered_.size(); ++t) {
      if (!covered_[t]) continue;
      const auto place = static_cast<media_ms>(t);
      if (t == 0 || !covered_[t - 1]) found.push_back({place, place});
      found.back().to_ms = place + 1;
    }
    return found;
  }

 private:
  std::vector<bool>::reference at(media_ms t) { return covered_[static_cast<std::size_t>(t)]; }

  void close_gaps() {
    std::ptrdiff_t last = -1;  // the last covered millisecond so far
    for (std::size_t t = 0; t < covered_.size(); ++t) {
      if (!covered_[t]) continue;
      const auto here = static_cast<std::ptrdiff_t>(t);
      if (last >= 0 && here - last - 1 <= 250)
        for (auto gap = last + 1; gap < here; ++gap) covered_[static_cast<std::size_t>(gap)] = true;
      last = here;
    }
  }

  std::vector<bool> covered_;
};

}  // namespace watchkeeper::test
