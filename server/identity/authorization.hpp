#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "base/clock.hpp"
#include "base/log_level.hpp"
#include "domain/problem.hpp"
#include "net/shared/http.hpp"
#include "server/identity/authenticator.hpp"
#include "server/identity/caller.hpp"
#include "server/identity/logins.hpp"

namespace watchkeeper::server {

/// A response of application/problem+json; a 401 has `www-authenticate` (RFC 6750, section 3).
net::http_response problem_response(problem what, std::string_view detail, wall_ms now_ms,
                                    std::optional<int> retry_after_s = std::nullopt);
/// 429: this address has sent too many wrong tokens.
net::http_response too_many_wrong_tokens(std::int64_t retry_after_ms, wall_ms now_ms);
/// 403: a request with a cookie needs the CSRF token to change anything.
net::http_response csrf_problem(wall_ms now_ms);

/// Decides whether a request may do what it asks for. Every request of the API passes here once. A
/// bearer token counts before a cookie. Thread: any.
class authorization {
 public:
  /// Borrows all but the last, which outlive it. Wrong tokens are written to the log, without the
  /// token.
  authorization(authenticator& tokens, logins& console, const time_source& time, log_function log)
      : tokens_(tokens), console_(console), time_(time), log_(std::move(log)) {}

  /// The caller, or the response to a request that may not pass: 401, 403 or 429.
  using authorize_result = std::variant<identity, net::http_response>;
  [[nodiscard]] authorize_result authorize(const net::http_request& request, access needs);

 private:
  [[nodiscard]] authorize_result by_cookie(const net::http_request& request);
  [[nodiscard]] authorize_result by_token(const net::http_request& request);

  authenticator& tokens_;
  logins& console_;
  const time_source& time_;
  const log_function log_;
};

}  // namespace watchkeeper::server
