#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "net/shared/http.hpp"

namespace watchkeeper::server {

/// The request's body as a JSON object. Throws api_problem: unsupported_media_type where the
/// request names another type than application/json, malformed_request for what is not JSON, not
/// UTF-8, not an object, nested deeper than api_limits::json_depth_max, or has a member twice.
nlohmann::json parse_object(const net::http_request& request);

/// The same of a request whose body is a merge patch (RFC 7396): application/merge-patch+json, or
/// application/json.
nlohmann::json parse_merge_patch(const net::http_request& request);

/// Reads the members of an object one by one. Each function throws api_problem(malformed_request)
/// that names the member, what is wrong and what would be right.
class object_reader {
 public:
  /// `where` is put before a member's name in messages: "", "jwk.". Borrows both.
  object_reader(const nlohmann::json& object, std::string_view where)
      : object_(object), where_(where) {}

  /// Every member must be one of these.
  void only(std::initializer_list<std::string_view> allowed) const;
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] const nlohmann::json& need(std::string_view name, std::string_view right) const;
  [[nodiscard]] const std::string& text(std::string_view name, std::string_view right) const;
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t low,
                                     std::int64_t high) const;
  /// A number from `low` to `high` with at most `decimals` decimals, times 10^decimals.
  [[nodiscard]] std::int64_t scaled(std::string_view name, double low, double high, int decimals,
                                    std::string_view right) const;
  [[noreturn]] void fail(std::string_view name, std::string_view right) const;

 private:
  const nlohmann::json& object_;
  std::string_view where_;
};

}  // namespace watchkeeper::server
