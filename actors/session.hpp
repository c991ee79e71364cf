#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <functional>
#include <optional>
#include <vector>

#include "actors/actors.hpp"
#include "actors/address_guard.hpp"
#include "actors/policy.hpp"
#include "actors/probes.hpp"
#include "crypto/signature_verifier.hpp"

namespace watchkeeper::actors {

/// What every session needs of its surroundings. Outlives the sessions; read-only to them.
struct session_surroundings {
  const gateway_policy& policy;
  address_guard& addresses;
  verification_probe& probe;
  const std::vector<progress_shard_actor>& shards;
  std::function<std::uint64_t()> monotonic_us;
  /// Called after the first heartbeat that verified: from now on the session is worth keeping.
  std::function<void(const session_key_id&, const session_actor&, unix_ms)> verified;
};

/// The core of the session, without its actor: verifies and decides.
class session_core {
 public:
  explicit session_core(const session_surroundings& surroundings) : around_(surroundings) {}

  /// True: the heartbeat is authentic and goes on to its shard. False: it was answered.
  bool verify(heartbeat_job& job);
  [[nodiscard]] bool has_verified() const noexcept { return !module_.empty(); }

 private:
  bool signature_holds(const heartbeat_job& job);

  const session_surroundings& around_;
  std::shared_ptr<const device_entry> device_;
  std::optional<crypto::signature_verifier> verifier_;
  module_id module_;  // the first `cid` that verified
};

struct session_actor_state {
  std::optional<session_core> core;
  static inline const char* name = "session";
};

session_actor::behavior_type session(session_actor::stateful_pointer<session_actor_state> self,
                                     const session_surroundings* surroundings);

/// The shard of a student: the partition decides.
inline std::size_t shard_of(const student_id& student, std::size_t shards) noexcept {
  return partition_of(student) % shards;
}

}  // namespace watchkeeper::actors
