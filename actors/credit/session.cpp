#include "actors/credit/session.hpp"

#include <caf/send.hpp>
#include <exception>

namespace watchkeeper::actors {

bool session_core::signature_is_valid(const heartbeat_job& job) {
  // A device that enrolled again may have another key.
  if (!verifier_ || !(device_->record.key == job.device->record.key)) {
    verifier_.emplace(job.device->record.key);
  }
  device_ = job.device;
  const auto& token = job.token;
  const auto algorithm = static_cast<std::size_t>(token.algorithm);
  const auto started = deps_.time.monotonic_now_us();
  const bool valid =
      verifier_->verify(token.signing_input, {token.signature.data(), token.signature.size()});
  deps_.probe.latency[algorithm].record_us(deps_.time.monotonic_now_us() - started);
  if (!valid) bump(deps_.probe.failures[algorithm]);
  return valid;
}

namespace {

/// Screening has checked the device's rate, but other heartbeats may have been charged since then.
/// This check keeps many heartbeats that come together from passing the limit.
bool rate_admits(heartbeat_job& job, const session_dependencies& deps) {
  const auto now = job.admitted_at();
  if (job.device->rate.admits(now, deps.policy.device_rate)) return true;
  job.reject({problem::rate_limited, "the device sends more tokens than it plays",
              job.device->rate.retry_after_ms(now, deps.policy.device_rate)});
  return false;
}

bool admit_authentic(heartbeat_job& job, session_memory& session,
                     const session_dependencies& deps) {
  job.device->rate.charge(job.admitted_at(), deps.policy.device_rate);
  if (session.bind(job.token.claims.module)) return true;
  job.reject({problem::session_mismatch, "the session is bound to another module"});
  return false;
}

/// `is_last`: no other check of this MAC follows, so an invalid one counts in the latency.
session_memory::mac_result check_mac(const heartbeat_job& job, const session_memory& session,
                                     const session_dependencies& deps, bool is_last) {
  const auto& token = job.token;
  constexpr auto algorithm = static_cast<std::size_t>(signature_algorithm::hs256);
  const auto started = deps.time.monotonic_now_us();
  const auto checked = session.check(token.signing_input, {token.signature.data(), 32});
  using enum session_memory::mac_result;
  if (checked == valid || (checked == invalid && is_last))
    deps.probe.latency[algorithm].record_us(deps.time.monotonic_now_us() - started);
  return checked;
}

}  // namespace

mac_check verify_mac(heartbeat_job& job, session_memory& session,
                     const session_dependencies& deps) {
  if (!rate_admits(job, deps)) return mac_check::rejected;
  if (check_mac(job, session, deps, false) != session_memory::mac_result::valid)
    return mac_check::undecided;
  return admit_authentic(job, session, deps) ? mac_check::valid : mac_check::rejected;
}

void refuse_without_key(heartbeat_job& job) {
  job.reject({problem::session_key_unknown,
              "no key is held for this session; sign the heartbeat with the device key"});
}

bool session_core::decide_mac(heartbeat_job& job) {
  switch (check_mac(job, *memory_, deps_, true)) {
    case session_memory::mac_result::valid:
      return admit_authentic(job, *memory_, deps_);
    case session_memory::mac_result::no_key:
      refuse_without_key(job);
      return false;
    case session_memory::mac_result::invalid:
      break;
  }
  bump(deps_.probe.failures[static_cast<std::size_t>(signature_algorithm::hs256)]);
  deps_.addresses.failed(job.peer, deps_.time.monotonic_now());
  job.reject({problem::bad_signature, "the MAC is not that of the session's key"});
  return false;
}

bool session_core::take_offer(heartbeat_job& job) {
  using failure = crypto::agreement_key_ring::failure;
  const auto& offer = *job.token.claims.key_offer;
  static const crypto::agreement_key_ring no_keys;
  const auto& ring = deps_.keys && deps_.policy.session_keys_allowed ? *deps_.keys : no_keys;
  auto key = ring.accept(offer, job.token.signing_input);
  if (!key && key.error() == failure::bad_point) {
    job.reject({problem::malformed_token, "epk is not a point of P-256"});
    return false;
  }
  // If this gateway cannot compute the key, the device has to sign once more, and no more than
  // that: the heartbeat is credited, and the next MAC gets session-key-unknown. The offer replaces
  // an older key in this case too, or that MAC would count as a forgery.
  auto offered = std::make_unique<offered_session_key>();
  offered->session = memory_;
  if (key) offered->key = *key;
  offered->number = memory_->offer(offered->key);
  job.key_offer = std::move(offered);
  return true;
}

/// Checks the address again, just before the expensive step, and by the clock of now. Heartbeats
/// that waited here together passed the first check together, and by the time of their arrival the
/// debt of the address would be paid already.
bool session_core::address_admits(heartbeat_job& job) {
  const auto now = deps_.time.monotonic_now();
  if (deps_.addresses.admits(job.peer, now)) return true;
  job.reject(
      {problem::rate_limited, too_many_failures, deps_.addresses.retry_after_ms(job.peer, now)});
  return false;
}

bool session_core::verify_signature(heartbeat_job& job) {
  if (!address_admits(job)) return false;
  if (!signature_is_valid(job)) {
    deps_.addresses.failed(job.peer, deps_.time.monotonic_now());
    job.reject({problem::bad_signature, "the signature is not the device's"});
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
      // After each heartbeat: the directory may have evicted the session while a request still
      // holds this actor. Another actor, without the key, would verify the heartbeats that follow.
      dependencies->verified(job->credit.session_key(),
                             {caf::actor_cast<session_actor>(self), core.memory()},
                             job->admitted_at());
      const auto& shards = dependencies->shards;
      const auto& shard = shards[shard_of(job->credit.student, shards.size())];
      self->send(shard, credit_job{std::move(job)});
    } catch (const std::exception&) {
      // Out of memory. An actor that throws is gone, while the directory still sends to it. So this
      // heartbeat gets `overloaded` from its destructor, and the session goes on.
    }
  }};
}

}  // namespace watchkeeper::actors
