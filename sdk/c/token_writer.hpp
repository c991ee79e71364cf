#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "domain/engagement_token.hpp"

/// Writes the tokens of docs/protocol.md, section 2, in the compact serialisation of RFC 7515.
namespace watchkeeper::sdk {

/// What a device offers with a token so that both sides can compute a session key (section 6).
struct key_offer {
  std::array<std::uint8_t, 64> point{};  // epk, x‖y
  std::string_view gateway_kid;          // skid
};

/// The protected header in base64url.
std::string device_header(std::string_view kid);
std::string session_header(std::string_view kid, const session_id& session);

/// `header.payload`: what is signed. At most 800 bytes; with the signature never over
/// limits::token_bytes_max.
std::string signing_input(std::string_view header, const token_claims& claims,
                          const key_offer* offer = nullptr);
/// Adds `.signature`.
std::string finish_token(std::string signing_input, std::span<const std::uint8_t> signature);

}  // namespace watchkeeper::sdk
