#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "domain/device.hpp"
#include "domain/engagement_token.hpp"

namespace watchkeeper::fleet {

/// The P-256 key of a simulated device. Unlike crypto::device_signer it can be written to a file
/// and read back. Movable; one thread at a time.
class player_key {
 public:
  using secret = std::array<std::uint8_t, 32>;  // the private scalar, big-endian

  /// From the operating system's random numbers. Throws std::bad_alloc.
  static player_key generate();
  /// Nothing when the scalar is not in 1 … n-1.
  static std::optional<player_key> from_secret(std::span<const std::uint8_t, 32> scalar);

  [[nodiscard]] const device_public_key& public_key() const noexcept { return public_; }
  [[nodiscard]] const thumbprint& kid() const noexcept { return kid_; }
  [[nodiscard]] const std::string& kid_text() const noexcept { return kid_text_; }
  [[nodiscard]] const secret& private_scalar() const noexcept { return secret_; }

  /// The token of docs/protocol.md section 2 for these claims, ES256.
  [[nodiscard]] std::string sign_token(const token_claims& claims) const;

 private:
  struct key_deleter {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
  };
  player_key() = default;

  std::unique_ptr<EVP_PKEY, key_deleter> key_;
  secret secret_{};
  device_public_key public_;
  thumbprint kid_;
  std::string kid_text_;
};

}  // namespace watchkeeper::fleet
