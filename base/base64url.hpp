#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// base64url without padding (RFC 4648 section 5), canonical only: unused bits must be zero.
namespace watchkeeper::base64url {

std::string encode(std::span<const std::uint8_t> bytes);

/// Decodes into `out` and gives the number of bytes; nothing on a foreign character, padding, a
/// length that no encoding has, non-zero unused bits, or an `out` that is too small.
std::optional<std::size_t> decode(std::string_view text, std::span<std::uint8_t> out) noexcept;

}  // namespace watchkeeper::base64url
