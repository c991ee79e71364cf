#include "actors/live/update.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

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
  if (now.mastered_ms != 0) return "MASTERED";
  return now.covered_ms == 0 ? "NOT_STARTED" : "IN_PROGRESS";
}

template <class Ranges>
void append_ranges(std::string& out, const Ranges& ranges) {
  out += '[';
  bool first = true;
  for (const auto& range : ranges) {
    fmt::format_to(std::back_inserter(out), "{}[{},{}]", first ? "" : ",", range.from_ms,
                   range.to_ms);
    first = false;
  }
  out += ']';
}

}  // namespace

void live_update::append(const live_update& newer) {
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

live_update update_of(const settled_heartbeat& heartbeat) {
  live_update update;
  update.student = heartbeat.request.student;
  update.status = heartbeat.outcome.status;
  update.now = heartbeat.outcome.now;
  update.last = heartbeat.request.interval;
  if (heartbeat.fresh_known)
    for (const auto& range : heartbeat.fresh) update.fresh.add(range);
  if (heartbeat.played.from_ms < heartbeat.played.to_ms) update.played.push_back(heartbeat.played);
  return update;
}

void append_item(std::string& out, const live_update& update) {
  const auto& now = update.now;
  const auto centipercent = completion_centipercent(now.covered_ms, now.duration_ms);
  // Ids need no escaping: their alphabet has neither quotes nor backslashes.
  fmt::format_to(std::back_inserter(out),
                 R"({{"student":"{}","seconds_watched":{},"completion_percentage":{}.{:02},)"
                 R"("state":"{}","resume_ms":{},"from_ms":{},"to_ms":{},"status":"{}","new":)",
                 update.student.view(), seconds_watched(now.covered_ms), centipercent / 100,
                 centipercent % 100, state_of(now), now.resume_ms, update.last.from_ms,
                 update.last.to_ms, name_of(update.status));
  append_ranges(out, update.fresh.pieces());
  out += R"(,"played":)";
  append_ranges(out, update.played);
  out += '}';
}

}  // namespace watchkeeper::actors
