#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "crypto/digest.hpp"

/// The only place that speaks to OpenSSL's P-256: keys and signatures are raw bytes outside of it.
/// Any thread. OpenSSL's objects are kept one set a thread and are lent each key for one call,
/// which costs 1 µs and saves 2 KB a key (docs/adr/0002-es256-verification.md). None of them leaves
/// anything in OpenSSL's error queue, which TLS on the same thread looks at. They end the process
/// when memory for a thread's set cannot be had.
namespace watchkeeper::crypto::p256 {

using point_bytes = std::span<const std::uint8_t, 64>;  // x‖y
using private_key = std::array<std::uint8_t, 32>;
using raw_signature = std::array<std::uint8_t, 64>;  // r‖s

/// Coordinates within range, and on the curve.
bool is_on_curve(point_bytes point) noexcept;

/// FIPS 186-4, section 6.4.2. False for an r or s of zero, or not below the order of the group, and
/// for a point that is not on the curve.
bool verify(point_bytes point, const sha256_digest& digest,
            std::span<const std::uint8_t, 64> signature) noexcept;

void generate(private_key& secret, std::span<std::uint8_t, 64> point) noexcept;
/// False for a secret of zero, or not below the order of the group.
bool public_of(const private_key& secret, std::span<std::uint8_t, 64> point) noexcept;
/// SP 800-56A section 5.7.1.2: the x of secret × point. False for a point that is not on the curve
/// (there is none of small order) and for a secret that public_of refuses. Takes the same time for
/// every secret, and leaves no copy of it behind.
bool agree(const private_key& secret, point_bytes point,
           std::span<std::uint8_t, 32> shared) noexcept;

raw_signature sign(const private_key& secret, const sha256_digest& digest) noexcept;

}  // namespace watchkeeper::crypto::p256
