#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/clock.hpp"

namespace watchkeeper::net {

/// Counts what costs a client little and the gateway much: the floods that nghttp2 1.52
/// leaves to the application (CVE-2019-9511 ff., CVE-2023-44487, CVE-2025-8671). Leaky buckets: a
/// client that stays below the rates for ever is never punished. Thread: the connection's. 40
/// bytes.
class frame_flood_limiter {
 public:
  enum class kind : std::uint8_t {
    empty_data,  // without END_STREAM
    priority,
    window_update,
    ping,  // and its acknowledgement
    settings,
    reset_received,  // Rapid Reset
    reset_sent,      // MadeYouReset: the client makes us reset
    other,           // unknown and unexpected types
  };
  static constexpr std::size_t kinds = 8;

  struct bucket {
    std::uint16_t burst;
    std::uint16_t per_second;
  };
  static constexpr std::array<bucket, kinds> buckets{{
      {1000, 20},   // empty_data
      {1000, 20},   // priority
      {2000, 100},  // window_update
      {200, 10},    // ping
      {50, 2},      // settings
      {100, 20},    // reset_received
      {100, 10},    // reset_sent
      {1000, 20},   // other
  }};
  /// Bytes that carried neither header fields nor content, beyond eight times those that did.
  static constexpr std::int64_t overhead_bytes_max = 4 * 1024 * 1024;
  static constexpr std::int64_t overhead_bytes_per_second = 16 * 1024;

  /// Counts one. False: too many, close the connection.
  [[nodiscard]] bool charge(kind what, mono_ms now) noexcept;
  /// Gives `count` back: honest traffic pays for its own window updates.
  void credit(kind what, unsigned count) noexcept;
  /// Of `total` bytes received, `payload` were header fields or content. False: close.
  [[nodiscard]] bool charge_bytes(std::size_t total, std::size_t payload, mono_ms now) noexcept;

 private:
  void leak(mono_ms now) noexcept;

  std::array<std::uint16_t, kinds> levels_{};
  std::int64_t overhead_bytes_ = 0;
  std::optional<mono_ms> leaked_at_;
};

}  // namespace watchkeeper::net
