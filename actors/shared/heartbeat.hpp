#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "domain/credit.hpp"

namespace watchkeeper::actors {

/// What becomes of one heartbeat.
struct heartbeat_result {
  bool parsed = false;  // sid and sn below are known
  session_id session;
  std::uint32_t sequence = 0;
  credit_outcome outcome;
  std::string_view detail;          // of a refusal: a sentence in static storage; may be empty
  std::int64_t retry_after_ms = 0;  // of rate_limited
};

/// Receives the results of one request's tokens, in any order and on any thread, each exactly once:
/// a heartbeat that is lost inside answers itself with `overloaded`.
class heartbeat_listener {
 public:
  virtual ~heartbeat_listener() = default;
  virtual void on_result(std::size_t index, const heartbeat_result& result) noexcept = 0;
};

struct heartbeat_request {
  std::string token;
  std::shared_ptr<heartbeat_listener> listener;
  std::size_t index = 0;  // handed back to the listener
  std::array<std::uint8_t, 16> peer{};
};

}  // namespace watchkeeper::actors
