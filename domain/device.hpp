#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "domain/engagement_token.hpp"
#include "domain/ids.hpp"

namespace watchkeeper {

/// A device's public key as its raw bytes: ES256: x‖y, 64 bytes; EdDSA: the 32 bytes of RFC 8032.
struct device_public_key {
  signature_algorithm algorithm = signature_algorithm::es256;  // never hs256
  std::array<std::uint8_t, 64> bytes{};

  [[nodiscard]] std::span<const std::uint8_t> raw() const noexcept {
    return {bytes.data(), algorithm == signature_algorithm::es256 ? 64u : 32u};
  }
  friend bool operator==(const device_public_key&, const device_public_key&) = default;
};

/// What the registry holds of a device.
struct device_record {
  thumbprint kid;
  student_id student;
  device_public_key key;
  bool revoked = false;
  wall_ms created_ms;
  std::uint32_t epoch = 0;  // that the student is in; the ledger sets it
  friend bool operator==(const device_record&, const device_record&) = default;
};

}  // namespace watchkeeper
