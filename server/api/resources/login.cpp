#include "server/api/resources/login.hpp"

#include <nlohmann/json.hpp>

#include "net/shared/problem_response.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/json_body.hpp"
#include "server/api/documents/request_bodies.hpp"
#include "server/identity/authorization.hpp"

namespace watchkeeper::server {
namespace {

net::http_response login_response(const logins& console, const logins::opened& opened) {
  nlohmann::ordered_json out;
  out["name"] = opened.owner.name;
  out["role"] = name_of(opened.owner.role);
  out["expires_at"] = net::rfc3339(opened.what.expires_ms);
  out["csrf"] = console.csrf_of(opened.what);
  auto response = json_response(dump(out));
  response.headers.emplace_back("cache-control", "no-store");
  return response;
}

}  // namespace

net::http_response post_login(logins& console, const net::http_request& request, unix_ms now_ms,
                              const log_function& log) {
  const auto token = read_login(request);
  const auto found = console.open(token, request.peer, now_ms);
  if (const auto* wait = std::get_if<authenticator::too_many>(&found))
    return too_many_wrong_tokens(wait->retry_after_ms, now_ms);
  const auto* opened = std::get_if<logins::opened>(&found);
  if (opened == nullptr) {
    log(log_level::warning, "api",
        "rejected a wrong token at login from " + net::to_string(request.peer));
    return problem_response(problem::unauthorized, "The token is not valid", now_ms);
  }
  log(log_level::info, "api",
      opened->owner.name + " logged in from " + net::to_string(request.peer));
  auto response = login_response(console, *opened);
  response.headers.emplace_back("set-cookie", console.cookie_of(opened->what));
  return response;
}

net::http_response get_login(logins& console, const net::http_request& request, unix_ms now_ms) {
  if (const auto opened = console.find(request, now_ms)) return login_response(console, *opened);
  return problem_response(problem::unauthorized,
                          "The request has no login: sign in with POST /v1/session", now_ms);
}

void delete_login(logins& console, const net::http_request& request, unix_ms now_ms,
                  std::function<void(net::http_response&&)> respond) {
  const auto opened = console.find(request, now_ms);
  if (opened && !console.may_write(request, opened->what)) return respond(csrf_problem(now_ms));
  auto done = [respond = std::move(respond)] {
    auto response = no_content();
    response.headers.emplace_back("set-cookie", logins::no_cookie());
    respond(std::move(response));
  };
  if (opened)
    console.close(opened->what, std::move(done));
  else
    done();
}

}  // namespace watchkeeper::server
