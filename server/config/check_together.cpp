#include <fmt/format.h>

#include <algorithm>

#include "server/config/load_steps.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::server {
namespace {

bool is_loopback(std::string_view listen) {
  return listen.starts_with("127.") || listen.starts_with("[::1]");
}

// The origin of the first of the keys that is not at its default.
std::string where_of(const loaded_configuration& loaded, const std::string& first,
                     const std::string& second) {
  for (const auto& path : {first, second})
    if (const auto& origin = loaded.origins.at(path); origin != "default") return origin;
  return "default";
}

}  // namespace

void check_together(loaded_configuration& into) {
  const auto& v = into.values;
  const auto complain = [&](const std::string& first, const std::string& second, std::string what) {
    into.problems.push_back({where_of(into, first, second), std::move(what)});
  };
  const auto warn = [&](const std::string& path, std::string what) {
    into.warnings.push_back({into.origins.at(path), std::move(what)});
  };

  if (v.tls.certificate.empty() != v.tls.key.empty())
    complain(
        "tls.certificate", "tls.key",
        fmt::format(
            "tls.{} is set, but tls.{} is not; set both, or neither for a self-signed certificate",
            v.tls.key.empty() ? "certificate" : "key", v.tls.key.empty() ? "key" : "certificate"));
  if (v.listen.empty() && v.h2c_listen.empty())
    complain("listen", "h2c_listen", "listen and h2c_listen are both empty; set one of them");
  if (!v.listen.empty() && v.listen == v.h2c_listen && !v.listen.ends_with(":0"))
    complain("h2c_listen", "listen",
             fmt::format("listen and h2c_listen are both {}; give each its own port", v.listen));
  if ((v.policy.max_age_s + v.policy.max_skew_s) * 1000 >= storage_limits::session_ttl_ms)
    complain(
        "policy.max_age_s", "policy.max_skew_s",
        fmt::format(
            "policy.max_age_s + policy.max_skew_s must be less than {}, because the stores forget "
            "a session after that time; the sum is {}",
            storage_limits::session_ttl_ms / 1000, v.policy.max_age_s + v.policy.max_skew_s));
  if (v.limits.connections_per_address_max > v.limits.connections_max)
    complain("limits.connections_per_address_max", "limits.connections_max",
             fmt::format("limits.connections_per_address_max ({}) must not be greater than "
                         "limits.connections_max ({})",
                         v.limits.connections_per_address_max, v.limits.connections_max));
  if (v.rate.device_burst < v.rate.device_per_s)
    complain("rate.device_burst", "rate.device_per_s",
             "rate.device_burst must not be less than rate.device_per_s");
  if (v.rate.address_failures_burst < v.rate.address_failures_per_s)
    complain("rate.address_failures_burst", "rate.address_failures_per_s",
             "rate.address_failures_burst must not be less than rate.address_failures_per_s");
  if (v.rate.address_punished_burst < v.rate.address_punished_per_s)
    complain("rate.address_punished_burst", "rate.address_punished_per_s",
             "rate.address_punished_burst must not be less than rate.address_punished_per_s");

  const auto& origins = v.cors.origins;
  if (origins.size() > 1 && std::ranges::find(origins, "*") != origins.end())
    complain("cors.origins", "cors.origins",
             "cors.origins has * and other origins; * alone permits every origin");

  if (!v.h2c_listen.empty() && !is_loopback(v.h2c_listen))
    warn("h2c_listen",
         fmt::format("h2c_listen = {} accepts cleartext from other machines; make sure that only a "
                     "load balancer that terminates TLS can reach it",
                     v.h2c_listen));
  if (v.tokens.empty())
    warn("token",
         "there is no [[token]], so nobody can use the API or the console; create one with "
         "`watchkeeper token --role admin --name NAME`");
  if (v.store.require_durability == "memory")
    warn("store.require_durability",
         "store.require_durability = memory permits acknowledgements that are lost when the hot "
         "store "
         "restarts");
}

}  // namespace watchkeeper::server
