#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/router.hpp"
#include "net/shared/http.hpp"

namespace watchkeeper::server {

/// Cross-origin resource sharing (the Fetch standard, section 3.2) for the routes with `cors`: what
/// the page of a player calls. No credentials in the sense of that
/// standard: these calls need no cookies. A value, read-only once made: any thread.
class cors {
 public:
  /// `origins`: as browsers send them, or "*" alone. Without origins nothing is shared, and no
  /// response has a field of CORS.
  cors(const std::vector<std::string>& origins, std::int64_t max_age_s);

  /// The fields that every response to the request gets; null: none.
  [[nodiscard]] const net::header_fields* fields_for(
      const net::http_request& request) const noexcept;

  /// Whether the request is a preflight (OPTIONS) of an origin that may call the path.
  [[nodiscard]] bool is_preflight(const net::http_request& request) const noexcept;
  /// The response to a preflight, without fields_for.
  [[nodiscard]] net::http_response preflight(const net::http_request& request) const;

 private:
  struct shared_with {
    std::string origin;
    net::header_fields fields;
  };
  [[nodiscard]] bool is_shared(const net::http_request& request) const noexcept;
  [[nodiscard]] const shared_with* find(std::string_view origin) const noexcept;

  const net::router shared_;  // the routes with `cors`
  std::vector<shared_with> all_;
  net::header_fields strangers_;  // for other origins, and none
  bool anybody_ = false;
  std::string max_age_;
};

}  // namespace watchkeeper::server
