// /v1/modules/{module}/heatmap, and the students of a module in the order of their status.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/calendar.hpp"
#include "domain/heatmap_insights.hpp"
#include "server/api/api_problem.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/progress_json.hpp"
#include "server/api/resources/read_latest.hpp"
#include "server/api/resources/status_lists.hpp"

namespace watchkeeper::server {
namespace {

/// Sums divided by the length of their bin, rounded to two decimals.
void write_means(json_writer& out, const heatmap_layout& layout, const bin_sums& sums) {
  out.begin_array();
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const auto length_ms = static_cast<std::uint64_t>(layout.length_ms(i));
    out.trimmed(static_cast<std::int64_t>((sums[i] * 100 + length_ms / 2) / length_ms), 2);
  }
  out.end_array();
}

std::int64_t hundredths(double value) {
  return std::llround(value * 100);
}

std::string document_of(const module_id& module, const actors::heatmap_view& view,
                        std::size_t bins_max, wall_ms now_ms) {
  const auto drawn = downsampled(view.bins, bins_max);
  std::string text;
  json_writer out(text);
  out.begin_object()
      .member("module", module.view())
      .member("duration_ms", drawn.layout.duration_ms)
      .member("bin_ms", drawn.layout.bin_ms)
      .member("bins", drawn.layout.bins);
  write_means(out.key("viewers"), drawn.layout, drawn.viewer_ms);
  write_means(out.key("plays"), drawn.layout, drawn.play_ms);
  out.member("students", view.students);
  // Found in the stored bins, so that they do not depend on how many bins are drawn.
  out.key("hotspots").begin_array();
  for (const auto& spot : hotspots_of(view.bins))
    out.begin_object()
        .member("from_ms", spot.from_ms)
        .member("to_ms", spot.to_ms)
        .key("plays_per_viewer")
        .fixed(hundredths(spot.plays_per_viewer), 2)
        .end_object();
  out.end_array().key("drop_offs").begin_array();
  for (const auto& fall : drop_offs_of(view.bins))
    out.begin_object()
        .member("at_ms", fall.at_ms)
        .member("lost", fall.lost)
        .key("share")
        .fixed(hundredths(fall.share), 2)
        .end_object();
  out.end_array().member("as_of", rfc3339(now_ms)).end_object();
  return text;
}

/// Of a module that was removed, the duration of its heatmap: it stays readable.
media_ms duration_of(call& c, const module_id& id) {
  if (const auto module = need(c.store.ledger().get_module(id))) return module->rules.duration_ms;
  if (const auto heatmap = need(c.store.ledger().heatmap_of(id)))
    return heatmap->bins.layout.duration_ms;
  throw api_problem(problem::not_found, "The catalogue has no such module");
}

/// `<list>.<place>`
struct status_cursor {
  std::string_view list;
  std::size_t place = 0;
};
status_cursor parse_cursor(std::string_view text) {
  const auto dot = text.find('.');
  status_cursor cursor{text.substr(0, dot), 0};
  const auto digits = dot == text.npos ? std::string_view{} : text.substr(dot + 1);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), cursor.place);
  if (cursor.list.empty() || digits.empty() || error != std::errc{} ||
      end != digits.data() + digits.size())
    throw api_problem(
        problem::malformed_request,
        "The query parameter cursor must be the value of next of the previous page of a "
        "list with the same order");
  return cursor;
}

}  // namespace

net::http_response get_heatmap(call& c) {
  const auto bins =
      c.query.count("bins", 1, limits::heatmap_bins_max).value_or(limits::heatmap_bins_max);
  const auto module = c.module_at(0);
  const auto view =
      need(c.gateway.heatmap_of(module, duration_of(c, module), c.store.ledger(), c.store.hot()));
  // The time after the read. What was credited since then is not in the document; each change of
  // the live stream has the time of its first heartbeat.
  return json_response(document_of(module, view, bins, c.time.wall_now()));
}

net::http_response list_by_status(call& c, const module_id& module) {
  const auto limit = c.query.limit();
  const auto given = c.query.find("cursor").value_or(std::string_view{});
  status_cursor cursor;
  std::shared_ptr<const status_list> list;
  if (given.empty()) {
    list = c.lists_by_status.newest(module, c.time.monotonic_now(),
                                    [&] { return make_status_list(c, module); });
  } else {
    cursor = parse_cursor(given);
    list = c.lists_by_status.find(cursor.list, module);
    if (!list || cursor.place > list->students.size())
      throw api_problem(
          problem::conflict,
          "This gateway no longer has the list of this cursor, or the list is that of "
          "another module: begin again without a cursor");
  }
  const auto& students = list->students;
  const auto end = std::min(students.size(), cursor.place + limit);
  std::vector<pair_key> keys;
  for (auto i = cursor.place; i < end; ++i) keys.push_back({students[i].student, module});
  const auto states = read_latest(c, keys, need(c.store.ledger().look_up(keys)));

  std::string body;
  json_writer out(body);
  out.begin_object().key("items").begin_array();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!states[i]) continue;  // erased since the list was made
    const auto& state = *states[i];
    out.begin_object();
    write_progress_members(out, keys[i], state);
    out.member("rewatched_ms",
               std::max<std::int64_t>(0, state.playtime_ms - state.covered.covered_ms()));
    out.member("attention", name_of(students[cursor.place + i].what)).end_object();
  }
  out.end_array().key("next");
  if (end < students.size())
    out.value(fmt::format("{}.{}", list->id, end));
  else
    out.null();
  if (given.empty()) {
    out.member("total", students.size());
    if (list->truncated) out.member("truncated", true);
  }
  out.end_object();
  return json_response(std::move(body));
}

}  // namespace watchkeeper::server
