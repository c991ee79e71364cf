#include "server/heartbeats/result_json.hpp"

#include <fmt/format.h>

#include <iterator>

#include "domain/progress.hpp"
#include "net/shared/problem_response.hpp"

namespace watchkeeper::server {

namespace {

constexpr std::string_view status_names[] = {"credited", "limited", "duplicate", "rejected"};

/// Hundredths as a JSON number without needless zeros: 2833 -> 28.33, 2800 -> 28, 2830 -> 28.3.
void append_hundredths(std::string& out, std::int32_t hundredths) {
  const auto to = std::back_inserter(out);
  const auto rest = hundredths % 100;
  if (rest == 0)
    fmt::format_to(to, "{}", hundredths / 100);
  else if (rest % 10 == 0)
    fmt::format_to(to, "{}.{}", hundredths / 100, rest / 10);
  else
    fmt::format_to(to, "{}.{:02}", hundredths / 100, rest);
}

}  // namespace

void append_result(std::string& out, const actors::heartbeat_result& result) {
  const auto to = std::back_inserter(out);
  const auto& outcome = result.outcome;
  out += '{';
  // The alphabets of ids and of names need no escaping.
  if (result.parsed)
    fmt::format_to(to, R"("sid":"{}","sn":{},)", result.session.view(), result.sequence);
  fmt::format_to(to, R"("status":"{}")", status_names[static_cast<std::size_t>(outcome.status)]);
  if (outcome.status == credit_status::rejected) {
    fmt::format_to(to, R"(,"problem":"{}")", describe(outcome.why).name);
    if (!result.detail.empty())
      fmt::format_to(to, R"(,"detail":{})", net::json_quote(result.detail));
  } else {
    const auto& now = outcome.now;
    fmt::format_to(to, R"(,"credited_ms":{},"seconds_watched":{},"completion_percentage":)",
                   outcome.credited_ms, seconds_watched(now.covered_ms));
    append_hundredths(out, completion_centipercent(now.covered_ms, now.duration_ms));
    fmt::format_to(to, R"(,"state":"{}","resume_ms":{})",
                   now.mastered_ms > 0 ? "MASTERED" : "IN_PROGRESS", now.resume_ms);
  }
  out += '}';
}

std::string results_document(std::span<const actors::heartbeat_result> results, unix_ms now_ms) {
  std::string out;
  out.reserve(64 + 208 * results.size());
  out += R"({"server_time":)";
  out += net::numeric_date(now_ms);
  out += R"(,"results":[)";
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (i > 0) out += ',';
    append_result(out, results[i]);
  }
  out += "]}";
  return out;
}

int retry_after_s(const actors::heartbeat_result& result, std::uint32_t spread) noexcept {
  if (result.outcome.why == problem::rate_limited)
    return static_cast<int>((result.retry_after_ms + 999) / 1000) + 1;
  return 1 + static_cast<int>(spread % 5);
}

}  // namespace watchkeeper::server
