#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "base/latency_histogram.hpp"
#include "tools/fleet/http2_connection.hpp"
#include "tools/fleet/outcome.hpp"

namespace watchkeeper::fleet {

/// What a run has counted. `generated` = the final outcomes + dropped + unanswered. One thread.
struct tally {
  std::uint64_t generated = 0;  // heartbeats played
  std::uint64_t sent = 0;       // tokens that went out, the repeated ones too
  std::uint64_t resent = 0;     // of them
  std::uint64_t requests = 0;
  std::array<std::uint64_t, outcome_kinds> outcomes{};  // `retry`: times, not heartbeats
  std::map<std::string, std::uint64_t> rejections;      // by problem
  std::map<std::string, std::uint64_t> retries;         // by problem or transport error
  std::uint64_t dropped = 0;                            // out of a full buffer
  std::uint64_t unanswered = 0;                         // when the run ended
  std::int64_t credited_ms = 0;
  std::uint64_t students_mastered = 0;
  std::uint64_t connections_lost = 0;

  latency_histogram latency;  // of acknowledged and rejected heartbeats
  std::uint64_t latency_max_us = 0;

  byte_count warm_bytes;              // on connections that had carried a response before
  std::uint64_t warm_heartbeats = 0;  // that they belong to

  double elapsed_s = 0;
  double client_cpu_s = 0;
  std::uint64_t client_resident_bytes = 0;

  void count(std::span<const outcome> outcomes, std::span<const std::uint64_t> latencies_us);
  [[nodiscard]] std::uint64_t acknowledged() const noexcept;
  [[nodiscard]] std::uint64_t answered() const noexcept;  // acknowledged or rejected
  /// Heartbeats that are still on their way.
  [[nodiscard]] std::uint64_t outstanding() const noexcept {
    return generated - answered() - dropped - unanswered;
  }
  /// Every heartbeat was acknowledged.
  [[nodiscard]] bool clean() const noexcept { return acknowledged() == generated; }
};

}  // namespace watchkeeper::fleet
