#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace watchkeeper::sdk {

/// The gateway's key-agreement key.
struct gateway_key {
  std::string kid;                       // a thumbprint: a token that names another is malformed
  std::array<std::uint8_t, 64> point{};  // x‖y, on the curve
};

/// The first P-256 key for key agreement (`use` `enc`) of a JWK set (RFC 7517 section 5), in
/// `GET /v1/keys` of docs/protocol.md section 6. Nothing when there is none, or the text is not a
/// JWK set, or the point is not on the curve. Changes the text in place.
std::optional<gateway_key> read_key_set(std::string& json);

}  // namespace watchkeeper::sdk
