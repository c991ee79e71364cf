#include "server/identity/authorization.hpp"

#include <string>

#include "net/shared/problem_response.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::string_view challenge = "Bearer realm=\"watchkeeper\"";

bool is_write(net::http_method method) noexcept {
  return method != net::http_method::get && method != net::http_method::head &&
         method != net::http_method::options;
}

bool carries_cookie(const net::http_request& request) {
  return request.authorization.empty() &&
         !login_cookie_of(request.field(net::request_field::cookie)).empty();
}

}  // namespace

net::http_response problem_response(problem what, std::string_view detail, wall_ms now_ms,
                                    std::optional<int> retry_after_s) {
  auto response = net::make_problem(what, detail, now_ms, retry_after_s);
  if (what == problem::unauthorized)
    response.headers.emplace_back("www-authenticate", std::string(challenge));
  return response;
}

net::http_response too_many_wrong_tokens(std::int64_t retry_after_ms, wall_ms now_ms) {
  return problem_response(problem::rate_limited, "This address has sent too many wrong tokens",
                          now_ms, static_cast<int>((retry_after_ms + 999) / 1000));
}

net::http_response csrf_problem(wall_ms now_ms) {
  return problem_response(problem::forbidden,
                          "A request with the login cookie that changes something must have the "
                          "header x-watchkeeper-csrf with the value of csrf of GET /v1/session",
                          now_ms);
}

authorization::authorize_result authorization::authorize(const net::http_request& request,
                                                         access needs) {
  if (needs == access::anyone) return identity{};
  auto found = carries_cookie(request) ? by_cookie(request) : by_token(request);
  const auto* caller = std::get_if<identity>(&found);
  if (caller == nullptr || allows(needs, caller->role)) return found;
  return problem_response(problem::forbidden,
                          "The role of this token, " + std::string(name_of(caller->role)) +
                              ", does not permit this call",
                          time_.wall_now());
}

authorization::authorize_result authorization::by_cookie(const net::http_request& request) {
  const auto now_ms = time_.wall_now();
  auto found = console_.find(request);
  if (!found)
    return problem_response(problem::unauthorized,
                            "The login has expired or was ended: sign in again", now_ms);
  if (is_write(request.method) && !console_.may_write(request, found->what))
    return csrf_problem(now_ms);
  return std::move(found->owner);
}

authorization::authorize_result authorization::by_token(const net::http_request& request) {
  const auto now_ms = time_.wall_now();
  auto found = tokens_.identify(request.authorization, request.peer, time_.monotonic_now());
  if (auto* caller = std::get_if<identity>(&found)) return std::move(*caller);
  if (const auto* wait = std::get_if<authenticator::too_many>(&found))
    return too_many_wrong_tokens(wait->retry_after_ms, now_ms);
  if (std::holds_alternative<authenticator::missing>(found))
    return problem_response(problem::unauthorized,
                            "This call needs the header authorization: Bearer <token>", now_ms);
  log_(log_level::warning, "api", "rejected a wrong token from " + net::to_string(request.peer));
  auto response = problem_response(problem::unauthorized, "The token is not valid", now_ms);
  response.headers.back().second += ", error=\"invalid_token\"";
  return response;
}

}  // namespace watchkeeper::server
