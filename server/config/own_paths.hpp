#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace watchkeeper::server {

/// The first segments of the gateway's own paths. Every route begins with one of them, or is "/".
inline constexpr std::array<std::string_view, 5> own_segments = {"v1", "metrics", "healthz",
                                                                 "readyz", "console"};

/// Whether the path is the gateway's own. No [[static]] folder serves such a path, also not one at
/// "/".
constexpr bool is_own_path(std::string_view path) noexcept {
  if (!path.starts_with('/')) return false;
  path.remove_prefix(1);
  const auto first = path.substr(0, path.find('/'));
  return std::find(own_segments.begin(), own_segments.end(), first) != own_segments.end();
}

}  // namespace watchkeeper::server
