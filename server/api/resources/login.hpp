#pragma once

#include <functional>

#include "base/log_level.hpp"
#include "net/shared/http.hpp"
#include "server/identity/logins.hpp"

/// /v1/session: a person's login to the console. Thread: any.
namespace watchkeeper::server {

/// POST: begins a login for the token in the body, and sets its cookie. Throws api_problem for a
/// body that cannot be read.
net::http_response post_login(logins& console, const net::http_request& request, unix_ms now_ms,
                              const log_function& log);
/// GET: the login of the request's cookie.
net::http_response get_login(logins& console, const net::http_request& request, unix_ms now_ms);
/// DELETE: ends it. `respond` is called once, when the other gateways can know; on this thread or
/// that of login_revocations.
void delete_login(logins& console, const net::http_request& request, unix_ms now_ms,
                  std::function<void(net::http_response&&)> respond);

}  // namespace watchkeeper::server
