#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "base/log_level.hpp"
#include "domain/problem.hpp"
#include "net/shared/http.hpp"
#include "server/identity/authenticator.hpp"
#include "server/identity/caller.hpp"
#include "server/identity/logins.hpp"

namespace watchkeeper::server {

/// A response of application/problem+json; a 401 has `www-authenticate` (RFC 6750, section 3).
net::http_response problem_response(problem what, std::string_view detail, unix_ms now_ms,
                                    std::optional<int> retry_after_s = std::nullopt);
/// 429: this address has sent too many wrong tokens.
net::http_response too_many_wrong_tokens(std::int64_t retry_after_ms, unix_ms now_ms);
/// 403: a cookie alone may not change anything.
net::http_response csrf_problem(unix_ms now_ms);

/// Says whether a request may do what it asks for: the one gate through which it passes, once. A
/// bearer token counts before a cookie. Thread: any.
class authorization {
 public:
  /// Borrows both, which outlive it. Wrong tokens are written to the log, without the token.
  authorization(authenticator& tokens, logins& console, log_function log)
      : tokens_(tokens), console_(console), log_(std::move(log)) {}

  /// The caller, or the response that refuses the request: 401, 403 or 429.
  using verdict = std::variant<identity, net::http_response>;
  [[nodiscard]] verdict authorize(const net::http_request& request, access needs, unix_ms now_ms);

 private:
  [[nodiscard]] verdict by_cookie(const net::http_request& request, unix_ms now_ms);
  [[nodiscard]] verdict by_token(const net::http_request& request, unix_ms now_ms);

  authenticator& tokens_;
  logins& console_;
  const log_function log_;
};

}  // namespace watchkeeper::server
