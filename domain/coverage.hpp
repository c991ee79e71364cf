#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/units.hpp"
#include "domain/limits.hpp"

namespace watchkeeper {

/// Half-open: [from_ms, to_ms) of media time, 0 <= from_ms < to_ms.
struct media_interval {
  media_ms from_ms = 0;
  media_ms to_ms = 0;
  [[nodiscard]] media_ms length_ms() const noexcept { return to_ms - from_ms; }
  [[nodiscard]] bool empty() const noexcept { return from_ms == to_ms; }
  friend bool operator==(const media_interval&, const media_interval&) = default;
};

/// The set of media time that a student has seen of a module: sorted, disjoint intervals with gaps
/// of more than limits::gap_closed_ms between them (smaller gaps are closed and count as seen).
/// Uniting is idempotent, commutative and associative, the closing of gaps included.
///
/// What is stored is bounded: trim() takes away the shortest pieces beyond the limit, in one order
/// that is the same everywhere (docs/adr/0020-a-way-out-at-the-limit-of-pieces.md). Uniting and
/// then trimming is idempotent and commutative, adds nothing that was not seen, and covers at least
/// as much as each of two trimmed operands does. Only beyond the limit does the order of several
/// unions matter: pieces that have gone cannot join those that come later.
class coverage {
 public:
  using intervals = boost::container::small_vector<media_interval, 2>;

  coverage() = default;

  /// What uniting with `added` would change, without doing it.
  struct gain {
    media_ms new_ms = 0;         // media time that becomes covered, closed gaps included
    media_ms closed_gap_ms = 0;  // the part of it that lies outside `added`
    std::size_t pieces = 0;      // number of intervals afterwards
  };
  [[nodiscard]] gain gain_of(media_interval added) const noexcept;

  /// The ranges that uniting with `added` would make covered, gaps that it closes included: sorted,
  /// disjoint; their sum is gain_of(added).new_ms. Precondition: from_ms < to_ms.
  [[nodiscard]] intervals fresh_ranges(media_interval added) const;

  /// Unites; returns the media time that became covered. Precondition: from_ms < to_ms.
  media_ms add(media_interval added);
  void unite(const coverage& other);

  /// Keeps the `pieces_max` longest pieces; of equal ones those that are later in the media.
  void trim(std::size_t pieces_max = limits::coverage_intervals_max);
  /// Of a coverage that has all the pieces that it may have, and of an interval that would be one
  /// more: whether add() and trim() take away another piece and keep this one, and the coverage
  /// measured in a module of `duration_ms` is no less than before.
  [[nodiscard]] bool makes_room_for(media_interval added, media_ms duration_ms) const noexcept;

  [[nodiscard]] media_ms covered_ms() const noexcept;
  /// The part within a module of `duration_ms`, as it is shown and as it counts for mastery: cut to
  /// [0, duration_ms), and with gaps of up to limits::gap_closed_ms closed at both ends as they are
  /// between intervals. Empty if the module has no duration.
  [[nodiscard]] coverage measured(media_ms duration_ms) const;
  /// measured(duration_ms).covered_ms().
  [[nodiscard]] media_ms measured_ms(media_ms duration_ms) const noexcept;
  /// The ranges covered here and not in `other`: sorted and disjoint. Other than in a coverage,
  /// they may lie less than limits::gap_closed_ms apart.
  [[nodiscard]] intervals without(const coverage& other) const;
  [[nodiscard]] bool contains(media_interval interval) const noexcept;
  /// Up to where it is covered from `from_ms` on without a break; `from_ms` if it is not covered.
  [[nodiscard]] media_ms covered_until(media_ms from_ms) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return intervals_.empty(); }
  [[nodiscard]] std::span<const media_interval> pieces() const noexcept {
    return {intervals_.data(), intervals_.size()};
  }

  /// The storage format (docs/storage-format.md): per interval two big-endian uint32, from and to.
  [[nodiscard]] std::string encode() const;
  /// Nothing unless `bytes` is exactly what `encode` gives of some coverage: a multiple of 8 bytes,
  /// sorted, not touching, at most limits::coverage_intervals_max intervals.
  static std::optional<coverage> decode(std::string_view bytes);

  friend bool operator==(const coverage& a, const coverage& b) noexcept {
    return a.intervals_ == b.intervals_;
  }

 private:
  intervals intervals_;
};

}  // namespace watchkeeper
