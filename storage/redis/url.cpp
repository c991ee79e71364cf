#include "storage/redis/url.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/authority.hpp"
#include "base/percent_decode.hpp"

namespace watchkeeper::storage {

namespace {

constexpr std::uint32_t database_max = 65'535;

template <class Number>
std::optional<Number> number_of(std::string_view text, Number max) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > max)
    return std::nullopt;
  return value;
}

/// A byte 0 would end the text inside hiredis.
std::optional<std::string> decoded(std::string_view text) {
  auto plain = percent_decoded(text);
  if (plain && plain->find('\0') != std::string::npos) return std::nullopt;
  return plain;
}

/// Takes "user:password@" off the front of `rest`; false when it is malformed.
bool take_credentials(std::string_view& rest, redis_url& url) {
  // The last '@': a password that was not encoded may hold one.
  const auto at = rest.substr(0, rest.find('/')).rfind('@');
  if (at == std::string_view::npos) return true;
  const auto credentials = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  const auto colon = credentials.find(':');
  if (colon == std::string_view::npos) return false;
  const auto user = decoded(credentials.substr(0, colon));
  const auto password = decoded(credentials.substr(colon + 1));
  if (!user || !password || password->empty()) return false;
  url.user = *user;
  url.password = *password;
  return true;
}

std::optional<redis_url> parse_unix(std::string_view rest) {
  redis_url url;
  if (!take_credentials(rest, url) || !rest.starts_with('/')) return std::nullopt;
  if (const auto query = rest.find('?'); query != std::string_view::npos) {
    const auto argument = rest.substr(query + 1);
    if (!argument.starts_with("db=")) return std::nullopt;
    const auto database = number_of<std::uint32_t>(argument.substr(3), database_max);
    if (!database) return std::nullopt;
    url.database = *database;
    rest = rest.substr(0, query);
  }
  const auto path = decoded(rest);
  constexpr std::size_t socket_path_max = 107;  // sockaddr_un
  if (!path || path->size() < 2 || path->size() > socket_path_max) return std::nullopt;
  url.socket_path = *path;
  return url;
}

std::optional<redis_url> parse_tcp(std::string_view rest) {
  redis_url url;
  if (!take_credentials(rest, url)) return std::nullopt;
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
    const auto text = rest.substr(slash + 1);
    if (!text.empty()) {
      const auto database = number_of<std::uint32_t>(text, database_max);
      if (!database) return std::nullopt;
      url.database = *database;
    }
    rest = rest.substr(0, slash);
  }
  const auto where = parse_authority(rest);
  if (!where || where->host.find_first_of("@?#") != std::string_view::npos || where->port == 0)
    return std::nullopt;
  url.host = where->host;
  if (where->port) url.port = *where->port;
  return url;
}

}  // namespace

std::string redis_url::display() const {
  return host.empty() ? socket_path : fmt::format("{}:{}", host, port);
}

std::optional<redis_url> parse_redis_url(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  constexpr std::string_view tcp = "redis://";
  constexpr std::string_view unix_socket = "redis+unix://";
  if (text.starts_with(tcp)) return parse_tcp(text.substr(tcp.size()));
  if (text.starts_with(unix_socket)) return parse_unix(text.substr(unix_socket.size()));
  return std::nullopt;
}

}  // namespace watchkeeper::storage
