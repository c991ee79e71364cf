#include "actors/heatmap/heatmap.hpp"
#include "actors/shared/actor_limits.hpp"
#include "storage/limits.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace watchkeeper::actors {
namespace {

constexpr std::size_t lane_events = 128;
constexpr std::size_t modules_read_again_max = 64;
constexpr std::size_t unread_at_once = 2048;

std::string random_id() {
  static constexpr char digits[] = "0123456789abcdef";
  std::random_device random;
  std::string id;
  for (int i = 0; i < 32; ++i) id += digits[random() % 16];
  return id;
}

}  // namespace

heatmap::heatmap(std::size_t lanes)
    : lanes_(std::max<std::size_t>(lanes, 1)), writer_(random_id()) {
  for (auto& each : lanes_) each.events.reserve(lane_events);
}
heatmap::~heatmap() = default;

void heatmap::acknowledged(const acknowledged_heartbeat& heartbeat) noexcept {
  if (heartbeat.outcome.played.empty()) return;
  try {
    const auto& credit = heartbeat.request;
    const auto partition = partition_of(credit.student);
    auto& into = lane_of(partition);
    const mutex_lock lock(into.mutex);
    auto& event = into.events.emplace_back();
    event.student = credit.student;
    event.module = credit.module;
    event.epoch = credit.epoch;
    event.duration_ms = credit.duration_ms;
    event.played = heartbeat.outcome.played;
    event.fresh.assign(heartbeat.fresh.begin(), heartbeat.fresh.end());
    event.round = into.round[partition];
    event.doubtful = into.open[partition];
    event.first = heartbeat.fresh_is_exact &&
                  heartbeat.outcome.now.playtime_ms == heartbeat.outcome.played.length_ms();
    if (!heartbeat.fresh_is_exact && heartbeat.covered) event.unread = *heartbeat.covered;
    if (into.events.size() >= lane_events) {
      const mutex_lock central(mutex_);
      apply(into.events);
      into.events.clear();
    }
  } catch (...) {  // out of memory: the viewers appear with the next checkpoint
    ++left_out_;
  }
}

void heatmap::drain(lane& from) {
  const mutex_lock lock(from.mutex);
  const mutex_lock central(mutex_);
  apply(from.events);
  from.events.clear();
}
void heatmap::drain() {
  for (auto& each : lanes_) drain(each);
}

module_overlay* heatmap::overlay_of(const module_id& module, const heatmap_layout& layout) {
  auto found = modules_.find(module);
  if (found == modules_.end()) {
    if (modules_.size() >= actor_limits::heatmap_modules_max) return nullptr;
    found = modules_.try_emplace(module).first;
    found->second.layout = layout;
  }
  if (layout.bins > 0 && found->second.layout != layout) found->second.change_layout(layout);
  return &found->second;
}

void heatmap::apply(const std::vector<heatmap_event>& events) {
  for (const auto& event : events) {
    const bool since = event.round == round_ && round_ > 0;
    touch(event.module, event.student, {since, event.epoch});
    auto* overlay = overlay_of(event.module, heatmap_layout::of(event.duration_ms));
    if (!overlay) {
      ++left_out_;
      continue;
    }
    overlay->take(event, since);
    if (!event.unread) continue;
    auto pair = overlay->unread.find(event.student);
    if (pair == overlay->unread.end()) {
      if (unread_ >= actor_limits::heatmap_unread_pairs_max)
        continue;  // it appears with the next checkpoint
      ++unread_;
      pair = overlay->unread.try_emplace(event.student).first;
    }
    pair->second.covered = *event.unread;
    pair->second.since = since;
  }
}

void heatmap::round_begins() {
  drain();
  const mutex_lock lock(mutex_);
  ++round_;
  in_round_ = true;
}

void heatmap::partition_begins(partition_index partition) {
  auto& its = lane_of(partition);
  const mutex_lock lock(its.mutex);
  {
    const mutex_lock central(mutex_);
    its.round[partition] = round_;
  }
  its.open[partition] = true;
}

void heatmap::partition_ends(partition_index partition) {
  auto& its = lane_of(partition);
  const mutex_lock lock(its.mutex);
  its.open[partition] = false;
}

