#include "domain/coverage.hpp"

#include <algorithm>
#include <cassert>
#include <vector>

namespace watchkeeper {
namespace {

constexpr std::int64_t gap = limits::gap_closed_ms;
constexpr std::size_t encoded_interval_bytes = 8;

/// Whether uniting closes what lies between `earlier` and `later`. In 64 bits: a decoded position
/// may be as large as the type allows.
bool joins(media_ms earlier_to_ms, media_ms later_from_ms) noexcept {
  return std::int64_t{later_from_ms} - earlier_to_ms <= gap;
}

/// The pieces [first, last) that become one with `added`.
struct touched {
  std::size_t first;
  std::size_t last;
};

touched touched_by(std::span<const media_interval> pieces, media_interval added) noexcept {
  // A player goes forward: the last piece is the one that grows, nearly always.
  if (pieces.empty()) return {0, 0};
  const auto n = pieces.size();
  if (added.from_ms >= pieces[n - 1].from_ms)
    return {joins(pieces[n - 1].to_ms, added.from_ms) ? n - 1 : n, n};

  const auto first = std::partition_point(
      pieces.begin(), pieces.end(), [&](const auto& p) { return !joins(p.to_ms, added.from_ms); });
  const auto last = std::partition_point(
      first, pieces.end(), [&](const auto& p) { return joins(added.to_ms, p.from_ms); });
  return {static_cast<std::size_t>(first - pieces.begin()),
          static_cast<std::size_t>(last - pieces.begin())};
}

void put_u32(std::string& out, media_ms value) {
  const auto v = static_cast<std::uint32_t>(value);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(v >> shift & 0xff);
}

std::uint32_t get_u32(const char* at) noexcept {
  std::uint32_t v = 0;
  for (int i = 0; i < 4; ++i) v = v << 8 | static_cast<unsigned char>(at[i]);
  return v;
}

/// A piece as it counts in a module of `duration_ms`; nothing if it lies beyond the end.
std::optional<media_interval> measured_piece(media_interval piece, media_ms duration_ms) noexcept {
  if (piece.from_ms >= duration_ms) return std::nullopt;
  if (joins(0, piece.from_ms)) piece.from_ms = 0;
  if (joins(piece.to_ms, duration_ms)) piece.to_ms = duration_ms;
  return piece;
}

media_ms measured_length_ms(media_interval piece, media_ms duration_ms) noexcept {
  const auto counts = measured_piece(piece, duration_ms);
  return counts ? counts->length_ms() : 0;
}

/// The order in which pieces go, beyond the limit. Total: no two pieces begin at the same place.
bool goes_before(media_interval a, media_interval b) noexcept {
  return a.length_ms() != b.length_ms() ? a.length_ms() < b.length_ms() : a.from_ms < b.from_ms;
}

}  // namespace

coverage coverage::measured(media_ms duration_ms) const {
  coverage cut;
  for (const auto& piece : intervals_)
    if (const auto counts = measured_piece(piece, duration_ms)) cut.intervals_.push_back(*counts);
  return cut;
}

media_ms coverage::measured_ms(media_ms duration_ms) const noexcept {
  media_ms sum = 0;
  for (const auto& piece : intervals_)
    if (const auto counts = measured_piece(piece, duration_ms)) sum += counts->length_ms();
  return sum;
}

coverage::gain coverage::gain_of(media_interval added) const noexcept {
  assert(added.from_ms < added.to_ms);
  const auto hit = touched_by(pieces(), added);
  gain change;
  change.pieces = intervals_.size() - (hit.last - hit.first) + 1;
  if (hit.first == hit.last) {
    change.new_ms = added.length_ms();
    return change;
  }
  const auto& left = intervals_[hit.first];
  const auto& right = intervals_[hit.last - 1];
  const auto from = std::min(left.from_ms, added.from_ms);
  const auto to = std::max(right.to_ms, added.to_ms);
  change.new_ms = to - from;
  for (auto i = hit.first; i < hit.last; ++i) change.new_ms -= intervals_[i].length_ms();
  // Only the outermost pieces can end before, or begin after, what was added.
  change.closed_gap_ms =
      std::max(0, added.from_ms - left.to_ms) + std::max(0, right.from_ms - added.to_ms);
  return change;
}

coverage::intervals coverage::fresh_ranges(media_interval added) const {
  assert(added.from_ms < added.to_ms);
  const auto hit = touched_by(pieces(), added);
  intervals fresh;
  if (hit.first == hit.last) {
    fresh.push_back(added);
    return fresh;
  }
  // Between the outermost of `added` and the pieces that it joins, what is no piece is new.
  auto from_ms = std::min(intervals_[hit.first].from_ms, added.from_ms);
  for (auto i = hit.first; i < hit.last; ++i) {
    if (from_ms < intervals_[i].from_ms) fresh.push_back({from_ms, intervals_[i].from_ms});
    from_ms = intervals_[i].to_ms;
  }
  if (from_ms < added.to_ms) fresh.push_back({from_ms, added.to_ms});
  return fresh;
}

media_ms coverage::add(media_interval added) {
  assert(added.from_ms < added.to_ms);
  const auto hit = touched_by(pieces(), added);
  if (hit.first == hit.last) {
    intervals_.insert(intervals_.begin() + static_cast<std::ptrdiff_t>(hit.first), added);
    return added.length_ms();
  }
  auto& merged = intervals_[hit.first];
  const media_interval whole{std::min(merged.from_ms, added.from_ms),
                             std::max(intervals_[hit.last - 1].to_ms, added.to_ms)};
  auto new_ms = whole.length_ms();
  for (auto i = hit.first; i < hit.last; ++i) new_ms -= intervals_[i].length_ms();
  merged = whole;
  if (hit.last - hit.first > 1)
    intervals_.erase(intervals_.begin() + static_cast<std::ptrdiff_t>(hit.first + 1),
                     intervals_.begin() + static_cast<std::ptrdiff_t>(hit.last));
  return new_ms;
}

void coverage::unite(const coverage& other) {
  if (other.intervals_.empty() || this == &other) return;
  if (intervals_.empty()) {
    intervals_ = other.intervals_;
    return;
  }
  if (other.intervals_.size() == 1) {
    add(other.intervals_.front());
    return;
  }
  intervals united;
  united.reserve(intervals_.size() + other.intervals_.size());
  auto a = intervals_.begin();
  auto b = other.intervals_.begin();
  while (a != intervals_.end() || b != other.intervals_.end()) {
    const bool take_a =
        b == other.intervals_.end() || (a != intervals_.end() && a->from_ms <= b->from_ms);
    const media_interval next = take_a ? *a++ : *b++;
    if (!united.empty() && joins(united.back().to_ms, next.from_ms))
      united.back().to_ms = std::max(united.back().to_ms, next.to_ms);
    else
      united.push_back(next);
  }
  intervals_ = std::move(united);
}

void coverage::trim(std::size_t pieces_max) {
  assert(pieces_max > 0);
  if (intervals_.size() <= pieces_max) return;
  const auto surplus = intervals_.size() - pieces_max;
  std::vector<media_interval> ranked(intervals_.begin(), intervals_.end());
  const auto first_to_stay = ranked.begin() + static_cast<std::ptrdiff_t>(surplus);
  std::nth_element(ranked.begin(), first_to_stay, ranked.end(), goes_before);
  intervals_.erase(std::remove_if(intervals_.begin(), intervals_.end(),
                                  [&](auto piece) { return goes_before(piece, *first_to_stay); }),
                   intervals_.end());
}

bool coverage::makes_room_for(media_interval added, media_ms duration_ms) const noexcept {
  const auto first = std::min_element(intervals_.begin(), intervals_.end(), goes_before);
  return first != intervals_.end() && goes_before(*first, added) &&
         measured_length_ms(*first, duration_ms) <= measured_length_ms(added, duration_ms);
}

media_ms coverage::covered_ms() const noexcept {
  media_ms sum = 0;
  for (const auto& piece : intervals_) sum += piece.length_ms();
  return sum;
}

coverage::intervals coverage::without(const coverage& other) const {
  intervals rest;
  auto hole = other.intervals_.begin();
  const auto end = other.intervals_.end();
  for (const auto& piece : intervals_) {
    auto from_ms = piece.from_ms;
    while (hole != end && hole->to_ms <= from_ms) ++hole;
    for (auto next = hole; next != end && next->from_ms < piece.to_ms; ++next) {
      if (from_ms < next->from_ms) rest.push_back({from_ms, next->from_ms});
      from_ms = next->to_ms;
    }
    if (from_ms < piece.to_ms) rest.push_back({from_ms, piece.to_ms});
  }
  return rest;
}

media_ms coverage::covered_until(media_ms from_ms) const noexcept {
  const auto after = std::partition_point(intervals_.begin(), intervals_.end(),
                                          [&](const auto& p) { return p.from_ms <= from_ms; });
  return after == intervals_.begin() ? from_ms : std::max(std::prev(after)->to_ms, from_ms);
}

bool coverage::contains(media_interval interval) const noexcept {
  return covered_until(interval.from_ms) >= interval.to_ms;
}

std::string coverage::encode() const {
  std::string bytes;
  bytes.reserve(intervals_.size() * encoded_interval_bytes);
  for (const auto& piece : intervals_) {
    put_u32(bytes, piece.from_ms);
    put_u32(bytes, piece.to_ms);
  }
  return bytes;
}

std::optional<coverage> coverage::decode(std::string_view bytes) {
  if (bytes.size() % encoded_interval_bytes != 0) return std::nullopt;
  const auto count = bytes.size() / encoded_interval_bytes;
  if (count > limits::coverage_intervals_max) return std::nullopt;
  // Made where it is returned: GCC 12 warns falsely about the move out of an inlined small_vector.
  std::optional<coverage> decoded{std::in_place};
  auto& pieces = decoded->intervals_;
  pieces.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto from = get_u32(bytes.data() + i * encoded_interval_bytes);
    const auto to = get_u32(bytes.data() + i * encoded_interval_bytes + 4);
    if (to > 0x7fff'ffffu || from >= to) return std::nullopt;
    const media_interval piece{static_cast<media_ms>(from), static_cast<media_ms>(to)};
    if (i > 0 && joins(pieces.back().to_ms, piece.from_ms)) return std::nullopt;
    pieces.push_back(piece);
  }
  return decoded;
}

}  // namespace watchkeeper
