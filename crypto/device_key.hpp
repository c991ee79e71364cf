#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "domain/device.hpp"
#include "domain/ids.hpp"

namespace watchkeeper::crypto {

enum class key_error : std::uint8_t {
  wrong_length,
  not_on_curve,   // P-256: coordinates out of range, off the curve, or the point at infinity
  small_order,    // Ed25519: one of the points that make forgeries verify
  not_canonical,  // Ed25519: y >= 2^255 - 19, or not a point of the prime-order subgroup
};
std::string_view describe(key_error error) noexcept;

/// Checks done once, at enrolment: what passes here may be handed to a signature_verifier.
result<device_public_key, key_error> make_p256_key(std::span<const std::uint8_t> x,
                                                   std::span<const std::uint8_t> y);
result<device_public_key, key_error> make_ed25519_key(std::span<const std::uint8_t> x);

/// RFC 7638, SHA-256, of the JWK with the required members only.
thumbprint thumbprint_of(const device_public_key& key);

}  // namespace watchkeeper::crypto
