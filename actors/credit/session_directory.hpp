#pragma once

#include <array>
#include <cstdint>

#include "actors/credit/actors.hpp"
#include "actors/shared/actor_limits.hpp"
#include "base/clock.hpp"
#include "base/lru_map.hpp"
#include "base/thread_safety.hpp"

namespace watchkeeper::actors {

/// Finds a session: its actor and its memory. It has only sessions that have verified a heartbeat,
/// so tokens with a made-up session cost no memory. An actor that is not in here ends with its last
/// message. Thread: any; a look-up locks one of 64 stripes. Bounded: at `sessions_max` the least
/// recently used session of the stripe is evicted, and starts anew with its next heartbeat.
class session_directory {
 public:
  explicit session_directory(std::size_t sessions_max = actor_limits::sessions_max);

  /// The actor is null if the session is not in here. Marks the session as used.
  [[nodiscard]] session_handle find(const session_key_id& key, mono_ms now);
  /// Does nothing if the session is in here already: of two actors that verified the first
  /// heartbeats of one session, the first to come stays.
  void put(const session_key_id& key, const session_handle& session, mono_ms now);
  /// Evicts the sessions that were not used since `before`. A call sweeps one stripe, in turn.
  /// Thread: one at a time.
  void sweep(mono_ms before);
  /// Evicts all sessions, and takes none from now on: an actor that is in here does not end.
  void close();
  [[nodiscard]] std::size_t size() const;

  static constexpr std::size_t stripe_count() noexcept { return stripes_; }

 private:
  static constexpr std::size_t stripes_ = 64;

  struct used_session {
    session_handle session;
    mono_ms used_at;
  };
  struct stripe {
    explicit stripe(std::size_t sessions_max) : sessions(sessions_max) {}
    mutable annotated_mutex mutex;
    lru_map<session_key_id, used_session> sessions GUARDED_BY(mutex);
    bool closed GUARDED_BY(mutex) = false;
  };
  stripe& stripe_of(const session_key_id& key) {
    // The low bits place the entry inside the map; take others here.
    return *all_[(std::hash<session_key_id>{}(key) >> 48) % stripes_];
  }

  std::array<std::unique_ptr<stripe>, stripes_> all_;
  std::size_t next_swept_ = 0;  // used by the one thread that sweeps
};

}  // namespace watchkeeper::actors
