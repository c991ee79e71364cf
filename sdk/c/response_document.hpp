#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/c/heartbeat_response.hpp"

namespace watchkeeper::sdk {

/// One entry of `results`, as the gateway wrote it.
struct result_entry {
  std::string_view status;   // "credited", "limited", "duplicate" or "rejected"
  std::string_view problem;  // of a rejected one
  std::optional<media_ms> credited_ms;
  std::optional<progress_report> progress;
};

/// The body of a response: the results of the tokens, or a problem document.
struct response_document {
  std::optional<unix_ms> server_time_ms;
  std::optional<std::vector<result_entry>> results;
  std::string_view problem;  // the name in the `type` of a problem document; empty without
};

/// Parses the body of a response to a request with the tokens `sent`. Empty if the body is not
/// JSON, if a member has a wrong type or range, or if `results` are about other tokens. The views
/// point into `body`, which the parser changes in place.
std::optional<response_document> parse_response(std::string& body,
                                                std::span<const sent_token> sent);

}  // namespace watchkeeper::sdk
