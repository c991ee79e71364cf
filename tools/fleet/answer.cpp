#include "tools/fleet/answer.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace watchkeeper::fleet {
namespace {

using nlohmann::json;

constexpr std::string_view problem_prefix = "urn:watchkeeper:problem:";

std::string_view text_of(const json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end() || !found->is_string()) return {};
  return found->get_ref<const std::string&>();
}

/// Reasons are counted, printed and logged: nothing foreign gets in.
std::string clean(std::string_view name) {
  constexpr std::size_t chars_max = 40;
  std::string out;
  for (const char c : name.substr(0, chars_max))
    out += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ? c : '-';
  return out;
}

bool worth_a_retry(std::string_view problem) {
  return problem == "rate-limited" || problem == "overloaded" || problem == "storage-unavailable" ||
         problem == "draining" || problem == session_key_unknown;
}

outcome refused(std::string_view problem, int status) {
  outcome made;
  made.kind = worth_a_retry(problem) || status == 429 || status == 503 ? outcome_kind::retry
                                                                       : outcome_kind::rejected;
  made.reason = problem.empty() ? fmt::format("status-{}", status) : clean(problem);
  return made;
}

outcome unintelligible() {
  outcome made;
  made.kind = outcome_kind::rejected;
  made.reason = "unintelligible-answer";
  return made;
}

outcome read_result(const json& result, int status) {
  if (!result.is_object()) return unintelligible();
  const auto word = text_of(result, "status");
  if (word == "rejected") return refused(text_of(result, "problem"), status);
  outcome made;
  if (word == "credited")
    made.kind = outcome_kind::credited;
  else if (word == "limited")
    made.kind = outcome_kind::limited;
  else if (word == "duplicate")
    made.kind = outcome_kind::duplicate;
  else
    return unintelligible();
  if (const auto found = result.find("credited_ms");
      found != result.end() && found->is_number_integer())
    made.credited_ms = found->get<std::int64_t>();
  made.mastered = text_of(result, "state") == "MASTERED";
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

std::vector<outcome> read_answer(const http2_response& response, std::size_t count) {
  if (response.error != transport_error::none) {
    outcome made;
    made.transport = true;
    made.reason = describe(response.error);
    return std::vector<outcome>(count, made);
  }
  if (response.status == 204) {
    outcome made;
    made.kind = outcome_kind::accepted;
    return std::vector<outcome>(count, made);
  }
  const auto document = json::parse(response.body, nullptr, false);
  if (document.is_object() && document.contains("results")) {
    const auto& results = document["results"];
    if (!results.is_array() || results.size() != count)
      return std::vector<outcome>(count, unintelligible());
    std::vector<outcome> made;
    made.reserve(count);
    for (const auto& result : results) made.push_back(read_result(result, response.status));
    return made;
  }
  if (response.status / 100 == 2) return std::vector<outcome>(count, unintelligible());
  std::string_view problem;
  if (document.is_object()) {
    problem = text_of(document, "type");
    problem = problem.starts_with(problem_prefix) ? problem.substr(problem_prefix.size())
                                                  : std::string_view{};
  }
  return std::vector<outcome>(count, refused(problem, response.status));
}

}  // namespace watchkeeper::fleet
