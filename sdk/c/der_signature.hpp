#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace watchkeeper::sdk {

/// An ECDSA signature on P-256 from DER (SEQUENCE of two INTEGERs, RFC 3279 section 2.2.3), which
/// Android's Keystore, Secure Enclave and OpenSSL give, as the raw r‖s of RFC 7518 section 3.4.
/// Strict: minimal lengths and integers, no negative number, neither is zero, at most 32 bytes
/// each, nothing behind. Nothing when it is not that.
std::optional<std::array<std::uint8_t, 64>> raw_signature_of(
    std::span<const std::uint8_t> der) noexcept;

}  // namespace watchkeeper::sdk
