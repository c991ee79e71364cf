#pragma once

#include <cstddef>
#include <vector>

#include "sdk/c/claim.hpp"
#include "sdk/c/limits.hpp"

namespace watchkeeper::sdk {

/// Heartbeats that are not acknowledged yet, oldest first. If there is one too many, two neighbours
/// are joined, if the gateway's limit on an interval allows; otherwise the oldest goes. Heartbeats
/// in flight are neither touched nor counted. A heartbeat in doubt is never joined, because the
/// gateway recognises only the same heartbeat as a duplicate.
class heartbeat_buffer {
 public:
  explicit heartbeat_buffer(media_ms interval_ms_max = sdk_limits::interval_ms_max) noexcept
      : interval_ms_max_(interval_ms_max) {}

  /// Returns the heartbeats that had to go.
  [[nodiscard]] std::vector<claim> add(const claim& made);
  /// Puts the heartbeats of an earlier run before all others. Trims nothing until the next `add`.
  void restore(std::vector<claim> stored);

  [[nodiscard]] const std::vector<claim>& claims() const noexcept { return claims_; }
  [[nodiscard]] std::size_t size() const noexcept { return claims_.size(); }
  [[nodiscard]] bool empty() const noexcept { return claims_.empty(); }

  /// Marks the first `count` as in flight. Precondition: none is.
  void take(std::size_t count) noexcept;
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] claim& at(std::size_t index) { return claims_[index]; }
  /// Ends the flight: heartbeat i leaves if `removed[i]`. Returns the others that had to go.
  [[nodiscard]] std::vector<claim> land(const std::vector<bool>& removed);

 private:
  std::vector<claim> trim();
  bool join_one();

  media_ms interval_ms_max_;
  std::vector<claim> claims_;
  std::size_t in_flight_ = 0;
};

}  // namespace watchkeeper::sdk
