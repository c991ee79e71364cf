// /healthz and /readyz, which anybody may call.
#include "server/api/call.hpp"
#include "server/api/resources/readiness.hpp"

namespace watchkeeper::server {

std::optional<net::http_response> get_health(immediate_call&) {
  return text_response("ok");
}

std::optional<net::http_response> get_readiness(immediate_call& c) {
  return c.services.ready.respond(c.time.monotonic_now());
}

}  // namespace watchkeeper::server
