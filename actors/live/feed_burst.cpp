// What the thread of the live feed sends four times a second, to subscribers and to other gateways.
#include <algorithm>

#include "actors/live/feed.hpp"

namespace watchkeeper::actors {

void live_feed::burst(mono_ms now) {
  std::vector<raw_update> raw;
  std::vector<ended_life> ended;
  bool gap = false;
  bool ours = false;
  {
    const mutex_lock lock(queue_mutex_);
    raw.swap(queue_);
    ended.swap(ended_);
    std::swap(gap, gap_);
    std::swap(ours, gap_is_ours_);
    unfinished_ = false;
  }
  const mutex_lock lock(mutex_);
  // Before the updates: those of a life that ended are in none of the next events.
  take_ended(ended);
  if (gap) gap_everywhere();
  if (ours && deps_.channel->state().shared) deps_.channel->publish(encode({gateway_, live_gap{}}));
  take_messages(now);
  take_updates(std::move(raw), now);
  announce_seen();
  bool more = false;
  const auto at_ms = deps_.time.wall_now();
  for (auto& [module, stream] : streams_) {
    stream->outgoing += stream->next_burst(now, at_ms, events_);
    more = more || stream->has_pending();
  }
  announce_interest(now);
  if (!more) return;
  // Perhaps nothing comes that would wake the thread for the rest.
  const mutex_lock queue_lock(queue_mutex_);
  unfinished_ = true;
}

std::int64_t live_feed::write_out() {
  const mutex_lock lock(mutex_);
  auto cost_bytes = totals_only_.write_out(write_costs_bytes);
  for (const auto& [module, stream] : streams_) cost_bytes += stream->write_out(write_costs_bytes);
  return pause_ms(cost_bytes);
}

std::int64_t live_feed::pause_ms(std::size_t cost_bytes) noexcept {
  return std::clamp(static_cast<std::int64_t>(cost_bytes * 1000 / written_bytes_per_s_max),
                    burst_ms, burst_ms_max);
}

void live_feed::take_messages(mono_ms now) {
  std::vector<std::string> texts;
  {
    const mutex_lock lock(queue_mutex_);
    texts.swap(messages_);
    message_bytes_ = 0;
  }
  const auto at_ms = deps_.time.wall_now();
  for (const auto& text : texts) {
    const auto message = decode_live_message(text);
    if (!message || message->gateway == gateway_) continue;
    if (const auto* interest = std::get_if<live_interest>(&message->what)) {
      for (const auto& module : interest->modules)
        if (auto* stream = find_or_make(module, now)) stream->remote_until = now + interest_ms;
    } else if (const auto* updates = std::get_if<live_updates>(&message->what)) {
      if (auto* stream = find(updates->module))
        for (const auto& item : updates->items) add(*stream, item, at_ms);
    } else if (const auto* seen = std::get_if<live_seen>(&message->what)) {
      take_seen(*seen, now);
    } else if (const auto* second = std::get_if<live_second>(&message->what)) {
      if (others_.size() < gateways_max || others_.contains(message->gateway))
        others_[message->gateway].add(second->grown, now);
      // A gateway without heartbeats of its own writes those of others to the ledger all the same.
      if (seen_elsewhere_) seen_elsewhere_({}, {});
    } else {
      gap_everywhere();
    }
  }
}

void live_feed::take_seen(const live_seen& seen, mono_ms now) {
  std::vector<student_id> students;
  students.reserve(seen.students.size());
  for (const auto& one : seen.students) {
    board_.count_elsewhere({one.student, seen.module}, one.credited, now);
    students.push_back(one.student);
  }
  if (seen_elsewhere_) seen_elsewhere_(seen.module, students);
}

void live_feed::announce_seen() {
  const auto changes = board_.take_changes();
  for (auto at = changes.begin(); at != changes.end();) {
    live_seen seen{at->pair.module, {}};
    for (; at != changes.end() && at->pair.module == seen.module &&
           seen.students.size() < live_message::students_max;
         ++at)
      seen.students.push_back({at->pair.student, at->credited});
    deps_.channel->publish(encode({gateway_, std::move(seen)}));
  }
}

void live_feed::take_updates(std::vector<raw_update>&& raw, mono_ms now) {
  // Together by module, each module's in their order.
  std::stable_sort(raw.begin(), raw.end(),
                   [](const auto& a, const auto& b) { return a.module < b.module; });
  for (auto at = raw.begin(); at != raw.end();) {
    const auto end =
        std::find_if(at, raw.end(), [&](const auto& each) { return each.module != at->module; });
    auto* stream = find(at->module);  // none: another module of the same bucket is watched
    if (stream != nullptr) {
      std::vector<live_update> coalesced;
      boost::unordered_flat_map<student_id, std::size_t, std::hash<student_id>> places;
      for (auto each = at; each != end; ++each) {
        if (!add(*stream, each->update, each->at_ms) || stream->remote_until <= now) continue;
        const auto [place, is_new] = places.emplace(each->update.student, coalesced.size());
        if (is_new)
          coalesced.push_back(std::move(each->update));
        else
          coalesced[place->second].append(each->update);
      }
      if (!coalesced.empty()) publish(*stream, coalesced);
    }
    at = end;
  }
}

bool live_feed::add(live_stream& stream, const live_update& update, wall_ms at_ms) {
  if (ended_lately_.contains(*stream.module(), update)) return false;
  if (stream.add(update, at_ms)) return true;
  lost_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void live_feed::publish(const live_stream& stream, std::span<const live_update> updates) {
  constexpr std::size_t chunk_bytes = live_message::bytes_max / 4;
  std::vector<const live_update*> chunk;
  std::size_t bytes = 0;
  const auto send = [&] {
    if (!chunk.empty()) deps_.channel->publish(encode_updates(gateway_, *stream.module(), chunk));
    chunk.clear();
    bytes = 0;
  };
  for (const auto& update : updates) {
    // A line at its longest: the numbers of the head, and ten characters a number of each range.
    const auto size = 256 + 20 * (update.fresh.pieces().size() + update.played.size());
    if (chunk.size() == live_message::items_max || bytes + size > chunk_bytes) send();
    chunk.push_back(&update);
    bytes += size;
  }
  send();
}

void live_feed::announce_interest(mono_ms now) {
  bool changed = false;
  {
    const mutex_lock lock(queue_mutex_);
    std::swap(changed, interest_changed_);
  }
  if (!changed && interest_published_at_ && now - *interest_published_at_ < interest_interval_ms)
    return;
  interest_published_at_ = now;
  if (!deps_.channel->state().shared) return;
  live_interest interest;
  for (const auto& [module, stream] : streams_)
    if (!stream->subscribers.empty() || stream->linger_until > now)
      if (interest.modules.size() < live_message::modules_max) interest.modules.push_back(module);
  if (!interest.modules.empty()) deps_.channel->publish(encode({gateway_, std::move(interest)}));
}

}  // namespace watchkeeper::actors
