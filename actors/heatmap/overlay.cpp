#include "actors/heatmap/overlay.hpp"

#include <algorithm>

namespace watchkeeper::actors {
namespace {

std::uint64_t at(const bin_sums& sums, std::size_t bin) noexcept {
  return sums.empty() ? 0 : sums[bin];
}

bool nothing(const bin_sums& sums) noexcept {
  return std::all_of(sums.begin(), sums.end(), [](auto ms) { return ms == 0; });
}

}  // namespace

void module_overlay::change_layout(const heatmap_layout& to) {
  for (auto* sums : {&before, &since, &doubtful, &grown, &plays, &plays_in_flight})
    if (!sums->empty()) *sums = rebinned(*sums, layout, to);
  if (row && !row->grown.empty()) row->grown = rebinned(row->grown, layout, to);
  layout = to;
}

void module_overlay::take(const heatmap_event& event, bool since_round) {
  if (event.played.from_ms < event.played.to_ms) add_range(plays, layout, event.played);
  auto& viewers = since_round ? since : before;
  for (const auto& range : event.fresh) {
    add_range(viewers, layout, range);
    if (since_round && event.doubtful) add_range(doubtful, layout, range);
  }
  if (!unread.empty())
    if (const auto pair = unread.find(event.student); pair != unread.end()) {
      for (const auto& range : event.fresh) pair->second.accounted.add(range);
      pair->second.touched = pair->second.touched || since_round;
    }
  if (event.first) ++(since_round ? new_since : new_before);
}

void module_overlay::add_unread(const student_id& student, const coverage& covered,
                                const coverage& recorded) {
  const auto pair = unread.find(student);
  if (pair == unread.end()) return;
  auto counted = recorded;
  counted.unite(pair->second.accounted);
  for (const auto& range : covered.without(counted))
    add_range(pair->second.since ? since : before, layout, range);
  pair->second.accounted.unite(covered);
}

void module_overlay::end_life(const student_id& student) {
  unread.erase(student);
  doubt();
}

void module_overlay::complete_round() {
  if (rounds_in_doubt > 0) {
    --rounds_in_doubt;
    constexpr auto in_sums_above = rounds_in_doubt_max - rounds_in_doubt_min;
    if (rounds_in_doubt <= in_sums_above && nothing(doubtful)) rounds_in_doubt = 0;
  }
  // The growth of the ledger beyond `before` is what was written of `doubtful`. Growth by others
  // (another gateway, pairs that were not read) is in it too; hence at most `doubtful`.
  bin_sums written;
  if (!doubtful.empty() && !grown.empty()) {
    written.resize(layout.bins);
    for (std::size_t i = 0; i < written.size(); ++i) {
      const auto beyond = grown[i] > at(before, i) ? grown[i] - at(before, i) : 0;
      written[i] = std::min(beyond, doubtful[i]);
    }
  }
  before = std::move(since);
  grown = std::move(written);
  new_before = new_since;
  std::erase_if(unread,
                [](const auto& each) { return !each.second.touched && !each.second.since; });
  for (auto& [student, pair] : unread) pair.since = pair.touched = false;
  since.clear();
  doubtful.clear();
  new_since = 0;
  row.reset();
  looked_at = false;
}

void module_overlay::abandon_round() {
  if (!since.empty()) add_sums(before, since);
  new_before += new_since;
  for (auto& [student, pair] : unread) pair.since = pair.touched = false;
  since.clear();
  doubtful.clear();
  new_since = 0;
}

bool module_overlay::empty() const noexcept {
  return !row && rounds_in_doubt == 0 && new_before + new_since == 0 && unread.empty() &&
         nothing(before) && nothing(since) && nothing(grown) && nothing(plays) &&
         nothing(plays_in_flight);
}

storage::heatmap_record module_overlay::shown() const {
  storage::heatmap_record made;
  made.bins.layout = layout;
  made.bins.viewer_ms.resize(layout.bins);
  made.bins.play_ms.resize(layout.bins);
  for (std::size_t i = 0; i < layout.bins; ++i) {
    const auto credited = at(before, i) + at(since, i);
    const auto in_row = row ? at(row->grown, i) : 0;
    made.bins.viewer_ms[i] = credited > in_row ? credited - in_row : 0;
    made.bins.play_ms[i] = at(plays, i) + at(plays_in_flight, i);
  }
  made.students = new_before + new_since;
  // A row that was read in the middle of a round may include some of them; the others follow soon.
  if (row && !nothing(row->grown)) made.students = 0;
  if (!row || !row->record) return made;

  const auto& recorded = row->record->bins;
  made.students += row->record->students;
  made.bins.viewer_ms = rebinned(made.bins.viewer_ms, layout, recorded.layout);
  made.bins.play_ms = rebinned(made.bins.play_ms, layout, recorded.layout);
  made.bins.layout = recorded.layout;
  add_sums(made.bins.viewer_ms, recorded.viewer_ms);
  add_sums(made.bins.play_ms, recorded.play_ms);
  return made;
}

}  // namespace watchkeeper::actors
