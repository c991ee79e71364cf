#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/shared/http.hpp"

namespace watchkeeper::server {

/// Cross-origin resource sharing (the Fetch standard, section 3.2) for the calls that a player's
/// page makes: heartbeats, the session key, reading progress. No credentials in the sense of that
/// standard: cookies are never asked for. A value, read-only once made: any thread.
class cors {
 public:
  /// `origins`: as browsers send them, or "*" alone; none: nothing is shared, and no answer shows
  /// that there is such a thing.
  cors(const std::vector<std::string>& origins, std::int64_t max_age_s);

  /// What every answer to the request says, whatever it is; null: nothing.
  [[nodiscard]] const net::header_fields* fields_for(
      const net::http_request& request) const noexcept;

  /// Whether the request (OPTIONS) asks for leave for another one, and gets it.
  [[nodiscard]] bool is_preflight(const net::http_request& request) const noexcept;
  /// The answer to that, beside fields_for.
  [[nodiscard]] net::http_response preflight(const net::http_request& request) const;

 private:
  struct shared_with {
    std::string origin;
    net::header_fields fields;
  };
  [[nodiscard]] const shared_with* find(std::string_view origin) const noexcept;

  std::vector<shared_with> all_;
  net::header_fields strangers_;  // for other origins, and none
  bool anybody_ = false;
  std::string max_age_;
};

}  // namespace watchkeeper::server
