#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace watchkeeper {

/// Decodes %XX (RFC 3986, section 2.1) into `out` and returns the length; npos if an escape is
/// malformed or `out` is too small. Nothing else is special: '+' stays '+'.
std::size_t percent_decode(std::string_view text, char* out, std::size_t out_size) noexcept;

/// The same, as a string; empty optional if an escape is malformed.
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace watchkeeper
