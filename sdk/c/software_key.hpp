#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "domain/device.hpp"
#include "domain/engagement_token.hpp"

namespace watchkeeper::sdk {

/// The public side of a device: what a learning platform registers.
struct device_identity {
  device_public_key key;  // P-256
  thumbprint kid;         // RFC 7638
  std::string kid_text;   // in base64url, 43 characters
};
/// Nothing when the point (x‖y) is not on the curve.
std::optional<device_identity> identify(std::span<const std::uint8_t, 64> point);
/// The public JWK with the members that the thumbprint is made of, in its order (RFC 7638
/// section 3.2).
std::string public_jwk(const device_identity& identity);

/// A P-256 key in memory, for devices without a keystore and for simulated ones. Movable; wiped at
/// the end; any number of threads may sign.
class software_key {
 public:
  using secret = std::array<std::uint8_t, 32>;  // the private scalar, big-endian

  static software_key generate();
  /// Nothing when the scalar is not in 1 … n-1.
  static std::optional<software_key> from_secret(std::span<const std::uint8_t, 32> scalar);
  ~software_key();
  software_key(software_key&& other) noexcept;
  software_key& operator=(software_key&& other) noexcept;

  [[nodiscard]] const device_identity& identity() const noexcept { return identity_; }
  [[nodiscard]] const device_public_key& public_key() const noexcept { return identity_.key; }
  [[nodiscard]] const thumbprint& kid() const noexcept { return identity_.kid; }
  [[nodiscard]] const std::string& kid_text() const noexcept { return identity_.kid_text; }
  [[nodiscard]] const secret& private_scalar() const noexcept { return secret_; }

  /// Raw r‖s over SHA-256 of the input.
  [[nodiscard]] std::array<std::uint8_t, 64> sign(std::string_view input) const;
  /// The token of docs/protocol.md section 2 for these claims, ES256.
  [[nodiscard]] std::string sign_token(const token_claims& claims) const;

 private:
  software_key() = default;
  secret secret_{};
  device_identity identity_;
  std::string header_;  // of its tokens, in base64url
};

/// A key in a PEM file (PKCS #8, not encrypted). Made, readable for its owner only, where there is
/// no file. The error is a sentence.
struct key_file_result {
  std::optional<software_key> key;
  std::string error;
};
key_file_result open_key_file(const std::string& path);

}  // namespace watchkeeper::sdk
