// /v1/session: a person's login to the console.
#include "base/calendar.hpp"
#include "base/json_writer.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/request_bodies.hpp"
#include "server/identity/authorization.hpp"
#include "server/identity/logins.hpp"

namespace watchkeeper::server {
namespace {

net::http_response login_response(const logins& console, const logins::opened& opened) {
  std::string body;
  json_writer(body)
      .begin_object()
      .member("name", opened.owner.name)
      .member("role", name_of(opened.owner.role))
      .member("expires_at", rfc3339(opened.what.expires_ms))
      .member("csrf", console.csrf_of(opened.what))
      .end_object();
  auto response = json_response(std::move(body));
  response.headers.emplace_back("cache-control", "no-store");
  return response;
}

}  // namespace

std::optional<net::http_response> post_login(immediate_call& c) {
  auto& console = c.services.console;
  const auto token = read_login(c.request);
  const auto found = console.open(token, c.request.peer);
  if (const auto* wait = std::get_if<authenticator::too_many>(&found))
    return too_many_wrong_tokens(wait->retry_after_ms, c.now_ms);
  const auto* opened = std::get_if<logins::opened>(&found);
  const auto peer = net::to_string(c.request.peer);
  if (opened == nullptr) {
    c.services.log(log_level::warning, "api", "rejected a wrong token at login from " + peer);
    return problem_response(problem::unauthorized, "The token is not valid", c.now_ms);
  }
  c.services.log(log_level::info, "api", opened->owner.name + " logged in from " + peer);
  auto response = login_response(console, *opened);
  response.headers.emplace_back("set-cookie", console.cookie_of(opened->what));
  return response;
}

std::optional<net::http_response> get_login(immediate_call& c) {
  auto& console = c.services.console;
  if (const auto opened = console.find(c.request)) return login_response(console, *opened);
  return problem_response(problem::unauthorized,
                          "The request has no login: sign in with POST /v1/session", c.now_ms);
}

std::optional<net::http_response> delete_login(immediate_call& c) {
  auto& console = c.services.console;
  const auto opened = console.find(c.request);
  if (opened && !console.may_write(c.request, opened->what)) return csrf_problem(c.now_ms);
  auto response = no_content();
  response.headers.emplace_back("set-cookie", logins::no_cookie());
  if (!opened) return response;
  console.close(opened->what, [&responses = c.services.responses, to = c.request.respond_to,
                               response = std::move(response)]() mutable {
    responses.respond(to, std::move(response));
  });
  return std::nullopt;
}

}  // namespace watchkeeper::server
