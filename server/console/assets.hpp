#pragma once

#include <span>
#include <string_view>

namespace watchkeeper::server {

/// One file of the built console. The bytes are part of the program.
struct console_asset {
  std::string_view name;  // "assets/index-3fK0aT9x.js"
  std::string_view content_type;
  std::string_view tag;  // of the content, for entity tags
  bool hashed = false;   // the name has a hash of the content: it never changes
  std::string_view identity;
  std::string_view brotli;  // empty: not smaller
  std::string_view gzip;    // likewise
};

/// By name; none where the program was built without the console.
std::span<const console_asset> console_assets() noexcept;

}  // namespace watchkeeper::server
