#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "actors/shared/heartbeat_job.hpp"
#include "actors/shared/policy.hpp"
#include "actors/shared/registry.hpp"
#include "base/address_rate_limiter.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace watchkeeper::actors {

/// The detail of a token that is rejected because of those before it.
inline constexpr std::string_view too_many_failures =
    "too many tokens from this address did not verify";

/// What the cheap checks find, before the signature is verified: the heartbeat goes on to its
/// session (`ok`), it is rejected, or a record of the registry is not in memory. In this case load
/// the record, and screen again.
using screening_result = std::variant<ok_t, rejection, registry_record>;

/// Parses `job.text`; sets `parsed` and `token`, and `received_ms`.
[[nodiscard]] result<ok_t, rejection> parse_job(heartbeat_job& job, const gateway_policy& policy,
                                                wall_ms now_ms);

/// All checks of docs/protocol.md sections 4 and 5 that need no signature, the cheapest first: the
/// device is enrolled, not revoked, and the student's; the module exists; the interval is
/// plausible; the module is assigned; the rates. If it returns `ok`, `job.device` and `job.credit`
/// are set (but not `job.credit.now_ms`, which the writer sets). Thread: any. Precondition:
/// parse_job returned `ok`.
[[nodiscard]] screening_result screen_job(heartbeat_job& job, const gateway_policy& policy,
                                          const registry& registry_cache,
                                          const address_rate_limiter& addresses, mono_ms now);

}  // namespace watchkeeper::actors
