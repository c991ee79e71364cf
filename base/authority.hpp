#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.hpp"

namespace watchkeeper {

/// `host[:port]`, the authority of a URL without user information (RFC 3986, section 3.2).
/// The views point into the text that was parsed.
struct authority {
  std::string_view host;     // without brackets; not empty
  bool in_brackets = false;  // an IPv6 address
  std::optional<std::uint16_t> port;
};

enum class authority_error : std::uint8_t {
  no_host,
  no_closing_bracket,
  text_after_bracket,  // something other than `:port`
  no_brackets,         // several colons: an IPv6 address without brackets
  bad_port,            // no decimal number from 0 to 65535
};

/// Checks neither the characters of the host nor that an address in brackets is one. `host:` is an
/// error, although RFC 3986 allows an empty port: it is a slip wherever we read one.
[[nodiscard]] result<authority, authority_error> parse_authority(std::string_view text) noexcept;

/// What is wrong, as the rest of a sentence whose subject is the text: "has no host".
[[nodiscard]] std::string_view describe(authority_error what) noexcept;

}  // namespace watchkeeper
