#include "actors/session.hpp"

#include <caf/send.hpp>

namespace watchkeeper::actors {

bool session_core::signature_holds(const heartbeat_job& job) {
  // A device that was enrolled anew may have come back with another key.
  if (!verifier_ || !(device_->record.key == job.device->record.key)) {
    verifier_.emplace(job.device->record.key);
  }
  device_ = job.device;
  const auto& token = job.token;
  const auto algorithm = static_cast<std::size_t>(token.algorithm);
  const auto started_us = around_.monotonic_us();
  const bool holds =
      verifier_->verify(token.signing_input, {token.signature.data(), token.signature.size()});
  around_.probe.latency[algorithm].record_us(around_.monotonic_us() - started_us);
  if (!holds) bump(around_.probe.failures[algorithm]);
  return holds;
}

bool session_core::verify(heartbeat_job& job) {
  const auto now_ms = job.received_ms;
  // Screening let it pass, but others may have been charged since: many at once are no way around.
  if (!job.device->rate.admits(now_ms, around_.policy.device_rate)) {
    job.refuse(problem::rate_limited, "the device sends more tokens than it plays",
               job.device->rate.retry_after_ms(now_ms, around_.policy.device_rate));
    return false;
  }
  if (!signature_holds(job)) {
    around_.addresses.failed(job.peer, now_ms);
    job.refuse(problem::bad_signature, "the signature is not the device's");
    return false;
  }
  job.device->rate.charge(now_ms, around_.policy.device_rate);
  if (module_.empty()) {
    module_ = job.token.claims.module;
  } else if (module_ != job.token.claims.module) {
    job.refuse(problem::session_mismatch, "the session is bound to another module");
    return false;
  }
  return true;
}

session_actor::behavior_type session(session_actor::stateful_pointer<session_actor_state> self,
                                     const session_surroundings* surroundings) {
  self->state.core.emplace(*surroundings);
  return {[self, surroundings](heartbeat_job_ptr& job) {
    auto& core = *self->state.core;
    const bool known_before = core.has_verified();
    if (!core.verify(*job)) return;
    if (!known_before)
      surroundings->verified(job->credit.session_key(), caf::actor_cast<session_actor>(self),
                             job->received_ms);
    const auto& shards = surroundings->shards;
    const auto& shard = shards[shard_of(job->credit.student, shards.size())];
    self->send(shard, credit_job{std::move(job)});
  }};
}

}  // namespace watchkeeper::actors
