#include "tools/fleet/outcome.hpp"

#include <fmt/format.h>

#include <utility>

#include "sdk/c/heartbeat_response.hpp"

namespace watchkeeper::fleet {
namespace {

outcome_kind kind_of(sdk::credit_status credit) noexcept {
  switch (credit) {
    case sdk::credit_status::credited:
      return outcome_kind::credited;
    case sdk::credit_status::limited:
      return outcome_kind::limited;
    case sdk::credit_status::duplicate:
      return outcome_kind::duplicate;
    case sdk::credit_status::unspecified:
      break;
  }
  return outcome_kind::accepted;
}

/// Another attempt may succeed without a change to the heartbeat.
bool is_passing(const sdk::token_result& result, int status, sdk::response_defect defect) noexcept {
  switch (result.kind) {
    case sdk::result_kind::sign_by_device:
      return true;
    case sdk::result_kind::retry:
      return defect == sdk::response_defect::none;
    case sdk::result_kind::in_doubt:
      return status == 429 || status == 503;
    default:
      return false;
  }
}

outcome outcome_of(const sdk::token_result& result, int status, sdk::response_defect defect) {
  outcome made;
  if (result.kind == sdk::result_kind::accepted) {
    made.kind = kind_of(result.credit);
    made.credited_ms = result.credited_ms;
    made.mastered = result.progress && result.progress->mastered;
    return made;
  }
  made.kind = is_passing(result, status, defect) ? outcome_kind::retry : outcome_kind::rejected;
  made.sign_by_device = result.kind == sdk::result_kind::sign_by_device;
  if (!result.problem.empty())
    made.reason = result.problem;
  else
    made.reason = status / 100 == 2 ? "unintelligible-response" : fmt::format("status-{}", status);
  return made;
}

}  // namespace

std::string_view name_of(outcome_kind kind) noexcept {
  switch (kind) {
    case outcome_kind::credited:
      return "credited";
    case outcome_kind::limited:
      return "limited";
    case outcome_kind::duplicate:
      return "duplicate";
    case outcome_kind::accepted:
      return "accepted";
    case outcome_kind::rejected:
      return "rejected";
    case outcome_kind::retry:
      return "retry";
  }
  return "unknown";
}

std::vector<outcome> read_outcomes(http2_response&& response, std::span<const heartbeat> sent,
                                   bool minimal) {
  if (response.error != transport_error::none) {
    outcome lost;
    lost.transport = true;
    lost.reason = describe(response.error);
    return std::vector<outcome>(sent.size(), lost);
  }
  std::vector<sdk::sent_token> tokens;
  tokens.reserve(sent.size());
  for (const auto& each : sent)
    tokens.push_back(
        {each.claims.session, each.claims.sequence, each.session_key, each.claims.issued_at_ms});
  sdk::http_response whole;
  whole.status = response.status;
  whole.body = std::move(response.body);
  const auto read = sdk::read_heartbeat_response(whole, tokens, minimal);
  std::vector<outcome> made;
  made.reserve(sent.size());
  for (const auto& each : read.results)
    made.push_back(outcome_of(each, response.status, read.defect));
  return made;
}

}  // namespace watchkeeper::fleet
