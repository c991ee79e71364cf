#pragma once

#include <functional>
#include <optional>

#include "net/shared/http.hpp"
#include "server/api/sign_in.hpp"
#include "server/identity/authenticator.hpp"

namespace watchkeeper::server {

/// An answer of problem+json; 401 has `www-authenticate` (RFC 6750, section 3).
net::http_response refusal_response(problem what, std::string_view detail, unix_ms now_ms,
                                    std::optional<int> retry_after_s = std::nullopt);

net::http_response too_many_wrong_tokens(std::int64_t retry_after_ms, unix_ms now_ms);
net::http_response csrf_refusal(unix_ms now_ms);

/// Lets a request with a token, or else a console cookie, of a sufficient role pass: sets `caller`
/// and gives nothing; else gives the answer (401, 403 or 429) and writes wrong tokens to the log,
/// without the token.
std::optional<net::http_response> check_access(
    authenticator& tokens, sign_in& console, const net::http_request& request, access needs,
    unix_ms now_ms, const std::function<void(int, const std::string&, const std::string&)>& log,
    identity& caller);

}  // namespace watchkeeper::server
