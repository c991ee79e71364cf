#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/units.hpp"
#include "tools/fleet/outcome.hpp"
#include "tools/fleet/player.hpp"

namespace watchkeeper::fleet {

/// The device side's record for fault tests: what was sent, what was acknowledged. JSON lines:
///
///     {"event":"sent","t_ms":…,"kid":"…","student":"…","module":"…","sid":"…","sn":0,
///      "from":0,"to":10000,"attempt":1}
///     {"event":"answered", the same members …,"status":"credited","credited_ms":10000}
///
/// `status` is credited, limited, duplicate, accepted (a 204), rejected (with `problem`), or retry
/// (with `problem`, or `error` where the transport failed; the heartbeat is sent again or dropped).
/// `event` "answered" with one of the first four is the gateway's promise. A line reaches the file
/// by one write(2) before anything else is sent for its device: "sent" before the token goes out.
/// Unbuffered, opened for appending; a killed fleet loses no line, a lost machine may.
class ack_log {
 public:
  /// The error is a sentence.
  static result<ack_log, std::string> open(const std::string& path);
  ack_log() = default;  // logs nothing
  ~ack_log();
  ack_log(ack_log&& other) noexcept;
  ack_log& operator=(ack_log&& other) noexcept;

  void sent(const player& device, std::span<const heartbeat> beats, wall_ms now_ms);
  void answered(const player& device, std::span<const heartbeat> beats,
                std::span<const outcome> outcomes, wall_ms now_ms);
  /// A sentence once a line could not be written: the record is not complete from then on.
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }

 private:
  void write_out();

  int descriptor_ = -1;
  std::string line_;
  std::string failure_;
};

}  // namespace watchkeeper::fleet
