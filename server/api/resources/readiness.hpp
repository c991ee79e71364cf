#pragma once

#include <functional>
#include <optional>

#include "base/clock.hpp"
#include "base/thread_safety.hpp"
#include "net/shared/http.hpp"
#include "server/api/gateway_port.hpp"

namespace watchkeeper::server {

/// /readyz: `{"ready":…,"degraded":…,"durability":…,"reasons":[…]}`, 200 or 503. Anybody may
/// call it, so the response is cached for api_limits::readiness_age_max_ms. Thread: any.
class readiness {
 public:
  explicit readiness(gateway_port& gateway) : gateway_(gateway) {}
  [[nodiscard]] net::http_response respond(mono_ms now);
  /// From now on: not ready, "draining".
  void begin_drain();

 private:
  [[nodiscard]] net::http_response compute() const REQUIRES(mutex_);

  gateway_port& gateway_;
  annotated_mutex mutex_;
  bool draining_ GUARDED_BY(mutex_) = false;
  std::optional<net::http_response> cached_ GUARDED_BY(mutex_);
  mono_ms cached_at_ GUARDED_BY(mutex_);
};

}  // namespace watchkeeper::server
