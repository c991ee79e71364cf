#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

/// The key that a device and the gateway compute for one session (docs/protocol.md, section 6).
namespace watchkeeper::sdk {

using shared_secret = std::array<std::uint8_t, 32>;  // Z
using session_mac_key = std::array<std::uint8_t, 32>;

/// Makes a fresh ephemeral P-256 pair, agrees with `peer` (x‖y), and forgets its private half: `Z`
/// (NIST SP 800-56A, section 5.7.1.2) is all that is needed of it. False when `peer` is not on the
/// curve.
bool agree(std::span<const std::uint8_t, 64> peer, std::span<std::uint8_t, 64> own_point,
           shared_secret& z);
/// The same with a private scalar that is given, for test vectors.
bool agree_with(std::span<const std::uint8_t, 32> scalar, std::span<const std::uint8_t, 64> peer,
                shared_secret& z);

/// HKDF-SHA-256 (RFC 5869): ikm `Z`, salt SHA-256 of the `header.payload` of the token that offered
/// the key, info `watchkeeper session key v1`.
session_mac_key derive_session_key(const shared_secret& z, std::string_view signing_input);

/// HMAC-SHA-256 (RFC 2104).
std::array<std::uint8_t, 32> hmac_sha256(std::span<const std::uint8_t> key, std::string_view input);

}  // namespace watchkeeper::sdk
