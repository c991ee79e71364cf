#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "crypto/hmac.hpp"
#include "domain/device.hpp"

namespace watchkeeper::crypto {

/// A device's private key: signs engagement tokens. Movable; one thread at a time.
class device_signer {
 public:
  static device_signer generate(signature_algorithm algorithm);
  ~device_signer();
  device_signer(device_signer&&) noexcept;
  device_signer& operator=(device_signer&&) noexcept;

  [[nodiscard]] const device_public_key& public_key() const noexcept;
  [[nodiscard]] const thumbprint& kid() const noexcept;
  /// 64 raw bytes over `signing_input`.
  [[nodiscard]] std::array<std::uint8_t, 64> sign(std::string_view signing_input) const;
  /// The whole token for these claims: header, payload, signature.
  [[nodiscard]] std::string sign_token(const token_claims& claims) const;
  /// The same with HS256, by the key of the session that `claims` names. They offer no key.
  [[nodiscard]] std::string mac_token(const token_claims& claims, const hmac_sha256& key) const;

 private:
  struct implementation;
  explicit device_signer(std::unique_ptr<implementation> made);
  std::unique_ptr<implementation> implementation_;
};

/// `{"kty":"EC","crv":"P-256","x":…,"y":…}` or the OKP form, members in lexicographic order.
std::string public_jwk_json(const device_public_key& key);

}  // namespace watchkeeper::crypto
