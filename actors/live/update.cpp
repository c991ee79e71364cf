#include "actors/live/update.hpp"

#include <algorithm>

namespace watchkeeper::actors {
namespace {

std::string_view name_of(credit_status status) noexcept {
  switch (status) {
    case credit_status::credited:
      return "credited";
    case credit_status::limited:
      return "limited";
    case credit_status::duplicate:
      return "duplicate";
    case credit_status::rejected:
      break;
  }
  return "rejected";
}

std::string_view state_of(const progress_summary& now) noexcept {
  if (now.mastered_ms != never) return "MASTERED";
  // As is_blank says of a progress.
  return now.life.attempt <= 1 && now.updated_ms == never ? "NOT_STARTED" : "IN_PROGRESS";
}

template <class Ranges>
void write_ranges(json_writer& out, const Ranges& ranges) {
  out.begin_array();
  for (const auto& range : ranges)
    out.begin_array().value(range.from_ms).value(range.to_ms).end_array();
  out.end_array();
}

}  // namespace

void live_update::append(const live_update& newer) {
  if (newer.now.life != now.life) {  // nothing of a life that ended counts in another one
    if (now.life < newer.now.life) *this = newer;
    return;
  }
  if (newer.now.updated_ms >= now.updated_ms) {
    status = newer.status;
    now = newer.now;
    last = newer.last;
  }
  fresh.unite(newer.fresh);
  for (const auto& pass : newer.played) {
    if (!played.empty() && played.back().to_ms == pass.from_ms) {
      played.back().to_ms = pass.to_ms;
    } else if (played.size() < passes_max) {
      played.push_back(pass);
    } else {
      auto& longer = played.back();
      longer = {std::min(longer.from_ms, pass.from_ms), std::max(longer.to_ms, pass.to_ms)};
    }
  }
}

live_update update_of(const acknowledged_heartbeat& heartbeat) {
  live_update update;
  update.student = heartbeat.request.student;
  update.status = heartbeat.outcome.status;
  update.now = heartbeat.outcome.now;
  update.last = heartbeat.request.interval;
  if (heartbeat.fresh_is_exact)
    for (const auto& range : heartbeat.fresh) update.fresh.add(range);
  if (const auto played = heartbeat.outcome.played; !played.empty())
    update.played.push_back(played);
  return update;
}

void write_item(json_writer& out, const live_update& update) {
  const auto& now = update.now;
  out.begin_object()
      .member("student", update.student.view())
      .member("attempt", now.life.attempt)
      .member("seconds_watched", seconds_watched(now.measured_ms))
      .key("completion_percentage")
      .fixed(completion_centipercent(now.measured_ms, now.duration_ms), 2)
      .member("state", state_of(now))
      .member("resume_ms", resume_within(now.resume_ms, now.duration_ms))
      .member("from_ms", update.last.from_ms)
      .member("to_ms", update.last.to_ms)
      .member("status", name_of(update.status));
  write_ranges(out.key("new"), update.fresh.pieces());
  write_ranges(out.key("played"), update.played);
  out.end_object();
}

}  // namespace watchkeeper::actors
