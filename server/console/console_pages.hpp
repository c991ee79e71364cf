#pragma once

#include <span>
#include <string_view>

#include "base/units.hpp"
#include "net/shared/http.hpp"
#include "server/console/assets.hpp"

namespace watchkeeper::server {

/// Serves the console: "/", which redirects to it, and everything under /console/. A path that is
/// no file is a view of its one page. Read-only once made: any thread.
class console_pages {
 public:
  explicit console_pages(std::span<const console_asset> assets = console_assets())
      : assets_(assets) {}

  /// The request is GET or HEAD.
  [[nodiscard]] net::http_response respond(const net::http_request& request, wall_ms now_ms) const;

 private:
  [[nodiscard]] const console_asset* find(std::string_view name) const noexcept;
  std::span<const console_asset> assets_;
};

enum class content_coding { identity, gzip, brotli };
/// The best coding that the client accepts (RFC 9110, section 12.5.3) and `asset` has. Identity
/// even if the client excludes it: a response that it cannot read is better than none.
content_coding coding_for(std::string_view accept_encoding, const console_asset& asset) noexcept;

}  // namespace watchkeeper::server
