#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <mutex>
#include <optional>

#include "actors/credit/actors.hpp"
#include "actors/shared/actor_limits.hpp"

namespace watchkeeper::actors {

/// Finds a session: its actor, and what is known of it. Holds only sessions that have verified a
/// heartbeat, so that tokens with a made-up session cost no memory; an actor that is not in here
/// ends with its last message. Thread: any; a look-up locks one of 64 stripes. Bounded: at
/// `sessions_max` the session of the stripe that was used longest ago among a few is given up; it
/// starts anew with its next heartbeat.
class session_directory {
 public:
  explicit session_directory(std::size_t sessions_max = actor_limits::sessions_max)
      : stripe_max_(sessions_max / stripes_ + 1) {}

  /// Null when there is none. Marks it as used.
  [[nodiscard]] known_session find(const session_key_id& key, unix_ms now_ms);
  void keep(const session_key_id& key, const known_session& session, unix_ms now_ms);
  /// Gives up what was not used since `before_ms`; looks at one stripe a call, in turn.
  void sweep(unix_ms before_ms);
  /// Gives up all, and keeps none from now on: an actor that is kept does not end.
  void close();
  [[nodiscard]] std::size_t size() const;

  static constexpr std::size_t stripe_count() noexcept { return stripes_; }

 private:
  static constexpr std::size_t stripes_ = 64;
  static constexpr std::size_t candidates_examined_max = 16;

  struct entry {
    known_session session;
    unix_ms used_ms = 0;
  };
  struct stripe {
    mutable std::mutex mutex;
    boost::unordered_flat_map<session_key_id, entry, std::hash<session_key_id>> sessions;
    bool closed = false;
  };
  stripe& stripe_of(const session_key_id& key) {
    // The low bits place the entry inside the map; take others here.
    return all_[(std::hash<session_key_id>{}(key) >> 48) % stripes_];
  }
  void give_one_up(stripe& s);

  std::array<stripe, stripes_> all_;
  std::size_t stripe_max_;
  std::size_t next_swept_ = 0;  // used by the one thread that sweeps
};

}  // namespace watchkeeper::actors
