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
constexpr std::array<problem_row, 18> heartbeat_problems{{
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
    {"rate-limited", result_kind::retry},
    {"overloaded", result_kind::retry},
    {"storage-unavailable", result_kind::retry},
    {"draining", result_kind::retry},
}};

// Section 4 too: these say that the request was not one for heartbeats (a wrong URL, a proxy that
// changes it), which says nothing about its heartbeats.
constexpr std::array<std::string_view, 9> request_problems{
    "malformed-request", "unauthorized",           "forbidden",
    "not-found",         "method-not-allowed",     "conflict",
    "payload-too-large", "unsupported-media-type", "request-timeout"};

const problem_row* find_heartbeat_problem(std::string_view name) noexcept {
  const auto found = std::find_if(heartbeat_problems.begin(), heartbeat_problems.end(),
                                  [name](const problem_row& each) { return each.name == name; });
  return found == heartbeat_problems.end() ? nullptr : &*found;
}

bool is_request_problem(std::string_view name) noexcept {
  return std::find(request_problems.begin(), request_problems.end(), name) !=
         request_problems.end();
}

/// A name that a later gateway may use, and that is safe in a log.
bool is_new_problem(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 64 &&
         std::all_of(
             name.begin(), name.end(),
             [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }) &&
         !is_request_problem(name) && find_heartbeat_problem(name) == nullptr;
}

/// The status blames the request, so that a repetition cannot succeed.
bool is_final(int status) noexcept {
  return status >= 400 && status <= 499 && status != 408 && status != 425 && status != 429;
}

token_result result_of_problem(std::string_view name, const sent_token& token) {
  token_result made;
  const auto* row = find_heartbeat_problem(name);
  if (row == nullptr) {
    if (!is_new_problem(name)) return made;
    made.kind = result_kind::retry_alone;
    made.problem = name;
    return made;
  }
  made.kind = row->kind;
  made.problem = name;
  // A session key on which the two sides disagree is as good as one that the gateway lacks.
  if (token.session_key && name == "bad-signature") made.kind = result_kind::sign_by_device;
  // Said of a device signature this contradicts itself; it must not become a loop.
  if (!token.session_key && made.kind == result_kind::sign_by_device)
    made.kind = result_kind::retry;
  return made;
}

/// Empty if the entry has a status that no gateway gives.
std::optional<token_result> result_of_entry(const result_entry& entry, const sent_token& token) {
  if (entry.status == "rejected") return result_of_problem(entry.problem, token);
  token_result made;
  made.kind = result_kind::accepted;
  if (entry.status == "credited")
    made.credit = credit_status::credited;
  else if (entry.status == "limited")
    made.credit = credit_status::limited;
  else if (entry.status == "duplicate")
    made.credit = credit_status::duplicate;
  else
    return std::nullopt;
  made.credited_ms = entry.credited_ms;
  made.progress = entry.progress;
  return made;
}

void give_all(heartbeat_response& made, std::size_t count, result_kind kind,
              std::string_view problem = {}) {
  token_result each;
  each.kind = kind;
  each.problem = problem;
  made.results.assign(count, each);
}

bool any_of_kind(const std::vector<token_result>& results,
                 std::initializer_list<result_kind> kinds) {
  return std::any_of(results.begin(), results.end(), [&](const token_result& each) {
    return std::find(kinds.begin(), kinds.end(), each.kind) != kinds.end();
  });
}

/// 200 with results. False if they are not about these tokens.
bool read_results(heartbeat_response& made, const response_document& document,
                  std::span<const sent_token> sent) {
  if (!document.results || document.results->size() != sent.size()) return false;
  made.results.reserve(sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    auto result = result_of_entry((*document.results)[i], sent[i]);
    if (!result) {
      made.results.clear();
      return false;
    }
    made.results.push_back(std::move(*result));
  }
  made.pause = any_of_kind(made.results,
                           {result_kind::retry, result_kind::retry_alone, result_kind::in_doubt});
  made.one_by_one = sent.size() > 1 && any_of_kind(made.results, {result_kind::retry_alone});
  return true;
}

/// 429 and 503. From a gateway they mean "not credited". A balancer in front of it gives them too,
/// also for a request that reached the gateway.
void read_overload(heartbeat_response& made, std::string_view problem, std::size_t count) {
  if (find_heartbeat_problem(problem) != nullptr)
    give_all(made, count, result_kind::retry, problem);
  else
    give_all(made, count, result_kind::in_doubt);
  made.pause = true;
}

/// 4xx with a problem document about the request as a whole.
void read_problem(heartbeat_response& made, std::string_view problem, int status,
                  std::span<const sent_token> sent) {
  const bool is_heartbeat_problem = find_heartbeat_problem(problem) != nullptr;
  const bool is_new_and_final = is_new_problem(problem) && is_final(status);
  if (!is_heartbeat_problem && !is_new_and_final) {
    const bool is_printable = is_request_problem(problem) || is_new_problem(problem);
    give_all(made, sent.size(), result_kind::retry, is_printable ? problem : std::string_view{});
    made.pause = true;
    made.defect = response_defect::not_understood;
    return;
  }
  if (sent.size() > 1) {
    give_all(made, sent.size(), result_kind::retry_alone, problem);
    made.one_by_one = true;
    return;
  }
  give_all(made, 1, result_kind::rejected, problem);
  if (is_heartbeat_problem) made.results[0] = result_of_problem(problem, sent[0]);
  made.pause = made.results[0].kind == result_kind::retry;
}

response_defect defect_of(const http_response& response) noexcept {
  if (response.too_long) return response_defect::too_long;
  if (response.status >= 300 && response.status <= 399) return response_defect::redirected;
  return response.status < 500 ? response_defect::not_understood : response_defect::none;
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
  const auto document = response.too_long ? std::nullopt : parse_response(response.body, sent);
  if (document) made.server_time_ms = document->server_time_ms;
  if (status == 200 && document && read_results(made, *document, sent)) return made;
  const auto problem = document ? document->problem : std::string_view{};
  if (status == 429 || status == 503) {
    read_overload(made, problem, sent.size());
  } else if (status >= 400 && status <= 499 && !problem.empty()) {
    read_problem(made, problem, status, sent);
  } else {
    give_all(made, sent.size(), result_kind::in_doubt);
    made.pause = true;
    made.defect = defect_of(response);
  }
  return made;
}

}  // namespace watchkeeper::sdk
