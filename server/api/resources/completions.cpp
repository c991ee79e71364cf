// /v1/completions: the outbox, read in order, as events or as a table.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "base/calendar.hpp"
#include "server/api/api_problem.hpp"
#include "server/api/call.hpp"
#include "storage/completion_event.hpp"

namespace watchkeeper::server {
namespace {

template <class Id>
Id id_parameter(const call& c, std::string_view name) {
  const auto text = c.query.find(name);
  if (!text) return {};
  const auto id = Id::parse(*text);
  if (!id)
    throw api_problem(problem::malformed_request,
                      "The query parameter " + std::string(name) +
                          " must be an id: 1 to 64 characters of A-Z a-z 0-9 . _ ~ : @ -");
  return *id;
}

bool is_newest_first(const call& c) {
  const auto order = c.query.find("order").value_or("asc");
  if (order != "asc" && order != "desc")
    throw api_problem(problem::malformed_request, "The query parameter order must be asc or desc");
  return order == "desc";
}

/// A cursor of a ledger that went back, and of which nobody remembers how far it had come, could
/// pass over events that are still to come. What this gateway remembers, the ledger goes on above.
void require_present(call& c, std::int64_t after) {
  const auto latest =
      std::max(need(c.store.ledger().identity()).last_sequence, c.gateway.last_sequence_seen());
  if (after <= latest) return;
  throw api_problem(problem::cursor_from_the_future,
                    "The query parameter after is larger than every number that was given out; "
                    "go on after latest",
                    "latest", std::to_string(latest));
}

/// `order=asc` reads after a sequence number, for consumers of the outbox; `order=desc` before one,
/// for people.
std::vector<storage::completion> read(call& c) {
  const storage::completion_filter filter{id_parameter<student_id>(c, "student"),
                                          id_parameter<module_id>(c, "module")};
  const bool newest_first = is_newest_first(c);
  if (c.query.find(newest_first ? "after" : "before"))
    throw api_problem(problem::malformed_request,
                      "The query parameter after belongs to order=asc, and before to order=desc");
  const auto limit = c.query.limit();
  if (!newest_first) {
    const auto after = c.query.sequence("after");
    auto found = need(c.store.ledger().completions(after, limit, filter));
    if (found.empty()) require_present(c, after);
    return found;
  }
  const auto before = c.query.find("before") ? c.query.sequence("before") : INT64_MAX;
  return need(c.store.ledger().newest_completions(before, limit, filter));
}

/// A cell of RFC 4180. A spreadsheet takes a text that begins like a formula for one, so such a
/// text gets an apostrophe in front; ids hold neither commas nor quotes nor line ends.
std::string cell(std::string_view id) {
  const bool formula =
      !id.empty() && std::string_view("=+-@\t\r").find(id.front()) != std::string_view::npos;
  return (formula ? "'" : "") + std::string(id);
}

}  // namespace

net::http_response list_completions(call& c) {
  const auto found = read(c);
  std::string body;
  json_writer out(body);
  out.begin_object().key("items").begin_array();
  for (const auto& item : found) storage::write_completion_event(out, item, c.event_source);
  out.end_array();
  const auto write_sequence = [&](std::string_view name, const auto& of) {
    out.key(name);
    if (found.empty())
      out.null();
    else
      out.value(std::to_string(of(found).sequence));
  };
  // Given whenever there is an item, on the last page too: a reader who comes back later continues
  // there. Null means that nothing has come since (or, newest first, that nothing is older).
  write_sequence(
      "next", [](const auto& all) -> const auto& { return all.back(); });
  // Where a reader of the newest continues forwards.
  if (is_newest_first(c))
    write_sequence(
        "newest", [](const auto& all) -> const auto& { return all.front(); });
  out.end_object();
  return json_response(std::move(body));
}

net::http_response list_completions_csv(call& c) {
  const auto found = read(c);
  std::string body =
      "sequence,student,module,seconds_watched,duration_seconds,completion_percentage,"
      "threshold,rule_version,mastered_at,attempt,revision\r\n";
  for (const auto& item : found) {
    const auto centipercent = completion_centipercent(item.covered_ms, item.duration_ms);
    fmt::format_to(std::back_inserter(body),
                   "{},{},{},{},{}.{:03},{}.{:02},{}.{:02},{},{},{},{}\r\n", item.sequence,
                   cell(item.student.view()), cell(item.module.view()),
                   seconds_watched(item.covered_ms), item.duration_ms / 1000,
                   item.duration_ms % 1000, centipercent / 100, centipercent % 100,
                   item.threshold_centipercent / 100, item.threshold_centipercent % 100,
                   item.rule_version, rfc3339(item.mastered_ms), item.life.attempt, item.revision);
  }
  net::http_response response;
  response.content_type = "text/csv; charset=utf-8";
  response.body = std::move(body);
  response.headers.emplace_back("content-disposition", "attachment; filename=\"completions.csv\"");
  // Where the next part begins; left out when nothing has come since.
  if (!found.empty())
    response.headers.emplace_back("x-next-after", std::to_string(found.back().sequence));
  return response;
}

}  // namespace watchkeeper::server
