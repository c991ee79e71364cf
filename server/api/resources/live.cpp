// /v1/live: opens a stream of the live feed.
#include "server/api/api_problem.hpp"
#include "server/api/call.hpp"
#include "server/identity/logins.hpp"
#include "server/live/live_endpoint.hpp"

namespace watchkeeper::server {
namespace {

bool has_token_still(immediate_call& c) {
  const auto found =
      c.services.tokens.identify(c.request.authorization, c.request.peer, c.time.monotonic_now());
  const auto* const owner = std::get_if<identity>(&found);
  return owner != nullptr && allows(access::viewer, owner->role);
}

}  // namespace

std::optional<net::http_response> open_live_stream(immediate_call& c) {
  const auto query = c.query();
  std::optional<module_id> module;
  if (const auto text = query.find("module")) {
    module = module_id::parse(*text);
    if (!module)
      throw api_problem(problem::malformed_request,
                        "The query parameter module must be an id: 1 to 64 characters of A-Z a-z "
                        "0-9 . _ ~ : @ -");
  }
  auto& live = c.services.live;
  if (!live.open(c.request, module, c.caller.expires_ms, c.caller.login_id))
    throw api_problem(problem::overloaded, "The live view has too many subscribers already");
  // If the login was ended in between, the end of its streams did not include this one.
  if (c.caller.login_id && c.services.console.is_revoked(*c.caller.login_id))
    live.end_login(*c.caller.login_id);
  // The same of a bearer token that a reload removed in between.
  if (!c.caller.login_id && !has_token_still(c)) live.end(c.request.respond_to);
  return std::nullopt;
}

}  // namespace watchkeeper::server
