#include "server/api/resources/readiness.hpp"

#include <nlohmann/json.hpp>

#include "server/api/api_limits.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/json_body.hpp"
#include "server/api/documents/stats_document.hpp"

namespace watchkeeper::server {

net::http_response readiness::respond(unix_ms now_ms) {
  const std::lock_guard lock(mutex_);
  const auto age_ms = now_ms - cached_at_ms_;
  if (!cached_ || age_ms < 0 || age_ms >= api_limits::readiness_age_max_ms) {
    cached_ = compute();
    cached_at_ms_ = now_ms;
  }
  return *cached_;
}

void readiness::begin_drain() {
  const std::lock_guard lock(mutex_);
  draining_ = true;
  cached_.reset();
}

net::http_response readiness::compute() const {
  std::string why_not;
  const bool ready = gateway_.ready(&why_not) && !draining_;
  const auto hot = gateway_.statistics().hot;
  nlohmann::ordered_json out;
  out["ready"] = ready;
  out["degraded"] = hot.degraded;
  out["durability"] = durability_name(hot.durability);
  out["reasons"] = nlohmann::ordered_json::array();
  if (draining_) out["reasons"].push_back("draining");
  if (!ready && !why_not.empty()) out["reasons"].push_back(why_not);
  auto response = json_response(dump(out), ready ? 200 : 503);
  response.headers.emplace_back("cache-control", "no-store");
  if (!ready) response.headers.emplace_back("retry-after", "1");
  return response;
}

}  // namespace watchkeeper::server
