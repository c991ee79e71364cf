#pragma once

#include <cstdint>

#include "tools/fleet/http2_connection.hpp"

namespace watchkeeper::fleet {

/// Bytes a heartbeat on one warm connection: from the first response on (handshake, SETTINGS,
/// session tickets and the filling of the header compression tables are over) to the newest. Begins
/// anew with each reconnect.
class warm_bytes {
 public:
  void sent(std::uint64_t heartbeats) noexcept { sent_ += heartbeats; }
  /// After each response. `total` is the connection's count.
  void answered(const byte_count& total) noexcept {
    if (!warm_) {
      warm_ = true;
      base_ = total;
      base_sent_ = sent_;
    }
    newest_ = total;
    newest_sent_ = sent_;
  }
  /// The connection has gone, or the run is over: adds what was measured.
  void close(byte_count& bytes, std::uint64_t& heartbeats) noexcept {
    if (warm_) {
      bytes.up += newest_.up - base_.up;
      bytes.down += newest_.down - base_.down;
      heartbeats += newest_sent_ - base_sent_;
    }
    warm_ = false;
  }

 private:
  bool warm_ = false;
  byte_count base_, newest_;
  std::uint64_t sent_ = 0, base_sent_ = 0, newest_sent_ = 0;
};

}  // namespace watchkeeper::fleet
