#pragma once

#include "base/rate_limiter.hpp"
#include "domain/engagement_token.hpp"

namespace watchkeeper::actors {

struct gateway_policy {
  time_policy time;
  media_ms max_interval_ms = 30'000;
  bool require_assignment = false;
  bool session_keys_allowed = true;            // HS256; else every heartbeat needs a signature
  rate_limit device_rate{250'000, 64};         // tokens that verified
  rate_limit address_failures{10'000, 2'000};  // tokens that did not
};

}  // namespace watchkeeper::actors