void heatmap::round_ends(bool complete, storage::ledger& ledger) {
  const auto turn = ledger_turn();
  drain();
  std::vector<module_id> looked_at;
  {
    const mutex_lock lock(mutex_);
    unread_ = 0;
    finish_touched(complete);
    for (auto at = modules_.begin(); at != modules_.end();) {
      auto& [module, overlay] = *at;
      if (complete) {
        if (overlay.looked_at && looked_at.size() < modules_read_again_max)
          looked_at.push_back(module);
        overlay.complete_round();
      } else {
        overlay.abandon_round();
      }
      unread_ += overlay.unread.size();
      at = overlay.empty() ? modules_.erase(at) : std::next(at);
    }
    // From now on a heartbeat belongs before the next round, whatever its partition's state.
    ++round_;
  }
  for (const auto& module : looked_at)
    if (!load_row(module, ledger)) return;  // the next reader loads it
}

void heatmap::grown(const std::vector<storage::heatmap_delta>& deltas) noexcept {
  try {
    const mutex_lock lock(mutex_);
    for (const auto& delta : deltas) {
      const auto layout = heatmap_layout::of(delta.duration_ms);
      // Its heartbeats may still be in the lanes: make an overlay for them if there is none.
      const auto found = modules_.find(delta.module);
      auto* overlay = found == modules_.end() ? overlay_of(delta.module, layout) : &found->second;
      if (!overlay) continue;  // there is no room for its heartbeats either
      if (overlay->layout.bins == 0) overlay->layout = layout;
      add_sums(overlay->grown, rebinned(delta.ms, layout, overlay->layout));
    }
  } catch (...) {  // out of memory: until the next round some may be shown twice
    ++left_out_;
  }
}

void heatmap::write_failed() {
  drain();
  const mutex_lock lock(mutex_);
  for (auto& [module, overlay] : modules_) overlay.doubt();
}

void heatmap::gather_plays() {
  const mutex_lock lock(mutex_);
  for (auto& [module, overlay] : modules_) {
    if (overlay.plays.empty()) continue;
    if (in_flight_.empty() ||
        in_flight_.back().plays.size() == storage_limits::heatmap_play_modules_max)
      in_flight_.push_back({++sequence_, {}});
    in_flight_.back().plays.push_back({module, overlay.layout.duration_ms, overlay.plays});
    overlay.plays_in_flight = std::move(overlay.plays);
    overlay.plays.clear();
  }
}

storage::stored<ok_t> heatmap::flush_plays(storage::ledger& ledger) {
  drain();
  // A batch whose write failed keeps its number: it may have been written. Plays that came since
  // are gathered after it, and written too, because this may be the last call.
  bool gathered = false;
  for (;;) {
    if (in_flight_.empty()) {
      if (std::exchange(gathered, true)) return ok;
      gather_plays();
      continue;
    }
    const auto& batch = in_flight_.front();
    const auto turn = ledger_turn();
    if (auto done = ledger.add_plays(batch.plays, writer_, batch.sequence); !done)
      return done.error();
    const mutex_lock lock(mutex_);
    for (const auto& delta : batch.plays) {
      const auto found = modules_.find(delta.module);
      if (found == modules_.end()) continue;
      auto& overlay = found->second;
      overlay.plays_in_flight.clear();
      if (!overlay.row) continue;
      if (overlay.row->record)
        add_sums(overlay.row->record->bins.play_ms,
                 rebinned(delta.ms, heatmap_layout::of(delta.duration_ms),
                          overlay.row->record->bins.layout));
      else
        overlay.row.reset();  // there is a heatmap now
    }
    in_flight_.erase(in_flight_.begin());
  }
}

storage::stored<ok_t> heatmap::load_row(const module_id& module, storage::ledger& ledger) {
  auto record = ledger.heatmap_of(module);
  if (!record) return record.error();
  const mutex_lock lock(mutex_);
  if (auto* overlay = overlay_of(module, {}))
    overlay->row = module_overlay::ledger_row{*std::move(record), overlay->grown};
  return ok;
}

storage::stored<ok_t> heatmap::read_unread(const module_id& module, storage::ledger& ledger) {
  std::vector<pair_key> keys;
  std::vector<coverage> covered;
  {
    const mutex_lock lock(mutex_);
    const auto found = modules_.find(module);
    if (found == modules_.end()) return ok;
    for (const auto& [student, pair] : found->second.unread) {
      if (pair.covered.empty()) continue;
      keys.push_back({student, module});
      covered.push_back(pair.covered);
      if (keys.size() == unread_at_once) break;
    }
  }
  for (std::size_t first = 0; first < keys.size(); first += storage_limits::list_items_max) {
    const auto count = std::min(storage_limits::list_items_max, keys.size() - first);
    auto rows = ledger.read({keys.data() + first, count});
    if (!rows) return rows.error();
    const mutex_lock lock(mutex_);
    const auto found = modules_.find(module);
    if (found == modules_.end()) return ok;
    for (std::size_t i = 0; i < count; ++i) {
      auto& overlay = found->second;
      const auto& student = keys[first + i].student;
      overlay.add_unread(student, covered[first + i],
                         (*rows)[i] ? (*rows)[i]->covered : coverage{});
      // If a heartbeat came in between, the next call reads the pair again.
      auto& pair = overlay.unread[student];
      if (pair.covered == covered[first + i]) pair.covered = {};
    }
  }
  return ok;
}

