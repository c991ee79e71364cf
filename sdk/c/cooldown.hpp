#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/backoff.hpp"
#include "base/units.hpp"
#include "sdk/c/limits.hpp"

namespace watchkeeper::sdk {

/// The one pause for everything that a device sends: a backoff, and never before the time that
/// `Retry-After` asked for. `random` is evenly distributed over all its values.
class cooldown {
 public:
  cooldown(std::int64_t base_ms, std::int64_t cap_ms) noexcept : backoff_(base_ms, cap_ms) {}

  void failed(mono_ms now, std::optional<std::int64_t> retry_after_ms,
              std::uint64_t random) noexcept {
    const auto asked_ms =
        std::clamp<std::int64_t>(retry_after_ms.value_or(0), 0, sdk_limits::retry_after_ms_max);
    asked_until_ = now + asked_ms;
    until_ = asked_until_ + backoff_.next_ms(random);
  }
  /// Until somebody else acts, an attempt is of no use: waits for `wait_ms`, and up to a quarter
  /// more.
  void wait(mono_ms now, std::int64_t wait_ms, std::uint64_t random) noexcept {
    failed(now, std::nullopt, random);
    until_ = now + wait_ms +
             static_cast<std::int64_t>(random % static_cast<std::uint64_t>(wait_ms / 4 + 1));
  }
  void succeeded() noexcept {
    backoff_.reset();
    until_ = asked_until_ = {};
  }
  /// Ends the pause, but for the time that the gateway asked for.
  void hurry() noexcept { until_ = asked_until_; }

  [[nodiscard]] std::int64_t left_ms(mono_ms now) const noexcept {
    return failures() == 0 ? 0 : std::max<std::int64_t>(0, until_ - now);
  }
  [[nodiscard]] unsigned failures() const noexcept { return backoff_.failures(); }

 private:
  backoff backoff_;
  mono_ms until_;
  mono_ms asked_until_;
};

}  // namespace watchkeeper::sdk
