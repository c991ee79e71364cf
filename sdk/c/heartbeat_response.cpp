#include "sdk/c/heartbeat_response.hpp"

#include <algorithm>
#include <array>

#include "sdk/c/response_document.hpp"

namespace watchkeeper::sdk {
namespace {

struct problem_row {
  std::string_view name;
  result_kind kind;
};
// docs/protocol.md, section 4.
constexpr std::array<problem_row, 19> heartbeat_problems{{
    {"malformed-token", result_kind::rejected},
    {"token-too-large", result_kind::rejected},
    {"too-many-tokens", result_kind::rejected},
    {"unknown-device", result_kind::enrol},
    {"bad-signature", result_kind::rejected},
    {"revoked-device", result_kind::rejected},
    {"subject-mismatch", result_kind::rejected},
    {"session-mismatch", result_kind::rejected},
    {"not-assigned", result_kind::rejected},
    {"unknown-module", result_kind::rejected},
    {"implausible-interval", result_kind::rejected},
    {"stale-token", result_kind::set_clock},
    {"future-token", result_kind::set_clock},
    {"session-key-unknown", result_kind::sign_by_device},
    {"sequence-reused", result_kind::renew_session},
    {"rate-limited", result_kind::retry},
    {"overloaded", result_kind::retry},
    {"storage-unavailable", result_kind::retry},
    {"draining", result_kind::retry},
}};

// Section 4 too: these say that the request was not one for heartbeats (a wrong URL, a proxy that
// changes it), which says nothing about its heartbeats.
constexpr std::array<std::string_view, 5> request_problems{
    "malformed-request", "unauthorized", "forbidden", "not-found", "payload-too-large"};

const problem_row* find_heartbeat_problem(std::string_view name) noexcept {
  const auto found = std::find_if(heartbeat_problems.begin(), heartbeat_problems.end(),
                                  [name](const problem_row& each) { return each.name == name; });
  return found == heartbeat_problems.end() ? nullptr : &*found;
}

/// The status says that the request passes later, whatever the name of the problem (RFC 9110,
/// sections 15.5.9, 15.5.20 and 15.6; RFC 8470, section 5.2; RFC 6585, section 4).
bool is_passing(int status) noexcept {
  static constexpr std::array<int, 7> passing{405, 408, 409, 415, 421, 425, 429};
  return status >= 500 || std::find(passing.begin(), passing.end(), status) != passing.end();
}

/// What a problem means for a heartbeat, as far as its signature does not matter.
result_kind kind_of_problem(std::string_view name, int status) noexcept {
  const auto* row = find_heartbeat_problem(name);
  // Its status is 409, like that of conflicts that pass.
  const bool renews = row != nullptr && row->kind == result_kind::renew_session && status < 500;
  if (is_passing(status) && !renews) return result_kind::retry;
  if (row != nullptr) return row->kind;
  if (std::find(request_problems.begin(), request_problems.end(), name) != request_problems.end())
    return result_kind::retry;
  // A name of a later gateway. The status of a batch, 200, is about none of its tokens.
  return status < 400 ? result_kind::retry_alone : result_kind::rejected;
}

token_result result_of_problem(std::string_view name, int status, const sent_token& token) {
  token_result made;
  made.kind = kind_of_problem(name, status);
  made.problem = name;
  // A session key on which the two sides disagree is as good as one that the gateway lacks.
  if (token.session_key && made.kind == result_kind::rejected && name == "bad-signature")
    made.kind = result_kind::sign_by_device;
  // Said of a device signature this contradicts itself; it must not become a loop.
  if (!token.session_key && made.kind == result_kind::sign_by_device)
    made.kind = result_kind::retry;
  return made;
}

std::optional<credit_status> credit_status_of(std::string_view text) noexcept {
  if (text == "credited") return credit_status::credited;
  if (text == "limited") return credit_status::limited;
  if (text == "duplicate") return credit_status::duplicate;
  return std::nullopt;
}

/// Empty if a member is absent or wrong: then it is not a gateway's result for this token.
std::optional<token_result> result_of_entry(const result_entry& entry, const sent_token& token) {
  if (entry.status == "rejected") {
    if (!entry.problem || !is_problem_name(*entry.problem)) return std::nullopt;
    return result_of_problem(*entry.problem, 200, token);
  }
  const auto credit = credit_status_of(entry.status.value_or(""));
  const bool mastered = entry.state == "MASTERED";
  if (!credit || entry.session != token.session.view() ||
      entry.sequence != std::int64_t{token.sequence} || !entry.credited_ms ||
      !entry.seconds_watched || !entry.completion_thousandths || !entry.resume_ms ||
      (!mastered && entry.state != "IN_PROGRESS"))
    return std::nullopt;
  token_result made;
  made.kind = result_kind::accepted;
  made.credit = *credit;
  made.credited_ms = static_cast<media_ms>(*entry.credited_ms);
  made.progress = progress_report{static_cast<std::uint32_t>(*entry.seconds_watched),
                                  static_cast<double>(*entry.completion_thousandths) / 1000,
                                  static_cast<media_ms>(*entry.resume_ms), mastered};
  return made;
}

void give_all(heartbeat_response& made, std::size_t count, result_kind kind,
              std::string_view problem = {}) {
  token_result each;
  each.kind = kind;
  each.problem = problem;
  made.results.assign(count, each);
}

bool any_of_kind(const std::vector<token_result>& results, result_kind kind) {
  return std::any_of(results.begin(), results.end(),
                     [kind](const token_result& each) { return each.kind == kind; });
}

/// 200 with results. False if one of them is not a gateway's result for its token.
bool read_results(heartbeat_response& made, const std::vector<result_entry>& entries,
                  std::span<const sent_token> sent) {
  if (entries.size() != sent.size()) return false;
  made.results.reserve(sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    auto result = result_of_entry(entries[i], sent[i]);
    if (!result) {
      made.results.clear();
      return false;
    }
    // Alone it was already; another attempt would say no more.
    if (sent.size() == 1 && result->kind == result_kind::retry_alone)
      result->kind = result_kind::retry;
    made.results.push_back(std::move(*result));
  }
  made.pause = any_of_kind(made.results, result_kind::retry);
  made.one_by_one = any_of_kind(made.results, result_kind::retry_alone);
  return true;
}

/// 4xx and 5xx with a problem document about the request as a whole.
void read_problem(heartbeat_response& made, std::string_view problem, int status,
                  std::span<const sent_token> sent) {
  if (sent.size() == 1)
    made.results.push_back(result_of_problem(problem, status, sent[0]));
  else
    give_all(made, sent.size(), kind_of_problem(problem, status), problem);
  if (made.results[0].kind == result_kind::retry) {
    const auto* row = find_heartbeat_problem(problem);
    made.pause = true;
    // A 5xx leaves open what became of the heartbeats, unless the problem says it.
    if (status >= 500 && (row == nullptr || row->kind != result_kind::retry))
      give_all(made, sent.size(), result_kind::in_doubt, problem);
    else if (status < 500 && status != 429 && row == nullptr)
      made.defect = response_defect::not_understood;
  } else if (sent.size() > 1) {
    give_all(made, sent.size(), result_kind::retry_alone, problem);
    made.one_by_one = true;
  }
}

/// A response that is not a gateway's: nothing in it counts.
void read_foreign(heartbeat_response& made, const http_response& response, std::size_t count) {
  give_all(made, count, result_kind::in_doubt);
  made.pause = true;
  if (response.too_long)
    made.defect = response_defect::too_long;
  else if (response.status >= 300 && response.status <= 399)
    made.defect = response_defect::redirected;
  else if (response.status < 500 && response.status != 429)
    made.defect = response_defect::not_understood;
}

}  // namespace

heartbeat_response read_heartbeat_response(http_response& response,
                                           std::span<const sent_token> sent, bool minimal) {
  heartbeat_response made;
  const auto status = response.status;
  if (status == 204 && minimal) {
    give_all(made, sent.size(), result_kind::accepted);
    return made;
  }
  const auto document =
      response.too_long ? std::nullopt : parse_response(response.body, sent.size());
  if (document && status == 200 && document->results &&
      read_results(made, *document->results, sent)) {
    made.server_time_ms = document->server_time_ms;
  } else if (document && status >= 400 && !document->problem.empty()) {
    read_problem(made, document->problem, status, sent);
    made.server_time_ms = document->server_time_ms;
  } else {
    read_foreign(made, response, sent.size());
  }
  return made;
}

}  // namespace watchkeeper::sdk
