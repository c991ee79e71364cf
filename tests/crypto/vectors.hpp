#pragma once

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/base64url.hpp"

namespace watchkeeper::test {

using bytes = std::vector<std::uint8_t>;

/// A file of tests/vectors/wycheproof.
inline nlohmann::json wycheproof(const std::string& name) {
  std::ifstream file(std::string{WATCHKEEPER_SOURCE_DIR} + "/tests/vectors/wycheproof/" + name);
  return nlohmann::json::parse(file);
}

inline bytes from_hex(const std::string& text) {
  bytes out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  return out;
}

inline std::optional<bytes> from_base64url(std::string_view text) {
  bytes out(text.size());
  const auto size = base64url::decode(text, out);
  if (!size) return std::nullopt;
  out.resize(*size);
  return out;
}

inline std::string_view as_text(const bytes& b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

}  // namespace watchkeeper::test
