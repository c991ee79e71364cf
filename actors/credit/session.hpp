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
#include "base/clock.hpp"
#include "crypto/agreement_key.hpp"
#include "crypto/signature_verifier.hpp"

namespace watchkeeper::actors {

/// The dependencies of every session. Outlive the sessions; read-only to them.
struct session_dependencies {
  const gateway_policy& policy;
  address_rate_limiter& addresses;
  verification_probe& probe;
  const std::vector<progress_shard_actor>& shards;
  const time_source& time;
  /// Called after each heartbeat that an actor verified, to put the session into the directory.
  std::function<void(const session_key_id&, const session_handle&, mono_ms admitted_at)> verified;
  /// Null: this gateway has none, and no session gets a key.
  const crypto::agreement_key_ring* keys = nullptr;
};

enum class mac_check : std::uint8_t { valid, rejected, undecided };
/// Checks the MAC of an HS256 heartbeat on the caller's thread. This takes 1 µs, less than a
/// message to the session's actor. `rejected`: the job has its result. `undecided`: there is no
/// key, or the MAC does not match it. The actor decides then, because offers of keys may be on
/// their way to it.
[[nodiscard]] mac_check verify_mac(heartbeat_job& job, session_memory& session,
                                   const session_dependencies& deps);
/// Rejects an HS256 heartbeat of a session that is not in memory.
void refuse_without_key(heartbeat_job& job);

/// The core of the session, without its actor: verifies and decides.
class session_core {
 public:
  explicit session_core(const session_dependencies& dependencies) : deps_(dependencies) {}

  /// True: the heartbeat is authentic and goes on to its shard. False: it has its result.
  [[nodiscard]] bool verify(heartbeat_job& job);
  [[nodiscard]] bool has_verified() const { return memory_->bound(); }
  [[nodiscard]] const std::shared_ptr<session_memory>& memory() const noexcept { return memory_; }

 private:
  bool verify_signature(heartbeat_job& job);
  bool address_admits(heartbeat_job& job);
  bool decide_mac(heartbeat_job& job);
  bool signature_is_valid(const heartbeat_job& job);
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

/// The index of a student's shard. The student's partition decides.
inline std::size_t shard_of(const student_id& student, std::size_t shards) noexcept {
  return partition_of(student) % shards;
}

}  // namespace watchkeeper::actors
