#include "actors/credit/screening.hpp"

namespace watchkeeper::actors {

namespace {

rejection rejected(problem why, std::string_view detail, std::int64_t retry_after_ms = 0) {
  return {why, detail, retry_after_ms};
}

}  // namespace

result<ok_t, rejection> parse_job(heartbeat_job& job, const gateway_policy& policy,
                                  wall_ms now_ms) {
  job.received_ms = now_ms;
  std::string_view detail;
  auto parsed = parse_engagement_token(job.text, &detail);
  if (!parsed) return rejected(parsed.error(), detail);
  job.token = *parsed;
  job.parsed = true;
  // Not bad-signature: a device would drop the heartbeat then, but it can still sign it.
  if (job.token.algorithm == signature_algorithm::hs256 && !policy.session_keys_allowed)
    return rejected(problem::session_key_unknown,
                    "this deployment takes device signatures only; sign the heartbeat with the "
                    "device key, and those after it");
  switch (check_time(job.token.claims, now_ms, policy.time)) {
    case problem::stale_token:
      return rejection{.why = problem::stale_token,
                       .detail = "iat or exp is too long ago by the server's clock",
                       .stale = stale_cause::time};
    case problem::future_token:
      return rejected(problem::future_token, "iat is ahead of the server's clock");
    default:
      return ok;
  }
}

screening_result screen_job(heartbeat_job& job, const gateway_policy& policy,
                            const registry& registry_cache, const address_rate_limiter& addresses,
                            mono_ms now) {
  const auto& token = job.token;
  const auto& claims = token.claims;

  if (!addresses.admits(job.peer, now))
    return rejected(problem::rate_limited, too_many_failures,
                    addresses.retry_after_ms(job.peer, now));

  const auto device = registry_cache.find_device(token.device, now);
  if (!device.is_cached) return registry_record::device;
  if (!device.entry)
    return rejected(problem::unknown_device, "no device is enrolled with this kid");
  const auto& record = device.entry->record;
  if (record.revoked) return rejected(problem::revoked_device, "the device was revoked");
  // The key decides the algorithm: only a session key ever checks HS256.
  if (token.algorithm == signature_algorithm::hs256) {
    if (token.signature_bytes != signature_size(token.algorithm))
      return rejected(problem::bad_signature, "a MAC has 32 bytes");
  } else {
    if (record.key.algorithm != token.algorithm)
      return rejected(problem::bad_signature, "alg is not that of the device's key");
    if (token.signature_bytes != signature_size(token.algorithm))
      return rejected(problem::bad_signature, "a signature has 64 bytes: r and s, not DER");
  }
  if (record.student != claims.student)
    return rejected(problem::subject_mismatch, "the device is enrolled for another student");

  const auto module = registry_cache.find_module(claims.module, now);
  if (!module.is_cached) return registry_record::module;
  if (!module.entry) return rejected(problem::unknown_module, "the catalogue has no such module");
  const auto& rules = module.entry->rules;
  const auto interval =
      plausible_interval(claims.interval, rules.duration_ms, policy.max_interval_ms);
  if (!interval)
    return rejected(interval.error(),
                    "from and to must lie within the module, and not too far apart");

  if (policy.require_assignment) {
    const auto assigned =
        registry_cache.find_assignment({claims.student, claims.module}, record.epoch, now);
    if (!assigned.is_cached) return registry_record::assignment;
    if (!assigned.entry)
      return rejected(problem::not_assigned, "the module is not assigned to the student");
  }

  if (!device.entry->rate.admits(now, policy.device_rate))
    return rejected(problem::rate_limited, "the device sends more tokens than it plays",
                    device.entry->rate.retry_after_ms(now, policy.device_rate));

  job.device = device.entry;
  auto& credit = job.credit;
  credit.student = claims.student;
  credit.module = claims.module;
  credit.device = token.device;
  credit.session = claims.session;
  credit.sequence = claims.sequence;
  credit.epoch = record.epoch;
  credit.interval = *interval;
  credit.played_at_ms = claims.issued_at_ms;
  credit.duration_ms = rules.duration_ms;
  credit.mastery_measured_ms = mastery_measured_ms(rules);
  credit.max_rate_permille = rules.max_rate_permille;
  return ok;
}

}  // namespace watchkeeper::actors
