#pragma once

#include "server/api/call.hpp"
#include "server/api/resources/summary_cache.hpp"

namespace watchkeeper::server {

/// GET /v1/overview: every module at a glance. The numbers of students come from the ledger
/// through the summary_cache, the activity from the live view. Thread: any.
class overview {
 public:
  explicit overview(summary_cache::failure_function on_failure)
      : recorded_(std::move(on_failure)) {}
  [[nodiscard]] net::http_response respond(stores& own, const gateway_port& gateway,
                                           unix_ms now_ms);

 private:
  summary_cache recorded_;
};

}  // namespace watchkeeper::server
