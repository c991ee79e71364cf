#include "server/api/resources/readiness.hpp"

#include "base/json_writer.hpp"
#include "server/api/api_limits.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/stats_document.hpp"

namespace watchkeeper::server {

net::http_response readiness::respond(mono_ms now) {
  const mutex_lock lock(mutex_);
  if (!cached_ || now - cached_at_ >= api_limits::readiness_age_max_ms) {
    cached_ = compute();
    cached_at_ = now;
  }
  return *cached_;
}

void readiness::begin_drain() {
  const mutex_lock lock(mutex_);
  draining_ = true;
  cached_.reset();
}

net::http_response readiness::compute() const {
  const auto of_gateway = gateway_.ready();
  const bool ready = of_gateway && !draining_;
  const auto statistics = gateway_.statistics();
  const auto& hot = statistics.hot;
  std::string body;
  json_writer out(body);
  out.begin_object()
      .member("ready", ready)
      .member("degraded", hot.degraded)
      .member("durability", durability_name(hot.durability));
  out.key("reasons").begin_array();
  if (draining_) out.value("draining");
  if (!of_gateway) out.value(of_gateway.error());
  // Fixed sentences: anybody may read them.
  if (hot.degraded && !hot.durable_enough)
    out.value("the hot store's acknowledgements are less durable than is required");
  else if (hot.degraded)
    out.value("the hot store is away");
  if (statistics.ledger.catching_up) out.value("the ledger went back, and is given what it lacks");
  out.end_array().end_object();
  auto response = json_response(std::move(body), ready ? 200 : 503);
  response.headers.emplace_back("cache-control", "no-store");
  if (!ready) response.headers.emplace_back("retry-after", "1");
  return response;
}

}  // namespace watchkeeper::server
