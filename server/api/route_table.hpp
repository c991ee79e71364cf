#pragma once

#include <string_view>
#include <vector>

#include "net/router.hpp"
#include "server/api/call.hpp"
#include "server/identity/authenticator.hpp"

namespace watchkeeper::server {

/// One call of docs/protocol.md, section 7.
struct route {
  /// Who runs it: a handler on an API thread, or the api itself.
  enum class kind : std::uint8_t {
    handled,
    health,
    readiness,
    session_keys,
    login,
    live,
    overview,
    statistics,
    metrics
  };
  net::http_method method = net::http_method::get;
  std::string_view pattern;  // "/v1/modules/{module}"
  access needs = access::anyone;
  kind how = kind::handled;
  handler run = nullptr;                     // of `handled`
  std::vector<std::string_view> parameters;  // that its query may have
};

/// Every call that there is.
const std::vector<route>& all_routes();

/// The router that gives indexes into all_routes().
net::router make_router();

}  // namespace watchkeeper::server
