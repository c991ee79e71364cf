#include "server/api/authorization.hpp"

#include "net/shared/problem_response.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::string_view challenge = "Bearer realm=\"watchkeeper\"";

std::optional<net::http_response> check_role(access needs, const identity& caller, unix_ms now_ms) {
  if (allows(needs, caller.role)) return std::nullopt;
  return refusal_response(
      problem::forbidden,
      "The role of this token, " + std::string(name_of(caller.role)) + ", does not allow this call",
      now_ms);
}

}  // namespace

net::http_response refusal_response(problem what, std::string_view detail, unix_ms now_ms,
                                    std::optional<int> retry_after_s) {
  auto response = net::make_problem(what, detail, now_ms, retry_after_s);
  if (what == problem::unauthorized)
    response.headers.emplace_back("www-authenticate", std::string(challenge));
  return response;
}

net::http_response too_many_wrong_tokens(std::int64_t retry_after_ms, unix_ms now_ms) {
  return refusal_response(problem::rate_limited, "Too many wrong tokens came from this address",
                          now_ms, static_cast<int>((retry_after_ms + 999) / 1000));
}

net::http_response csrf_refusal(unix_ms now_ms) {
  return refusal_response(problem::forbidden,
                          "A cookie alone may not change anything: x-watchkeeper-csrf must hold "
                          "the csrf of GET /v1/session",
                          now_ms);
}

std::optional<net::http_response> check_access(
    authenticator& tokens, sign_in& console, const net::http_request& request, access needs,
    unix_ms now_ms, const std::function<void(int, const std::string&, const std::string&)>& log,
    identity& caller) {
  if (needs == access::anyone) return std::nullopt;
  if (request.authorization.empty() &&
      !session_cookie_of(request.field(net::request_field::cookie)).empty()) {
    auto found = console.identify(request, now_ms);
    if (std::holds_alternative<sign_in::csrf_missing>(found)) return csrf_refusal(now_ms);
    if (std::holds_alternative<sign_in::not_signed_in>(found))
      return refusal_response(problem::unauthorized, "The session has ended: sign in again",
                              now_ms);
    caller = std::move(std::get<identity>(found));
    return check_role(needs, caller, now_ms);
  }
  auto found = tokens.identify(request.authorization, request.peer, now_ms);
  if (const auto* wait = std::get_if<authenticator::too_many>(&found))
    return too_many_wrong_tokens(wait->retry_after_ms, now_ms);
  if (std::holds_alternative<authenticator::missing>(found))
    return refusal_response(problem::unauthorized,
                            "This call needs a token: authorization: Bearer <token>", now_ms);
  if (std::holds_alternative<authenticator::wrong>(found)) {
    log(1, "api", "wrong token from " + net::to_string(request.peer));
    auto response = refusal_response(problem::unauthorized, "The token is not known", now_ms);
    response.headers.back().second += ", error=\"invalid_token\"";
    return response;
  }
  caller = std::move(std::get<identity>(found));
  return check_role(needs, caller, now_ms);
}

}  // namespace watchkeeper::server
