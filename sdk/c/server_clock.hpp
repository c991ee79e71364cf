#pragma once

#include <algorithm>
#include <cstdint>

#include "sdk/c/claim.hpp"

namespace watchkeeper::sdk {

/// The gateway's time as a device knows it: taken from `server_time` of an answer, and carried on
/// by the monotonic clock, so that a wall clock that jumps changes nothing. Until the first answer
/// it is the wall clock.
class server_clock {
 public:
  /// `round_trip_ms` after the request was sent; the answer was made somewhere between.
  void learn(unix_ms server_ms, std::int64_t round_trip_ms, const instant& now) noexcept {
    known_ = true;
    server_ms_ = server_ms + std::clamp<std::int64_t>(round_trip_ms, 0, 10'000) / 2;
    monotonic_ms_ = now.monotonic_ms;
  }

  [[nodiscard]] bool known() const noexcept { return known_; }
  [[nodiscard]] unix_ms at(const instant& when) const noexcept {
    return known_ ? server_ms_ + (when.monotonic_ms - monotonic_ms_) : when.wall_ms;
  }
  /// What has to be added to the wall clock.
  [[nodiscard]] std::int64_t offset_ms(const instant& now) const noexcept {
    return at(now) - now.wall_ms;
  }

  /// `iat` of a claim. No interval ended in the future: a stored time of a clock that ran ahead
  /// then becomes `now`.
  [[nodiscard]] unix_ms issued_at(const claim& of, const instant& now) const noexcept {
    const auto ended_ms = of.ended_by == end_time::of_this_run ? at(of.ended)
                          : of.ended_by == end_time::stored_server
                              ? of.ended.wall_ms
                              : of.ended.wall_ms + offset_ms(now);
    return std::max<unix_ms>(0, std::min(ended_ms, at(now)));
  }

 private:
  bool known_ = false;
  unix_ms server_ms_ = 0;
  std::int64_t monotonic_ms_ = 0;
};

}  // namespace watchkeeper::sdk
