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
/// space). An unknown name is a problem, so that a misspelt one does not mean the default.
class query_parameters {
 public:
  query_parameters() = default;
  /// Throws api_problem(malformed_request): a parameter that is not `allowed`, one given twice, a
  /// broken percent sign, a string longer than api_limits::query_bytes_max.
  query_parameters(std::string_view query, std::span<const std::string_view> allowed);

  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;

  /// `limit`: 1 … storage_limits::list_items_max; api_limits::list_items_default if the query has
  /// none.
  [[nodiscard]] std::size_t limit() const;
  /// `cursor`: the id that ended the previous page; empty if the query has none.
  [[nodiscard]] std::string_view cursor() const;
  /// An integer; nothing if the query does not have it. api_problem(malformed_request) outside low
  /// … high.
  [[nodiscard]] std::optional<std::size_t> count(std::string_view name, std::size_t low,
                                                 std::size_t high) const;
  /// A sequence number, 0 … 2^63-1.
  [[nodiscard]] std::int64_t sequence(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

}  // namespace watchkeeper::server
