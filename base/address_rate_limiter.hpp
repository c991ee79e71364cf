#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "base/address_prefix.hpp"
#include "base/clock.hpp"
#include "base/hash.hpp"
#include "base/rate_limiter.hpp"

namespace watchkeeper {

/// Counts what is held against the address that it came from (IPv6: its /64), such as tokens that
/// failed to verify. A fixed
/// table of 65,536 counters, indexed by a keyed hash: two addresses seldom share one, and nobody
/// can choose to. Thread: any, without locks.
class address_rate_limiter {
 public:
  address_rate_limiter(rate_limit limit, std::uint64_t hash_key)
      : limit_(limit), hash_key_(hash_key), counters_(slots) {}

  [[nodiscard]] bool admits(const std::array<std::uint8_t, 16>& peer, mono_ms now) const noexcept {
    return counters_[slot_of(peer)].admits(now, limit_);
  }
  void failed(const std::array<std::uint8_t, 16>& peer, mono_ms now) noexcept {
    counters_[slot_of(peer)].charge(now, limit_);
  }
  [[nodiscard]] std::int64_t retry_after_ms(const std::array<std::uint8_t, 16>& peer,
                                            mono_ms now) const noexcept {
    return counters_[slot_of(peer)].retry_after_ms(now, limit_);
  }

 private:
  static constexpr std::size_t slots = 65'536;

  [[nodiscard]] std::size_t slot_of(const std::array<std::uint8_t, 16>& peer) const noexcept {
    std::array<char, 24> keyed;
    const auto network = address_prefix_of(peer);
    std::memcpy(keyed.data(), network.data(), network.size());
    std::memcpy(keyed.data() + 16, &hash_key_, sizeof hash_key_);
    return stable_hash({keyed.data(), keyed.size()}) % slots;
  }

  rate_limit limit_;
  std::uint64_t hash_key_;
  std::vector<rate_limiter> counters_;
};

}  // namespace watchkeeper
