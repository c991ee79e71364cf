#include "storage/redis/url.hpp"

#include <fmt/format.h>

#include <charconv>

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

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    unsigned byte = 0;
    const auto* const digits = text.data() + i + 1;
    const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
    if (error != std::errc{} || end != digits + 2 || byte == 0) return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
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
  const auto user = percent_decoded(credentials.substr(0, colon));
  const auto password = percent_decoded(credentials.substr(colon + 1));
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
  const auto path = percent_decoded(rest);
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
  std::string_view port;
  if (rest.starts_with('[')) {
    const auto bracket = rest.find(']');
    if (bracket == std::string_view::npos) return std::nullopt;
    url.host = rest.substr(1, bracket - 1);
    rest.remove_prefix(bracket + 1);
    if (!rest.empty() && !rest.starts_with(':')) return std::nullopt;
    if (!rest.empty()) port = rest.substr(1);
  } else {
    const auto colon = rest.find(':');
    url.host = rest.substr(0, colon);
    if (url.host.find_first_of("@?#") != std::string::npos) return std::nullopt;
    if (colon != std::string_view::npos) port = rest.substr(colon + 1);
    rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon);
  }
  if (url.host.empty()) return std::nullopt;
  if (rest.starts_with(':')) {
    const auto number = number_of<std::uint16_t>(port, 65'535);
    if (!number || *number == 0) return std::nullopt;
    url.port = *number;
  }
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
