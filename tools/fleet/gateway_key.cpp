#include "tools/fleet/gateway_key.hpp"

#include <fmt/format.h>

#include <utility>

namespace watchkeeper::fleet {

result<sdk::gateway_key, std::string> read_gateway_key(simple_client& client) {
  http2_request what;
  what.path = "/v1/keys";
  auto response = client.request(std::move(what));
  if (!response) return response.error();
  if (response->status != 200)
    return fmt::format("the gateway's key for session keys cannot be read: {}",
                       explain_refusal(*response));
  auto key = sdk::read_key_set(response->body);
  if (!key)
    return std::string{
        "the gateway offers no key for session keys; its policy.signature must be 'session'"};
  return *std::move(key);
}

}  // namespace watchkeeper::fleet
