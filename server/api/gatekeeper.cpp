#include "server/api/gatekeeper.hpp"

#include "net/problem_response.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::string_view challenge = "Bearer realm=\"watchkeeper\"";

}  // namespace

net::http_response refusal_response(problem what, std::string_view detail, unix_ms now_ms,
                                    std::optional<int> retry_after_s) {
  auto response = net::make_problem(what, detail, now_ms, retry_after_s);
  if (what == problem::unauthorized)
    response.headers.emplace_back("www-authenticate", std::string(challenge));
  return response;
}

std::optional<net::http_response> check_access(
    authenticator& tokens, const net::http_request& request, access needs, unix_ms now_ms,
    const std::function<void(int, const std::string&, const std::string&)>& log, identity& caller) {
  if (needs == access::anyone) return std::nullopt;
  auto found = tokens.identify(request.authorization, request.peer, now_ms);
  if (const auto* wait = std::get_if<authenticator::too_many>(&found))
    return refusal_response(problem::rate_limited, "Too many wrong tokens came from this address",
                            now_ms, static_cast<int>((wait->retry_after_ms + 999) / 1000));
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
  if (allows(needs, caller.role)) return std::nullopt;
  return refusal_response(
      problem::forbidden,
      "The role of this token, " + std::string(name_of(caller.role)) + ", does not allow this call",
      now_ms);
}

}  // namespace watchkeeper::server
