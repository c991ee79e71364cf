#pragma once

#include <cstddef>
#include <vector>

#include "sdk/c/limits.hpp"
#include "sdk/c/pending_heartbeat.hpp"

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
  [[nodiscard]] std::vector<pending_heartbeat> add(const pending_heartbeat& made);
  /// Puts the heartbeats of an earlier run before all others. Trims nothing until the next `add`.
  void restore(std::vector<pending_heartbeat> stored);

  [[nodiscard]] const std::vector<pending_heartbeat>& heartbeats() const noexcept {
    return heartbeats_;
  }
  [[nodiscard]] std::size_t size() const noexcept { return heartbeats_.size(); }
  [[nodiscard]] bool empty() const noexcept { return heartbeats_.empty(); }

  /// Marks the first `count` as in flight. Precondition: none is.
  void take(std::size_t count) noexcept;
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] pending_heartbeat& at(std::size_t index) { return heartbeats_[index]; }
  /// Ends the request in flight: heartbeat i leaves if `removed[i]`. Returns the others that had to
  /// go.
  [[nodiscard]] std::vector<pending_heartbeat> complete(const std::vector<bool>& removed);

 private:
  std::vector<pending_heartbeat> trim();
  bool join_one();

  media_ms interval_ms_max_;
  std::vector<pending_heartbeat> heartbeats_;
  std::size_t in_flight_ = 0;
};

}  // namespace watchkeeper::sdk
