#include "actors/live/stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/calendar.hpp"
#include "base/json_writer.hpp"
#include "crypto/digest.hpp"

namespace watchkeeper::actors {
namespace {

std::uint64_t random_serial() {
  std::array<std::uint8_t, 8> bytes{};
  crypto::random_bytes(bytes);
  std::uint64_t serial = 0;
  for (const auto byte : bytes) serial = serial << 8 | byte;
  return serial;
}

std::string event_text(std::string_view id, std::string_view kind, std::string_view data) {
  return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", id, kind, data);
}

}  // namespace

live_stream::live_stream(std::optional<module_id> module)
    : module_(module), serial_(random_serial()) {}

bool live_stream::add(const live_update& update, wall_ms at_ms) {
  if (const auto place = places_.find(update.student); place != places_.end()) {
    order_[place->second - order_base_].append(update);
  } else {
    if (order_.size() >= pending_students_max) return false;
    places_.emplace(update.student, order_base_ + order_.size());
    order_.push_back(update);
  }
  add_heat(update, at_ms);
  return true;
}

void live_stream::add_heat(const live_update& update, wall_ms at_ms) {
  const auto layout = heatmap_layout::of(update.now.duration_ms);
  if (layout.bins == 0) return;
  if (layout != layout_) {
    // The module has another duration: deltas in bins of another width are of no use.
    heat_.clear();
    layout_ = layout;
  }
  if (heat_.empty() || at_ms < heat_since_ms_) heat_since_ms_ = at_ms;
  const auto spread = [&](const media_interval& range, std::int64_t heat::*member) {
    layout.for_each_bin(range, [&](std::size_t bin, media_ms ms) {
      heat_[static_cast<std::uint32_t>(bin)].*member += ms;
    });
  };
  for (const auto& range : update.fresh.pieces()) spread(range, &heat::fresh_ms);
  for (const auto& range : update.played) spread(range, &heat::played_ms);
}

std::string live_stream::next_burst(mono_ms now, wall_ms now_ms, std::uint64_t& events) {
  std::string out;
  if (owes_reset_ && (!reset_at_ || now - *reset_at_ >= reset_ms)) {
    owes_reset_ = false;
    reset_at_ = now;
    ++number_;
    drop_backlog();  // who comes back with an id from before it gets another one
    out += passing("reset", "{}");
    ++events;
  }
  if (!order_.empty()) {
    out += progress_event(now_ms);
    ++events;
  }
  if (!heat_.empty()) {
    out += heatmap_event();
    ++events;
  }
  return out;
}

std::string live_stream::progress_event(wall_ms now_ms) {
  std::string data;
  json_writer json(data);
  json.begin_object().member("module", module_->view()).member("at", rfc3339(now_ms));
  json.key("items").begin_array();
  while (!order_.empty() && data.size() < event_bytes_max) {
    write_item(json, order_.front());
    places_.erase(order_.front().student);
    order_.pop_front();
    ++order_base_;
  }
  json.end_array().end_object();
  return append_to_backlog("progress", data);
}

std::string live_stream::heatmap_event() {
  std::string data;
  json_writer json(data);
  json.begin_object().member("module", module_->view()).key("bins").begin_array();
  for (const auto& [bin, added] : heat_) {
    // With four decimals at most. Mostly it is a whole number, a bin that was played through.
    const auto amount = [length = static_cast<double>(layout_.length_ms(bin))](std::int64_t ms) {
      return std::llround(static_cast<double>(ms) * 10'000 / length);
    };
    json.begin_array().value(bin);
    json.trimmed(amount(added.fresh_ms), 4).trimmed(amount(added.played_ms), 4).end_array();
  }
  json.end_array().member("since", rfc3339(heat_since_ms_)).end_object();
  heat_.clear();
  return append_to_backlog("heatmap", data);
}

void live_stream::drop_backlog() {
  backlog_.clear();
  backlog_bytes_ = 0;
  backlog_after_ = number_;
}

void live_stream::begin_anew() {
  owes_reset_ = true;
  drop_backlog();
  order_base_ += order_.size();
  order_.clear();
  places_.clear();
  heat_.clear();
}

std::size_t live_stream::write_out(std::size_t per_write_bytes) {
  if (outgoing.empty()) return 0;
  for (const auto& [number, who] : subscribers) who->write(outgoing);
  const auto cost_bytes = subscribers.size() * (outgoing.size() + per_write_bytes);
  outgoing.clear();
  return cost_bytes;
}

std::string live_stream::append_to_backlog(std::string_view kind, std::string_view data) {
  auto text = event_text(id_of(++number_), kind, data);
  backlog_bytes_ += text.size();
  backlog_.push_back({number_, text});
  while (backlog_.size() > backlog_events_max || backlog_bytes_ > backlog_bytes_max) {
    backlog_after_ = backlog_.front().number;
    backlog_bytes_ -= backlog_.front().text.size();
    backlog_.pop_front();
  }
  return text;
}

std::string live_stream::id_of(std::uint64_t number) const {
  return fmt::format("{:016x}-{}", serial_, number);
}

std::string live_stream::passing(std::string_view kind, std::string_view data) const {
  return event_text(id_of(number_), kind, data);
}

std::string live_stream::greeting(std::string_view last_event_id, wall_ms now_ms,
                                  std::int64_t retry_ms) const {
  std::string hello;
  json_writer(hello)
      .begin_object()
      .member("server_time", rfc3339(now_ms))
      .member("retry_ms", retry_ms)
      .end_object();
  const auto begin = fmt::format("retry: {}\n", retry_ms);
  // Each `totals` event is complete: a client misses nothing.
  if (last_event_id.empty() || !module_) return begin + passing("hello", hello);
  const auto ours = fmt::format("{:016x}-", serial_);
  std::uint64_t seen = 0;
  const auto* const end = last_event_id.data() + last_event_id.size();
  bool resumable = last_event_id.starts_with(ours);
  if (resumable) {
    const auto parsed = std::from_chars(last_event_id.data() + ours.size(), end, seen);
    resumable =
        parsed.ec == std::errc{} && parsed.ptr == end && seen >= backlog_after_ && seen <= number_;
  }
  if (!resumable) return begin + passing("hello", hello) + passing("reset", "{}");
  // With the client's id: a client that leaves in the middle comes back for the rest.
  auto out = begin + event_text(id_of(seen), "hello", hello);
  for (const auto& event : backlog_)
    if (event.number > seen) out += event.text;
  return out;
}

}  // namespace watchkeeper::actors
