#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "crypto/digest.hpp"

namespace watchkeeper::crypto {

/// HMAC-SHA-256 (RFC 2104, FIPS 198-1) with a key that is used again and again: what SHA-256 makes
/// of the padded key is kept, 64 bytes, and copied for each message. (EVP_MAC of OpenSSL 3.0 takes
/// longer to copy its context than to hash a token.) Wiped when it ends. Any thread.
class hmac_sha256 {
 public:
  explicit hmac_sha256(std::span<const std::uint8_t> key) noexcept;
  ~hmac_sha256();
  hmac_sha256(const hmac_sha256&) noexcept = default;
  hmac_sha256& operator=(const hmac_sha256&) noexcept = default;

  [[nodiscard]] sha256_digest mac(std::string_view message) const noexcept;
  /// In constant time; false for a MAC of another length than 32.
  [[nodiscard]] bool verify(std::string_view message,
                            std::span<const std::uint8_t> mac) const noexcept;

 private:
  using chaining_value = std::array<std::uint32_t, 8>;
  chaining_value inner_;
  chaining_value outer_;
};

/// RFC 5869 with SHA-256, for 32 bytes of output.
sha256_digest hkdf_sha256(std::span<const std::uint8_t> secret, std::span<const std::uint8_t> salt,
                          std::string_view info) noexcept;

}  // namespace watchkeeper::crypto
