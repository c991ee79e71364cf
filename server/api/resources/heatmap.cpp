// /v1/modules/{module}/heatmap, and the students of a module in the order of their status.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "domain/heatmap_insights.hpp"
#include "net/shared/problem_response.hpp"
#include "server/api/api_problem.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/progress_json.hpp"
#include "server/api/resources/read_latest.hpp"
#include "server/api/resources/status_lists.hpp"

namespace watchkeeper::server {
namespace {

using sink = std::back_insert_iterator<std::string>;

/// Sums divided by the length of their bin, rounded to two decimals.
void append_means(std::string& out, std::string_view name, const heatmap_layout& layout,
                  const bin_sums& sums) {
  fmt::format_to(sink(out), R"(,"{}":[)", name);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const auto length_ms = static_cast<std::uint64_t>(layout.length_ms(i));
    const auto hundredths = (sums[i] * 100 + length_ms / 2) / length_ms;
    fmt::format_to(sink(out), "{}{}", i == 0 ? "" : ",", hundredths / 100);
    if (hundredths % 100 != 0) fmt::format_to(sink(out), ".{:02}", hundredths % 100);
  }
  out += ']';
}

std::string document_of(const module_id& module, const actors::heatmap_view& view,
                        std::size_t bins_max, unix_ms now_ms) {
  const auto drawn = downsampled(view.bins, bins_max);
  std::string out =
      fmt::format(R"({{"module":"{}","duration_ms":{},"bin_ms":{},"bins":{})", module.view(),
                  drawn.layout.duration_ms, drawn.layout.bin_ms, drawn.layout.bins);
  append_means(out, "viewers", drawn.layout, drawn.viewer_ms);
  append_means(out, "plays", drawn.layout, drawn.play_ms);
  fmt::format_to(sink(out), R"(,"students":{},"hotspots":[)", view.students);
  // Found in the stored bins: what they are does not depend on how many are drawn.
  const char* between = "";
  for (const auto& spot : hotspots_of(view.bins)) {
    fmt::format_to(sink(out), R"({}{{"from_ms":{},"to_ms":{},"plays_per_viewer":{:.2f}}})", between,
                   spot.from_ms, spot.to_ms, spot.plays_per_viewer);
    between = ",";
  }
  out += R"(],"drop_offs":[)";
  between = "";
  for (const auto& fall : drop_offs_of(view.bins)) {
    fmt::format_to(sink(out), R"({}{{"at_ms":{},"lost":{},"share":{:.2f}}})", between, fall.at_ms,
                   fall.lost, fall.share);
    between = ",";
  }
  fmt::format_to(sink(out), R"(],"as_of":"{}"}})", net::rfc3339(now_ms));
  return out;
}

module_record existing(call& c, const module_id& id) {
  auto module = need(c.store.ledger().get_module(id));
  if (!module) throw api_problem(problem::not_found, "The catalogue has no such module");
  return *std::move(module);
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
  const auto module = existing(c, c.module_at(0));
  const auto view = need(
      c.gateway.heatmap_of(module.id, module.rules.duration_ms, c.store.ledger(), c.store.hot()));
  // The time after the read. What was credited since then is not in the document; each change of
  // the live stream has the time of its first heartbeat.
  return json_response(document_of(module.id, view, bins, c.now()));
}

net::http_response list_by_status(call& c, const module_id& module) {
  const auto limit = c.query.limit();
  const auto given = c.query.find("cursor").value_or(std::string_view{});
  status_cursor cursor;
  std::shared_ptr<const status_list> list;
  if (given.empty()) {
    list = c.lists_by_status.newest(module, c.now_ms, [&] { return make_status_list(c, module); });
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
  const auto states = read_latest(c, keys, need(c.store.ledger().read(keys)));

  std::string out = R"({"items":[)";
  const char* between = "";
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!states[i]) continue;  // erased since the list was made
    out += between;
    between = ",";
    append_progress(out, keys[i], *states[i]);
    out.pop_back();  // its brace: two members more
    const auto rewatched_ms =
        std::max<std::int64_t>(0, states[i]->playtime_ms - states[i]->covered.covered_ms());
    fmt::format_to(sink(out), R"(,"rewatched_ms":{},"attention":"{}"}})", rewatched_ms,
                   name_of(students[cursor.place + i].what));
  }
  out += R"(],"next":)";
  out += end < students.size() ? fmt::format(R"("{}.{}")", list->id, end) : "null";
  if (given.empty()) {
    fmt::format_to(sink(out), R"(,"total":{})", students.size());
    if (list->truncated) out += R"(,"truncated":true)";
  }
  out += '}';
  return json_response(std::move(out));
}

}  // namespace watchkeeper::server
