#include "server/api/documents/progress_json.hpp"

#include <fmt/format.h>

#include <iterator>

#include "net/shared/problem_response.hpp"

namespace watchkeeper::server {
namespace {

std::string_view state_of(const progress& state) {
  if (state.mastered_ms != 0) return "MASTERED";
  return state.covered.empty() ? "NOT_STARTED" : "IN_PROGRESS";
}

std::string time_or_null(unix_ms time_ms) {
  return time_ms == 0 ? "null" : '"' + net::rfc3339(time_ms) + '"';
}

}  // namespace

void append_progress(std::string& out, const pair_key& key, const progress& state) {
  const auto covered_ms = state.covered.covered_ms();
  const auto centipercent = completion_centipercent(covered_ms, state.duration_ms);
  const auto to = std::back_inserter(out);
  // Ids need no escaping: their alphabet has neither quotes nor backslashes.
  fmt::format_to(to, R"({{"student":"{}","module":"{}","seconds_watched":{},)", key.student.view(),
                 key.module.view(), seconds_watched(covered_ms));
  fmt::format_to(to, R"("completion_percentage":{}.{:02},"state":"{}","coverage":[)",
                 centipercent / 100, centipercent % 100, state_of(state));
  bool first = true;
  for (const auto& piece : state.covered.pieces()) {
    fmt::format_to(to, "{}[{},{}]", first ? "" : ",", piece.from_ms, piece.to_ms);
    first = false;
  }
  fmt::format_to(to, R"(],"playtime_ms":{},"resume_ms":{},"updated_at":{},"mastered_at":{}}})",
                 state.playtime_ms, state.resume_ms, time_or_null(state.updated_ms),
                 time_or_null(state.mastered_ms));
}

std::string progress_list(std::span<const storage::pair_progress> items,
                          const std::optional<std::string>& next) {
  std::string out = R"({"items":[)";
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i != 0) out += ',';
    append_progress(out, items[i].key, items[i].state);
  }
  out += R"(],"next":)";
  out += next ? net::json_quote(*next) : "null";
  out += '}';
  return out;
}

}  // namespace watchkeeper::server
