#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "domain/device.hpp"

namespace watchkeeper::crypto {

/// A device's public key, parsed once, ready to verify. Movable. `verify` may be called from any
/// thread, by one at a time. The key is one that make_p256_key or make_ed25519_key gave.
class signature_verifier {
 public:
  explicit signature_verifier(const device_public_key& key);
  ~signature_verifier();
  signature_verifier(signature_verifier&&) noexcept;
  signature_verifier& operator=(signature_verifier&&) noexcept;

  /// Whether `signature` (ES256: raw r‖s of RFC 7518 section 3.4, never DER; EdDSA: RFC 8032; 64
  /// bytes both) is the key's over `signing_input`. False for any other length.
  [[nodiscard]] bool verify(std::string_view signing_input,
                            std::span<const std::uint8_t> signature) const noexcept;

 private:
  struct implementation;
  std::unique_ptr<implementation> implementation_;
};

}  // namespace watchkeeper::crypto
