#include "actors/credit/session.hpp"

#include <caf/send.hpp>
#include <exception>

namespace watchkeeper::actors {

bool session_core::signature_holds(const heartbeat_job& job) {
  // A device that was enrolled anew may have come back with another key.
  if (!verifier_ || !(device_->record.key == job.device->record.key)) {
    verifier_.emplace(job.device->record.key);
  }
  device_ = job.device;
  const auto& token = job.token;
  const auto algorithm = static_cast<std::size_t>(token.algorithm);
  const auto started_us = deps_.monotonic_us();
  const bool holds =
      verifier_->verify(token.signing_input, {token.signature.data(), token.signature.size()});
  deps_.probe.latency[algorithm].record_us(deps_.monotonic_us() - started_us);
  if (!holds) bump(deps_.probe.failures[algorithm]);
  return holds;
}

namespace {

/// What authenticates a heartbeat in either way is charged to its device. Screening let it pass,
/// but others may have been charged since: many at once are no way around.
bool rate_admits(heartbeat_job& job, const session_dependencies& deps) {
  const auto now_ms = job.received_ms;
  if (job.device->rate.admits(now_ms, deps.policy.device_rate)) return true;
  job.refuse(problem::rate_limited, "the device sends more tokens than it plays",
             job.device->rate.retry_after_ms(now_ms, deps.policy.device_rate));
  return false;
}

bool admit_authentic(heartbeat_job& job, session_memory& session,
                     const session_dependencies& deps) {
  job.device->rate.charge(job.received_ms, deps.policy.device_rate);
  if (session.bind(job.token.claims.module)) return true;
  job.refuse(problem::session_mismatch, "the session is bound to another module");
  return false;
}

session_memory::verdict check_mac(const heartbeat_job& job, const session_memory& session,
                                  const session_dependencies& deps, bool last_look) {
  const auto& token = job.token;
  constexpr auto algorithm = static_cast<std::size_t>(signature_algorithm::hs256);
  const auto started_us = deps.monotonic_us();
  const auto verdict = session.check(token.signing_input, {token.signature.data(), 32});
  using enum session_memory::verdict;
  if (verdict == holds || (verdict == wrong && last_look))
    deps.probe.latency[algorithm].record_us(deps.monotonic_us() - started_us);
  return verdict;
}

}  // namespace

mac_verdict verify_mac(heartbeat_job& job, session_memory& session,
                       const session_dependencies& deps) {
  if (!rate_admits(job, deps)) return mac_verdict::refused;
  if (check_mac(job, session, deps, false) != session_memory::verdict::holds)
    return mac_verdict::undecided;
  return admit_authentic(job, session, deps) ? mac_verdict::holds : mac_verdict::refused;
}

void refuse_without_key(heartbeat_job& job) {
  job.refuse(problem::session_key_unknown,
             "no key is held for this session; sign the heartbeat with the device key");
}

bool session_core::decide_mac(heartbeat_job& job) {
  switch (check_mac(job, *memory_, deps_, true)) {
    case session_memory::verdict::holds:
      return admit_authentic(job, *memory_, deps_);
    case session_memory::verdict::no_key:
      refuse_without_key(job);
      return false;
    case session_memory::verdict::wrong:
      break;
  }
  bump(deps_.probe.failures[static_cast<std::size_t>(signature_algorithm::hs256)]);
  deps_.addresses.failed(job.peer, deps_.now());
  job.refuse(problem::bad_signature, "the MAC is not that of the session's key");
  return false;
}

bool session_core::take_offer(heartbeat_job& job) {
  using failure = crypto::agreement_key_ring::failure;
  const auto& offer = *job.token.claims.key_offer;
  static const crypto::agreement_key_ring no_keys;
  const auto& ring = deps_.keys && deps_.policy.session_keys_allowed ? *deps_.keys : no_keys;
  auto key = ring.accept(offer, job.token.signing_input);
  if (!key && key.error() == failure::bad_point) {
    job.refuse(problem::malformed_token, "epk is not a point of P-256");
    return false;
  }
  // A key that this gateway cannot compute costs the device nothing but a signature later: the
  // heartbeat is credited, and the next MAC answered session-key-unknown. An older key must not
  // stay either, or that MAC would be taken for a forgery.
  auto held = std::make_unique<offered_session_key>();
  held->session = memory_;
  if (key) held->key = *key;
  held->number = memory_->offer(held->key);
  job.key_offer = std::move(held);
  return true;
}

/// Looked at again, just before the expensive step and by the clock of now: what waited here
/// together passed the first look together, and by the time at which it came the debt would be paid
/// already.
bool session_core::address_admits(heartbeat_job& job) {
  const auto now_ms = deps_.now();
  if (deps_.addresses.admits(job.peer, now_ms)) return true;
  job.refuse(problem::rate_limited, too_many_failures,
             deps_.addresses.retry_after_ms(job.peer, now_ms));
  return false;
}

bool session_core::verify_signature(heartbeat_job& job) {
  if (!address_admits(job)) return false;
  if (!signature_holds(job)) {
    deps_.addresses.failed(job.peer, deps_.now());
    job.refuse(problem::bad_signature, "the signature is not the device's");
    return false;
  }
  if (!admit_authentic(job, *memory_, deps_)) return false;
  return !job.token.claims.key_offer || take_offer(job);
}

bool session_core::verify(heartbeat_job& job) {
  if (!rate_admits(job, deps_)) return false;
  return job.token.algorithm == signature_algorithm::hs256 ? decide_mac(job)
                                                           : verify_signature(job);
}

session_actor::behavior_type session(session_actor::stateful_pointer<session_actor_state> self,
                                     const session_dependencies* dependencies) {
  self->state.core.emplace(*dependencies);
  return {[self, dependencies](heartbeat_job_ptr& job) {
    auto& core = *self->state.core;
    try {
      if (!core.verify(*job)) return;
      // Each time: the directory may have given the session up while a request still holds this
      // actor, and what it has not got would be verified by another one, without the key.
      dependencies->verified(job->credit.session_key(),
                             {caf::actor_cast<session_actor>(self), core.memory()},
                             job->received_ms);
      const auto& shards = dependencies->shards;
      const auto& shard = shards[shard_of(job->credit.student, shards.size())];
      self->send(shard, credit_job{std::move(job)});
    } catch (const std::exception&) {
      // Out of memory. An actor that throws is gone, while the directory would still send to it:
      // this heartbeat answers `overloaded` by itself, and the session goes on.
    }
  }};
}

}  // namespace watchkeeper::actors
