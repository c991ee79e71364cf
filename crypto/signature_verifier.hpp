#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "domain/device.hpp"

namespace watchkeeper::crypto {

/// Verifies signatures by a device's public key, which make_p256_key or make_ed25519_key made. It
/// is a value of 65 bytes. The tables that make further verifications by the same key cheaper are
/// not in it: all verifiers of the process share them (es256.hpp). Thread: any, several at once.
class signature_verifier {
 public:
  explicit signature_verifier(const device_public_key& key) noexcept : key_(key) {}

  /// Whether `signature` (ES256: raw r‖s of RFC 7518 section 3.4, never DER; EdDSA: RFC 8032; 64
  /// bytes both) was made by this key over `signing_input`. False for any other length.
  [[nodiscard]] bool verify(std::string_view signing_input,
                            std::span<const std::uint8_t> signature) const noexcept;

 private:
  device_public_key key_;
};

}  // namespace watchkeeper::crypto
