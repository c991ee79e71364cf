#include "server/heartbeats/result_json.hpp"

#include "domain/progress.hpp"
#include "net/shared/problem_response.hpp"

namespace watchkeeper::server {

namespace {

constexpr std::string_view status_names[] = {"credited", "limited", "duplicate", "rejected"};

}  // namespace

void write_result(json_writer& out, const actors::heartbeat_result& result) {
  const auto& outcome = result.outcome;
  out.begin_object();
  if (result.parsed) out.member("sid", result.session.view()).member("sn", result.sequence);
  out.member("status", status_names[static_cast<std::size_t>(outcome.status)]);
  if (outcome.status == credit_status::rejected) {
    out.member("problem", describe(outcome.why).name);
    if (!result.detail.empty()) out.member("detail", result.detail);
  } else {
    const auto& now = outcome.now;
    out.member("credited_ms", outcome.credited_ms)
        .member("seconds_watched", seconds_watched(now.measured_ms))
        .key("completion_percentage")
        .trimmed(completion_centipercent(now.measured_ms, now.duration_ms), 2)
        .member("state", now.mastered_ms != never ? "MASTERED" : "IN_PROGRESS")
        .member("resume_ms", resume_within(now.resume_ms, now.duration_ms));
  }
  out.end_object();
}

std::string results_document(std::span<const actors::heartbeat_result> results, wall_ms now_ms) {
  std::string text;
  text.reserve(64 + 208 * results.size());
  json_writer out(text);
  out.begin_object().key("server_time").raw(net::numeric_date(now_ms));
  out.key("results").begin_array();
  for (const auto& result : results) write_result(out, result);
  out.end_array().end_object();
  return text;
}

int retry_after_s(const actors::heartbeat_result& result, std::uint32_t spread) noexcept {
  if (result.outcome.why == problem::rate_limited)
    return static_cast<int>((result.retry_after_ms + 999) / 1000) + 1;
  return 1 + static_cast<int>(spread % 5);
}

}  // namespace watchkeeper::server
