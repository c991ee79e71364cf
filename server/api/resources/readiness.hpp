#pragma once

#include <functional>
#include <mutex>
#include <optional>

#include "base/units.hpp"
#include "net/shared/http.hpp"
#include "server/api/gateway_port.hpp"

namespace watchkeeper::server {

/// /readyz: `{"ready":…,"degraded":…,"durability":…,"reasons":[…]}`, 200 or 503. Anybody may
/// call it, so the response is cached for api_limits::readiness_age_max_ms. Thread: any.
class readiness {
 public:
  explicit readiness(gateway_port& gateway) : gateway_(gateway) {}
  [[nodiscard]] net::http_response respond(unix_ms now_ms);
  /// From now on: not ready, "draining".
  void begin_drain();

 private:
  [[nodiscard]] net::http_response compute() const;

  gateway_port& gateway_;
  std::mutex mutex_;
  bool draining_ = false;                     // guarded by mutex_
  std::optional<net::http_response> cached_;  // guarded by mutex_
  unix_ms cached_at_ms_ = 0;                  // guarded by mutex_
};

}  // namespace watchkeeper::server
