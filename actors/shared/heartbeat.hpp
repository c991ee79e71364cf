#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "domain/credit.hpp"

namespace watchkeeper::actors {

/// Why a heartbeat is rejected.
struct rejection {
  problem why = problem::none;
  std::string_view detail;          // a sentence in static storage; may be empty
  std::int64_t retry_after_ms = 0;  // of rate_limited
  stale_cause stale = stale_cause::none;
  friend bool operator==(const rejection&, const rejection&) = default;
};

/// The result of one heartbeat.
struct heartbeat_result {
  bool parsed = false;  // `session` and `sequence` are those of the token
  session_id session;
  std::uint32_t sequence = 0;
  credit_outcome outcome;
  std::string_view detail;          // of a rejection; see above
  std::int64_t retry_after_ms = 0;  // of rate_limited
};

/// Receives the results of one request's tokens, in any order and on any thread, each exactly once.
/// A heartbeat that is lost on its way gets the result `overloaded`.
class heartbeat_listener {
 public:
  virtual ~heartbeat_listener() = default;
  virtual void on_result(std::size_t index, const heartbeat_result& result) noexcept = 0;
};

struct heartbeat_request {
  std::string token;
  std::shared_ptr<heartbeat_listener> listener;
  std::size_t index = 0;  // passed to the listener
  std::array<std::uint8_t, 16> peer{};
};

}  // namespace watchkeeper::actors
