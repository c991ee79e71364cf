#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "sdk/c/interval_cutter.hpp"
#include "sdk/c/key_set.hpp"
#include "sdk/c/session_key.hpp"
#include "sdk/c/software_key.hpp"
#include "tools/fleet/catalogue.hpp"
#include "tools/fleet/heartbeat.hpp"

namespace watchkeeper::fleet {

/// How a device plays: the same for a whole fleet.
struct playing_rules {
  media_ms heartbeat_ms = 10'000;  // media time of one heartbeat
  std::int32_t rate_permille = 1000;
  std::size_t buffer_heartbeats = 5;  // that wait while they cannot be delivered
  /// The gateway's key: each session agrees on a key with its first heartbeat, and the others are
  /// signed with that (docs/protocol.md, section 6). Borrowed; none: every one by the device's key.
  const sdk::gateway_key* gateway = nullptr;
};

/// One simulated device: what it plays, what it has not delivered yet, when it may try again. At
/// most one request of it is in flight, so that its heartbeats arrive in order. No socket, no
/// clock. One thread. Borrows the modules, which outlive it.
class player {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  using random = std::mt19937_64;

  player(sdk::software_key key, student_id student, std::size_t number,
         std::span<const played_module> modules, unsigned sessions, media_ms start_ms, bool cheats);

  [[nodiscard]] const sdk::software_key& key() const noexcept { return key_; }
  [[nodiscard]] const student_id& student() const noexcept { return student_; }
  [[nodiscard]] bool cheats() const noexcept { return cheats_; }

  /// Plays on by one heartbeat and signs it. At a module's end: the heartbeat is cut there, and the
  /// next module begins in a new session. Sessions take turns.
  [[nodiscard]] heartbeat play(const playing_rules& rules, wall_ms now_ms, random& source);

  /// Signs the heartbeat in flight by the device's key, because the gateway does not know the
  /// session's; its session agrees on a new one.
  void sign_again(std::size_t in_flight, const playing_rules& rules);

  /// Adds to what is to be sent. Returns the heartbeats that had to go, the oldest first, for there
  /// may be only `buffer_heartbeats` of them.
  [[nodiscard]] std::size_t add(heartbeat&& made, std::size_t buffer_heartbeats);
  /// Latency of the heartbeats without a time yet counts from `due`.
  void stamp(time_point due) noexcept;

  [[nodiscard]] std::size_t pending() const noexcept { return pending_.size(); }
  [[nodiscard]] std::span<const heartbeat> in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] time_point not_before() const noexcept { return not_before_; }
  [[nodiscard]] bool ready(time_point now) const noexcept {
    return in_flight_.empty() && !pending_.empty() && now >= not_before_;
  }

  /// Moves up to `tokens_max` of the oldest into flight; those without a time are due `now`.
  /// Precondition: ready.
  std::span<const heartbeat> take(std::size_t tokens_max, time_point now);
  /// Ends the request in flight. `again[i]`: heartbeat i is sent again, after `retry_after` and a
  /// backoff. Returns how many heartbeats had to be dropped for it.
  [[nodiscard]] std::size_t complete(const std::vector<bool>& again,
                                     std::chrono::milliseconds retry_after, time_point now,
                                     std::size_t buffer_heartbeats, random& source);
  /// Gives up all that is not delivered; returns how many that were.
  std::size_t abandon() noexcept;

 private:
  struct playback_session {
    session_id id;
    std::size_t module = 0;
    std::uint32_t next_sequence = 0;
    sdk::interval_cutter cutter;
    mono_ms played_until;  // the session's own clock, which a heartbeat moves on
    std::optional<sdk::session_mac_key> key;
  };
  /// Signs the claims of `of`. `session` (may be null) gives the session's key, or agrees on one.
  void sign(heartbeat& of, playback_session* session, const playing_rules& rules) const;
  playback_session begin(std::size_t module, media_ms at_ms) const;
  std::size_t trim(std::size_t buffer_heartbeats);

  sdk::software_key key_;
  student_id student_;
  std::span<const played_module> modules_;
  bool cheats_;
  std::vector<playback_session> sessions_;
  std::size_t turn_ = 0;
  std::deque<heartbeat> pending_;
  std::vector<heartbeat> in_flight_;
  backoff retry_;
  time_point not_before_{};
};

/// A random UUID (RFC 9562 version 4), as players use for `sid`.
session_id make_session_id(player::random& source);

}  // namespace watchkeeper::fleet
