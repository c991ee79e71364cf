#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/shared/http.hpp"

namespace watchkeeper::net {

/// Maps method and path to a number. Filled once, then read from any thread; `match` allocates
/// nothing. A path is split at its slashes before anything is decoded, so that `%2F` stays inside
/// its segment; no dot segments, no empty segments, no trailing slash.
class router {
 public:
  static constexpr std::size_t segments_max = 8;
  static constexpr std::size_t captures_max = 4;
  static constexpr std::size_t captured_bytes_max = 512;  // of all segments that had escapes

  enum class match_result : std::uint8_t {
    found,
    not_found,
    method_not_allowed,
    malformed,  // a route's path, but a captured segment has a bad escape or is too long
  };

  /// Borrows the path that was matched.
  class matched {
   public:
    match_result what = match_result::not_found;
    std::uint32_t id = 0;      // of `found`
    std::size_t captures = 0;  // of `found`
    /// The methods of the path, as the `allow` field wants them: "GET, HEAD, PUT". Borrows the
    /// router. Of `method_not_allowed` and `found`.
    std::string_view allow;
    /// The segment, percent-decoded. Precondition: index < captures.
    [[nodiscard]] std::string_view captured(std::size_t index) const noexcept;

   private:
    friend class router;
    struct segment {
      std::string_view raw;
      std::uint16_t decoded_at = 0;
      std::uint16_t decoded_size = 0;
      bool decoded = false;
    };
    [[nodiscard]] bool capture(std::string_view raw) noexcept;
    std::array<segment, captures_max> pieces_;
    std::uint16_t decoded_bytes_ = 0;
    std::array<char, captured_bytes_max> decoded_;  // no initializer: only what is used is written
  };

  /// `pattern`: "/v1/modules/{module}/heatmap". A literal segment wins over a captured one; the
  /// first difference decides. A GET route serves HEAD too, unless HEAD has one of its own.
  /// Throws std::invalid_argument for a pattern that is malformed or given twice for the method.
  void add(http_method method, std::string_view pattern, std::uint32_t id);

  /// `path`: as in http_request, without the query.
  [[nodiscard]] matched match(http_method method, std::string_view path) const noexcept;

 private:
  static constexpr std::size_t methods = 7;  // without `other`
  struct route {
    std::vector<std::string> segments;  // empty string: captured
    std::array<bool, methods> has{};
    std::array<std::uint32_t, methods> ids{};
    std::string allow;
  };
  std::vector<route> routes_;  // those with literals early come first
};

}  // namespace watchkeeper::net
