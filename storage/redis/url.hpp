#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace watchkeeper::storage {

/// Where a Redis is and how to sign in:
/// `redis://[user:password@]host[:port][/db]` or `redis+unix://[user:password@]/path[?db=N]`.
/// User, password and path may be percent-encoded; an IPv6 host stands in brackets; `:password@`
/// alone signs in as the default user.
struct redis_url {
  std::string host;  // empty: a unix socket
  std::uint16_t port = 6379;
  std::string socket_path;  // of a unix socket
  std::string user;
  std::string password;  // never logged
  std::uint32_t database = 0;

  /// The address without the credentials, for logs.
  [[nodiscard]] std::string display() const;
};

/// Nothing when `text` is not of that form.
std::optional<redis_url> parse_redis_url(std::string_view text);

}  // namespace watchkeeper::storage
