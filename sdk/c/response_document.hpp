#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.hpp"

namespace watchkeeper::sdk {

/// One entry of `results`. A member that is absent, or has a wrong type or range, is empty.
struct result_entry {
  std::optional<std::string_view> status;
  std::optional<std::string_view> problem;
  std::optional<std::string_view> session;
  std::optional<std::string_view> state;
  std::optional<std::int64_t> sequence;
  std::optional<std::int64_t> credited_ms;
  std::optional<std::int64_t> seconds_watched;
  std::optional<std::int64_t> completion_thousandths;  // of a percent
  std::optional<std::int64_t> resume_ms;
};

/// The body of a response: the results of the tokens, or a problem document.
struct response_document {
  std::optional<wall_ms> server_time_ms;
  std::optional<std::vector<result_entry>> results;
  std::string_view problem;  // the name in the `type` of a problem document; empty without
};

/// Parses the body of a response to a request with `tokens` tokens. Empty if the body is not a JSON
/// object, or if it has more results than that. The views point into `body`, which the parser
/// changes in place.
std::optional<response_document> parse_response(std::string& body, std::size_t tokens);

/// 1 to 64 of a-z, 0-9 and '-': such a name is safe in a log.
bool is_problem_name(std::string_view name) noexcept;

}  // namespace watchkeeper::sdk
