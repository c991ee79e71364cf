#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include "storage/limits.hpp"

namespace watchkeeper::server {

/// The parameters of a query string, percent-decoded (application/x-www-form-urlencoded: `+` is a
/// space). Strict, so that a mistyped name does not silently mean the default.
class query_parameters {
 public:
  query_parameters() = default;
  /// Throws refusal(malformed_request): a parameter that is not `known`, one given twice, a broken
  /// percent sign, a string longer than api_limits::query_bytes_max.
  query_parameters(std::string_view query, std::span<const std::string_view> known);

  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;

  /// `limit`: 1 … storage_limits::list_items_max; api_limits::list_items_default where it is not
  /// given.
  [[nodiscard]] std::size_t limit() const;
  /// `cursor`: the id that the page before ended with; empty where it is not given.
  [[nodiscard]] std::string_view cursor() const;
  /// An integer; nothing where it is not given. refusal(malformed_request) outside low … high.
  [[nodiscard]] std::optional<std::size_t> count(std::string_view name, std::size_t low,
                                                 std::size_t high) const;
  /// A sequence number, 0 … 2^63-1.
  [[nodiscard]] std::int64_t sequence(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

}  // namespace watchkeeper::server
