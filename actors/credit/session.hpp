#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <functional>
#include <optional>
#include <vector>

#include "actors/credit/actors.hpp"
#include "actors/shared/policy.hpp"
#include "actors/shared/probes.hpp"
#include "actors/shared/session_memory.hpp"
#include "base/address_rate_limiter.hpp"
#include "crypto/agreement_key.hpp"
#include "crypto/signature_verifier.hpp"

namespace watchkeeper::actors {

/// What every session needs of its dependencies. Outlives the sessions; read-only to them.
struct session_dependencies {
  const gateway_policy& policy;
  address_guard& addresses;
  verification_probe& probe;
  const std::vector<progress_shard_actor>& shards;
  std::function<unix_ms()> now;  // the wall clock
  std::function<std::uint64_t()> monotonic_us;
  /// Called after each heartbeat that an actor verified: the session is worth keeping.
  std::function<void(const session_key_id&, const known_session&, unix_ms)> verified;
  /// Null: this gateway has none, and no session gets a key.
  const crypto::agreement_key_ring* keys = nullptr;
};

/// A look at the MAC of an HS256 heartbeat on whatever thread has it: 1 µs, where the way through
/// the session's actor costs more than that. `undecided` (no key, or a MAC that does not fit it) is
/// the actor's to say, behind the offers of keys that may be on their way to it.
enum class mac_verdict : std::uint8_t { holds, refused, undecided };
mac_verdict verify_mac(heartbeat_job& job, session_memory& session,
                       const session_dependencies& deps);
/// The answer to an HS256 heartbeat of a session that nothing is known of.
void refuse_without_key(heartbeat_job& job);

/// The core of the session, without its actor: verifies and decides.
class session_core {
 public:
  explicit session_core(const session_dependencies& dependencies) : deps_(dependencies) {}

  /// True: the heartbeat is authentic and goes on to its shard. False: it was answered.
  bool verify(heartbeat_job& job);
  [[nodiscard]] bool has_verified() const { return memory_->bound(); }
  [[nodiscard]] const std::shared_ptr<session_memory>& memory() const noexcept { return memory_; }

 private:
  bool verify_signature(heartbeat_job& job);
  bool address_admits(heartbeat_job& job);
  bool decide_mac(heartbeat_job& job);
  bool signature_holds(const heartbeat_job& job);
  bool take_offer(heartbeat_job& job);

  const session_dependencies& deps_;
  std::shared_ptr<const device_entry> device_;
  std::optional<crypto::signature_verifier> verifier_;
  std::shared_ptr<session_memory> memory_ = std::make_shared<session_memory>();
};

struct session_actor_state {
  std::optional<session_core> core;
  static inline const char* name = "session";
};

session_actor::behavior_type session(session_actor::stateful_pointer<session_actor_state> self,
                                     const session_dependencies* dependencies);

/// The shard of a student: the partition decides.
inline std::size_t shard_of(const student_id& student, std::size_t shards) noexcept {
  return partition_of(student) % shards;
}

}  // namespace watchkeeper::actors
