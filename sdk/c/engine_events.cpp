// Events for the app: progress, dropped heartbeats, failures.

#include <algorithm>
#include <utility>

#include "sdk/c/engine.hpp"

namespace watchkeeper::sdk {

void engine::report_progress(const std::vector<pending_heartbeat>& heartbeats,
                             const std::vector<token_result>& results) {
  // The gateway may credit the tokens of a request in any order: of a module the largest progress
  // counts, and the position of the last token.
  std::vector<event> made;
  for (std::size_t i = 0; i < heartbeats.size(); ++i) {
    if (!results[i].progress) continue;
    const auto& report = *results[i].progress;
    auto at = std::find_if(made.begin(), made.end(),
                           [&](const event& each) { return each.module == heartbeats[i].module; });
    if (at == made.end()) {
      made.emplace_back();
      at = made.end() - 1;
      at->what = event::kind::progress;
      at->module = heartbeats[i].module;
    }
    at->session = heartbeats[i].session;
    at->progress.resume_ms = report.resume_ms;
    at->progress.mastered = at->progress.mastered || report.mastered;
    if (report.seconds_watched >= at->progress.seconds_watched) {
      at->progress.seconds_watched = report.seconds_watched;
      at->progress.completion_percentage = report.completion_percentage;
    }
  }
  for (auto& each : made) {
    const bool own = open_ && each.module == module_;
    each.newly_mastered = each.progress.mastered && !(own && progress_ && progress_->mastered);
    if (own) progress_ = each.progress;
    push(std::move(each));
  }
}

void engine::report_dropped(std::vector<dropped_heartbeat> dropped) {
  if (dropped.empty()) return;
  counts_.dropped += dropped.size();
  event made;
  made.what = event::kind::drop;
  made.dropped = std::move(dropped);
  push(std::move(made));
}

void engine::report_dropped(const std::vector<pending_heartbeat>& pushed_out) {
  std::vector<dropped_heartbeat> dropped;
  dropped.reserve(pushed_out.size());
  for (const auto& each : pushed_out) dropped.push_back({each, drop_reason::buffer_full, ""});
  report_dropped(std::move(dropped));
}

void engine::report_failure(failure_kind which, std::string text) {
  const auto bit = 1u << static_cast<unsigned>(which);
  if (reported_failures_ & bit) return;
  reported_failures_ |= bit;
  event made;
  made.failure = which;
  made.text = std::move(text);
  push(std::move(made));
}

void engine::push(event&& made) {
  // One report may push out thousands: they become one event.
  if (made.what == event::kind::drop && !events_.empty() &&
      events_.back().what == event::kind::drop) {
    auto& last = events_.back().dropped;
    last.insert(last.end(), made.dropped.begin(), made.dropped.end());
    return;
  }
  // Nobody takes the events: those that the app can do without go first.
  if (events_.size() >= sdk_limits::events_max) {
    const auto idle = std::find_if(events_.begin(), events_.end(), [](const event& each) {
      return each.what != event::kind::drop;
    });
    events_.erase(idle == events_.end() ? events_.begin() : idle);
  }
  events_.push_back(std::move(made));
}

std::optional<event> engine::take_event() {
  if (events_.empty()) return std::nullopt;
  auto made = std::move(events_.front());
  events_.erase(events_.begin());
  if (events_.empty()) events_.shrink_to_fit();
  return made;
}

}  // namespace watchkeeper::sdk