storage::stored<storage::heatmap_record> heatmap::read_row(const module_id& module,
                                                           storage::ledger& ledger) {
  auto record = ledger.heatmap_of(module);
  if (!record) return record.error();
  return *record ? **std::move(record) : storage::heatmap_record{};
}

storage::stored<storage::heatmap_record> heatmap::read_sums(const module_id& module,
                                                            storage::ledger& ledger) {
  bool room = true;
  bool needs_row = true;
  {
    const mutex_lock lock(mutex_);
    if (const auto found = modules_.find(module); found != modules_.end())
      needs_row = !found->second.row;
    else
      room = modules_.size() < actor_limits::heatmap_modules_max;
  }
  if (!room) return read_row(module, ledger);
  if (needs_row)
    if (auto loaded = load_row(module, ledger); !loaded) return loaded.error();
  if (auto unread = read_unread(module, ledger); !unread) return unread.error();
  storage::heatmap_record shown;
  const mutex_lock lock(mutex_);
  if (const auto found = modules_.find(module); found != modules_.end()) {
    found->second.looked_at = true;
    shown = found->second.shown();
  }
  return shown;
}

std::optional<storage::heatmap_record> heatmap::sums_in_memory(const module_id& module) {
  const mutex_lock lock(mutex_);
  const auto found = modules_.find(module);
  if (found == modules_.end() || !found->second.row) return std::nullopt;
  auto& overlay = found->second;
  const auto is_unread = [](const auto& pair) { return !pair.second.covered.empty(); };
  if (std::any_of(overlay.unread.begin(), overlay.unread.end(), is_unread)) return std::nullopt;
  overlay.looked_at = true;
  return overlay.shown();
}

bool heatmap::is_read_pair_by_pair(const module_id& module) {
  const mutex_lock lock(mutex_);
  const auto at = modules_.find(module);
  return others_for_rounds_ > 0 || (at != modules_.end() && at->second.rounds_in_doubt > 0);
}

storage::stored<storage::heatmap_record> heatmap::read_stores(const module_id& module,
                                                              media_ms duration_ms,
                                                              storage::ledger& ledger,
                                                              storage::hot_store& hot) {
  // Keeps checkpoints of this gateway from coming between the ledger and the overlay. Pair by pair
  // it goes without, because the row is read once more after the pairs.
  const auto turn = ledger_turns_.take_within(turn_wait_max);
  drain();
  const bool sums_fit = turn && !is_read_pair_by_pair(module);
  if (!sums_fit)
    if (auto found = read_pairs(module, duration_ms, ledger, hot)) return found;
  // If the hot store is away, it has nothing to add: each gateway has only its own credit then.
  return sums_fit ? read_sums(module, ledger) : read_row(module, ledger);
}

storage::stored<heatmap_view> heatmap::read(const module_id& module, media_ms duration_ms,
                                            storage::ledger& ledger, storage::hot_store& hot) {
  drain();
  std::optional<storage::heatmap_record> found;
  if (!is_read_pair_by_pair(module)) found = sums_in_memory(module);
  if (!found) {
    auto in_stores = read_stores(module, duration_ms, ledger, hot);
    if (!in_stores) return in_stores.error();
    found = *std::move(in_stores);
  }
  auto& shown = *found;
  heatmap_view view{std::move(shown.bins), shown.students};
  if (view.bins.layout.bins == 0) {
    view.bins.layout = heatmap_layout::of(duration_ms);
    view.bins.viewer_ms.assign(view.bins.layout.bins, 0);
    view.bins.play_ms.assign(view.bins.layout.bins, 0);
  }
  // A closed gap was not played, and plays may have been lost with a process.
  for (std::size_t i = 0; i < view.bins.layout.bins; ++i)
    view.bins.play_ms[i] = std::max(view.bins.play_ms[i], view.bins.viewer_ms[i]);
  return view;
}

void heatmap::forget_rows() {
  const mutex_lock lock(mutex_);
  for (auto& [module, overlay] : modules_) overlay.row.reset();
}

}  // namespace watchkeeper::actors
