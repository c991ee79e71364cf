#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "sdk/c/limits.hpp"

namespace watchkeeper::sdk {

/// One pause for everything a device sends: exponential with full jitter, so that the devices that
/// a gateway lost do not come back at the same moment, and never before what `Retry-After` said.
/// Times are of a monotonic clock. `random` is evenly distributed over all its values.
class backoff {
 public:
  backoff(std::int64_t base_ms, std::int64_t cap_ms) noexcept
      : base_ms_(base_ms), cap_ms_(cap_ms) {}

  void failed(std::int64_t now_ms, std::optional<std::int64_t> retry_after_ms,
              std::uint64_t random) noexcept {
    const auto ceiling_ms = std::min(cap_ms_, base_ms_ << std::min(failures_, 20u));
    if (failures_ < 20u) ++failures_;
    const auto asked_ms =
        std::clamp<std::int64_t>(retry_after_ms.value_or(0), 0, sdk_limits::retry_after_ms_max);
    asked_until_ms_ = now_ms + asked_ms;
    until_ms_ = asked_until_ms_ +
                static_cast<std::int64_t>(random % static_cast<std::uint64_t>(ceiling_ms + 1));
  }
  /// It works as soon as somebody else has done something: until then asking is of no use.
  void wait(std::int64_t now_ms, std::int64_t wait_ms, std::uint64_t random) noexcept {
    failed(now_ms, std::nullopt, random);
    until_ms_ = now_ms + wait_ms +
                static_cast<std::int64_t>(random % static_cast<std::uint64_t>(wait_ms / 4 + 1));
  }
  void succeeded() noexcept {
    failures_ = 0;
    until_ms_ = asked_until_ms_ = 0;
  }
  /// There is reason to believe that it works now: only what the gateway asked for is waited for.
  void hurry() noexcept { until_ms_ = asked_until_ms_; }

  [[nodiscard]] std::int64_t left_ms(std::int64_t now_ms) const noexcept {
    return failures_ == 0 ? 0 : std::max<std::int64_t>(0, until_ms_ - now_ms);
  }
  [[nodiscard]] unsigned failures() const noexcept { return failures_; }

 private:
  std::int64_t base_ms_;
  std::int64_t cap_ms_;
  unsigned failures_ = 0;
  std::int64_t until_ms_ = 0;
  std::int64_t asked_until_ms_ = 0;
};

}  // namespace watchkeeper::sdk
