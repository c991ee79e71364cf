#pragma once

#include <cstdint>
#include <string_view>

#include "actors/shared/heartbeat_job.hpp"
#include "actors/shared/policy.hpp"
#include "actors/shared/registry.hpp"
#include "base/address_rate_limiter.hpp"

namespace watchkeeper::actors {

/// What a token is told that is refused for those before it.
inline constexpr std::string_view too_many_failures =
    "too many tokens from this address did not verify";

/// What the cheap checks say of a heartbeat, before its signature is looked at.
struct screening_verdict {
  enum class kind : std::uint8_t {
    pass,            // on to the session
    refused,         // `why`
    device_unknown,  // not in memory: load it, then screen again
    module_unknown,
    assignment_unknown,
  };
  kind what = kind::pass;
  problem why = problem::none;
  std::string_view detail;
  std::int64_t retry_after_ms = 0;
};

/// Parses `job.text`; sets `parsed` and `token`.
screening_verdict parse_job(heartbeat_job& job, const gateway_policy& policy, unix_ms now_ms);

/// Everything of docs/protocol.md sections 4 and 5 that needs no signature, in the order of its
/// cost: device known, not revoked, for this student; module known; interval plausible; assignment;
/// rates. On `pass`, `job.device` and `job.credit` are set (but for `now_ms`, which the shard
/// sets). Thread: any. Precondition: parse_job passed.
screening_verdict screen_job(heartbeat_job& job, const gateway_policy& policy,
                             const registry& known, const address_guard& addresses, unix_ms now_ms);

}  // namespace watchkeeper::actors
