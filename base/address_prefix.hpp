#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace watchkeeper {

/// The part of a client's address that it cannot choose freely: an IPv4 address (mapped, RFC 4291
/// section 2.5.5.2, or translated by the well-known prefix 64:ff9b::/96, RFC 6052 section 2.1) as
/// it is, of another IPv6 address the first 64 bits (RFC 4291 section 2.5.4), followed by zeros.
/// What is limited an address is counted by this, or a home with 2^64 addresses would have no
/// limit.
constexpr std::array<std::uint8_t, 16> address_prefix_of(
    const std::array<std::uint8_t, 16>& address) noexcept {
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr std::array<std::uint8_t, 12> translated{0, 0x64, 0xff, 0x9b};
  if (std::equal(mapped.begin(), mapped.end(), address.begin()) ||
      std::equal(translated.begin(), translated.end(), address.begin()))
    return address;
  std::array<std::uint8_t, 16> network{};
  std::copy_n(address.begin(), 8, network.begin());
  return network;
}

}  // namespace watchkeeper
