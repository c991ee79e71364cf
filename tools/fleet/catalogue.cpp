#include "tools/fleet/catalogue.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace watchkeeper::fleet {
namespace {

/// Ids may hold `~ : @`, which a path segment may hold too (RFC 3986 section 3.3): nothing to
/// escape.
std::string path_of(const module_id& id) {
  return fmt::format("/v1/modules/{}", id.view());
}

result<media_ms, std::string> read_duration(const module_id& id, const http2_response& response) {
  if (response.status == 404)
    return fmt::format("the module '{}' is not in the catalogue; create it, or let the fleet do so",
                       id.view());
  if (response.status != 200)
    return fmt::format("the module '{}' cannot be read: {}", id.view(), explain_refusal(response));
  const auto document = nlohmann::json::parse(response.body, nullptr, false);
  if (!document.is_object() || !document.contains("duration_ms") ||
      !document["duration_ms"].is_number_integer())
    return fmt::format("the gateway's response about module '{}' has no duration_ms", id.view());
  const auto duration = document["duration_ms"].get<std::int64_t>();
  if (duration < 1 || duration > limits::media_duration_ms_max)
    return fmt::format("the duration of module '{}' is out of range: {} ms", id.view(), duration);
  return static_cast<media_ms>(duration);
}

}  // namespace

result<std::vector<played_module>, std::string> prepare_modules(const fleet_options& options,
                                                                simple_client& client) {
  const auto wanted_ms = static_cast<media_ms>(std::lround(options.module_duration_s * 1000));
  const auto authorization = "Bearer " + options.admin_token;
  std::vector<played_module> made;
  for (const auto& name : options.modules) {
    const auto id = module_id::parse(name);
    if (!id)
      return fmt::format("'{}' is no module id: 1 to 64 characters of A-Z a-z 0-9 . _ ~ : @ -",
                         name);
    made.push_back({*id, wanted_ms});
    if (options.admin_token.empty()) continue;
    const auto path = path_of(*id);
    http2_request what;
    what.path = path;
    what.authorization = authorization;
    if (options.create_modules) {
      what.method = "PUT";
      what.content_type = "application/json";
      what.body = nlohmann::json{{"title", "Fleet: " + name}, {"duration_ms", wanted_ms}}.dump();
    }
    auto response = client.request(std::move(what));
    if (!response) return response.error();
    if (response->status == 401 || response->status == 403)
      return fmt::format("the gateway does not take the admin token: {}",
                         explain_refusal(*response));
    if (options.create_modules) {
      if (response->status / 100 != 2)
        return fmt::format("the module '{}' cannot be created: {}", name,
                           explain_refusal(*response));
      continue;
    }
    auto duration = read_duration(*id, *response);
    if (!duration) return duration.error();
    made.back().duration_ms = *duration;
  }
  return made;
}

}  // namespace watchkeeper::fleet
