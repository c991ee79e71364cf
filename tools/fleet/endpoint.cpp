#include "tools/fleet/endpoint.hpp"

#include <utility>

namespace watchkeeper::fleet {

result<endpoint, std::string> resolve_endpoint(std::string_view url) {
  std::string why;
  auto parsed = sdk::parse_gateway_url(url, why);
  if (!parsed) return why + "; like https://127.0.0.1:8443";
  const auto addresses = sdk::http2::resolve(parsed->host, parsed->port, why);
  if (addresses.empty()) return why;
  endpoint made;
  static_cast<sdk::gateway_url&>(made) = std::move(*parsed);
  made.address = addresses.front();
  return made;
}

}  // namespace watchkeeper::fleet
