#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "domain/device.hpp"

namespace watchkeeper::crypto {

/// A device's public key, ready to verify: a value of 65 bytes. What makes verifying by one key
/// again cheaper is kept elsewhere, for all of its values (es256.hpp). Any thread, any number at
/// once.
/// The key is one that make_p256_key or make_ed25519_key gave.
class signature_verifier {
 public:
  explicit signature_verifier(const device_public_key& key) noexcept : key_(key) {}

  /// Whether `signature` (ES256: raw r‖s of RFC 7518 section 3.4, never DER; EdDSA: RFC 8032; 64
  /// bytes both) is the key's over `signing_input`. False for any other length.
  [[nodiscard]] bool verify(std::string_view signing_input,
                            std::span<const std::uint8_t> signature) const noexcept;

 private:
  device_public_key key_;
};

}  // namespace watchkeeper::crypto
