#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sdk/c/limits.hpp"
#include "sdk/c/pending_heartbeat.hpp"

namespace watchkeeper::sdk {

/// The gateway's time as a device knows it: taken from `server_time` of a response, and carried on
/// by the monotonic clock, so that a wall clock that jumps changes nothing. Until the first
/// response it is the wall clock.
class server_clock {
 public:
  /// `round_trip_ms` after the request was sent; the gateway read its clock somewhere in between.
  void learn(wall_ms server_ms, std::int64_t round_trip_ms, const instant& now) noexcept {
    is_set_ = true;
    server_ms_ = server_ms + std::clamp<std::int64_t>(round_trip_ms, 0, 10'000) / 2;
    learnt_at_ = now.monotonic;
  }

  [[nodiscard]] bool is_set() const noexcept { return is_set_; }
  [[nodiscard]] wall_ms at(const instant& when) const noexcept {
    return is_set_ ? server_ms_ + (when.monotonic - learnt_at_) : when.wall;
  }
  /// What has to be added to the wall clock.
  [[nodiscard]] std::int64_t offset_ms(const instant& now) const noexcept {
    return at(now) - now.wall;
  }

  /// `iat` of a heartbeat. In this run its age on the monotonic clock counts, because the wall
  /// clock may have been set meanwhile. No interval ended in the future: a stored time of a clock
  /// that ran ahead becomes `now`.
  [[nodiscard]] wall_ms issued_at(const pending_heartbeat& of, const instant& now) const noexcept {
    const auto ended_ms = of.ended_by == end_time::of_this_run
                              ? at(now) - (now.monotonic - of.ended.monotonic)
                          : of.ended_by == end_time::stored_server ? of.ended.wall
                                                                   : of.ended.wall + offset_ms(now);
    return std::max(wall_ms{}, std::min(ended_ms, at(now)));
  }

 private:
  bool is_set_ = false;
  wall_ms server_ms_;
  mono_ms learnt_at_;
};

enum class clock_correction : std::uint8_t { sign_again, retry_later, too_old };

/// What becomes of a heartbeat that was rejected as `stale-token` or `future-token`. `sent_ms`: the
/// `iat` of its token; `new_ms`: what it would be now; `tries`: earlier corrections of the
/// heartbeat.
inline clock_correction correct_clock(std::string_view problem, wall_ms sent_ms, wall_ms new_ms,
                                      int tries) noexcept {
  if (std::abs(new_ms - sent_ms) >= sdk_limits::clock_step_ms &&
      tries < sdk_limits::clock_tries_max)
    return clock_correction::sign_again;
  // No heartbeat is dated later than the gateway's clock, so the date will be right soon.
  return problem == "future-token" ? clock_correction::retry_later : clock_correction::too_old;
}

}  // namespace watchkeeper::sdk
