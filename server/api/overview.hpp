#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "server/api/call.hpp"

namespace watchkeeper::server {

/// GET /v1/overview: every module at a glance. The numbers of students come from the ledger, which
/// looks at every pair for them, so they are kept: api_limits::overview_kept_ms, and ten times as
/// long as the look took where that is longer. Who is active comes from the live view. Thread: any.
class overview {
 public:
  [[nodiscard]] net::http_response answer(stores& own, const gateway_port& gateway, unix_ms now_ms);

 private:
  [[nodiscard]] std::vector<module_summary> summaries(stores& own, unix_ms now_ms);

  std::mutex mutex_;
  std::vector<module_summary> kept_;  // guarded by mutex_, as all below
  unix_ms kept_at_ms_ = 0;
  std::int64_t kept_for_ms_ = 0;
};

}  // namespace watchkeeper::server
