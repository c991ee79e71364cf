#pragma once

#include <cstddef>
#include <vector>

#include "sdk/c/claim.hpp"
#include "sdk/c/limits.hpp"

namespace watchkeeper::sdk {

/// What was played and is not acknowledged yet, the oldest first. When there is one too many, two
/// that adjoin become one, where the gateway's limit on an interval allows; failing that the oldest
/// goes. What is under way is not touched and not counted; what is in doubt is never joined, since
/// only the same heartbeat sent again is known as a duplicate.
class heartbeat_buffer {
 public:
  explicit heartbeat_buffer(media_ms interval_ms_max = sdk_limits::interval_ms_max) noexcept
      : interval_ms_max_(interval_ms_max) {}

  /// Gives what had to go.
  [[nodiscard]] std::vector<claim> add(const claim& made);
  /// What an earlier run left; put before everything else, and not trimmed until the next `add`.
  void restore(std::vector<claim> stored);

  [[nodiscard]] const std::vector<claim>& claims() const noexcept { return claims_; }
  [[nodiscard]] std::size_t size() const noexcept { return claims_.size(); }
  [[nodiscard]] bool empty() const noexcept { return claims_.empty(); }

  /// The first `count` are under way. None may be so already.
  void take(std::size_t count) noexcept;
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] claim& at(std::size_t index) { return claims_[index]; }
  /// The flight is over: `removed[i]` leaves. Gives what had to go beyond that.
  [[nodiscard]] std::vector<claim> land(const std::vector<bool>& removed);

 private:
  std::vector<claim> trim();
  bool join_one();

  media_ms interval_ms_max_;
  std::vector<claim> claims_;
  std::size_t in_flight_ = 0;
};

}  // namespace watchkeeper::sdk
