#include "server/api/documents/progress_json.hpp"

#include "base/calendar.hpp"

namespace watchkeeper::server {
namespace {

std::string_view state_of(const progress& state) {
  if (state.mastered_ms != never) return "MASTERED";
  return is_blank(state) ? "NOT_STARTED" : "IN_PROGRESS";
}

void write_time_or_null(json_writer& out, wall_ms time_ms) {
  if (time_ms == never)
    out.null();
  else
    out.value(rfc3339(time_ms));
}

}  // namespace

void write_progress_members(json_writer& out, const pair_key& key, const progress& state) {
  const auto measured = state.covered.measured(state.duration_ms);
  const auto measured_ms = measured.covered_ms();
  out.member("student", key.student.view())
      .member("module", key.module.view())
      .member("seconds_watched", seconds_watched(measured_ms))
      .key("completion_percentage")
      .fixed(completion_centipercent(measured_ms, state.duration_ms), 2)
      .member("state", state_of(state));
  out.key("coverage").begin_array();
  for (const auto& piece : measured.pieces())
    out.begin_array().value(piece.from_ms).value(piece.to_ms).end_array();
  out.end_array();
  out.member("playtime_ms", state.playtime_ms)
      .member("resume_ms", resume_within(state.resume_ms, state.duration_ms));
  write_time_or_null(out.key("updated_at"), state.updated_ms);
  write_time_or_null(out.key("mastered_at"), state.mastered_ms);
  out.member("attempt", state.life.attempt);
}

void write_items_and_next(json_writer& out, std::span<const storage::pair_progress> items,
                          const std::optional<std::string>& next) {
  out.key("items").begin_array();
  for (const auto& item : items) {
    out.begin_object();
    write_progress_members(out, item.key, item.state);
    out.end_object();
  }
  out.end_array().key("next");
  if (next)
    out.value(*next);
  else
    out.null();
}

}  // namespace watchkeeper::server
