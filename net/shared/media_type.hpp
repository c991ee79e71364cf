#pragma once

#include <algorithm>
#include <string_view>

namespace watchkeeper::net {

/// Whether a content-type is `expected`, which is in lower case and has no parameters. Parameters
/// and the case of letters do not matter (RFC 9110, section 8.3.1).
inline bool is_media_type(std::string_view content_type, std::string_view expected) noexcept {
  auto type = content_type.substr(0, content_type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  return std::equal(type.begin(), type.end(), expected.begin(), expected.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

}  // namespace watchkeeper::net
