#pragma once

#include <string_view>

namespace watchkeeper {

/// Whether the field `if-none-match` names the tag (quotes included), or says `*`; the comparison
/// is the weak one (RFC 9110, section 13.1.2).
bool names_tag(std::string_view if_none_match, std::string_view tag) noexcept;

}  // namespace watchkeeper
