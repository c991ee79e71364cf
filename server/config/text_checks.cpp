#include "server/config/text_checks.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/authority.hpp"
#include "server/config/keys.hpp"
#include "server/config/own_paths.hpp"
#include "storage/redis/url.hpp"

namespace watchkeeper::server {
namespace {

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  return error == std::errc{} && stop == end && port <= 65'535;
}

bool is_address(int family, std::string_view text) {
  unsigned char bytes[16];
  return inet_pton(family, std::string(text).c_str(), bytes) == 1;
}

}  // namespace

text_result check_listen_address(std::string_view text) {
  if (text.empty()) return ok;
  constexpr std::string_view right = "such as 127.0.0.1:8443, 0.0.0.0:8443 or [::1]:8443";
  const auto where = parse_authority(text);
  if (where && !where->port)
    return fmt::format("must be an address and a port, {}, not {}", right, toml_quote(text));
  if (!where && where.error() == authority_error::bad_port)
    return fmt::format("the port of {} must be 0 to 65535 (0: any free one)", toml_quote(text));
  if (const auto colon = text.rfind(':');
      colon != std::string_view::npos && !where && is_address(AF_INET6, text.substr(0, colon)))
    return fmt::format("an IPv6 address needs brackets: [{}]{}", text.substr(0, colon),
                       text.substr(colon));
  if (where && is_address(where->in_brackets ? AF_INET6 : AF_INET, where->host)) return ok;
  return fmt::format("must be a numeric address and a port, {}, not {}", right, toml_quote(text));
}

// None of these repeats the text: it may hold a password.
text_result check_hot_store(std::string_view text) {
  if (text == "embedded" || storage::parse_redis_url(text)) return ok;
  if (text.starts_with("rediss://"))
    return std::string(
        "is Redis over TLS, which is not supported; use redis:// through a TLS tunnel");
  if (text.starts_with("redis://"))
    return std::string(
        "is not a valid address; write redis://host:6379, or redis://user:password@host:6379");
  if (text.starts_with("redis+unix://"))
    return std::string("is not a valid address; write redis+unix:///path/to/socket");
  return std::string("must be embedded, redis://host:port or redis+unix:///path/to/socket");
}

text_result check_ledger(std::string_view text) {
  if (text.starts_with("sqlite:"))
    return text.size() > 7 ? text_result(ok)
                           : std::string("has no file; write sqlite:watchkeeper.db");
  if (text.starts_with("postgresql://") || text.starts_with("postgres://")) return ok;
  return std::string("must be sqlite:FILE or postgresql://user@host/database");
}

text_result check_not_empty(std::string_view text) {
  return text.empty() ? text_result(std::string("must not be empty")) : ok;
}

text_result check_uri_reference(std::string_view text) {
  if (text.empty())
    return std::string("must not be empty; write for example urn:watchkeeper:deployment:north");
  const auto bad = std::ranges::find_if(text, [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f ||
           std::string_view("\"<>\\^`{|}").find(c) != std::string_view::npos;
  });
  if (bad == text.end()) return ok;
  return std::string(
      "must be a URI, without spaces or quotes, such as urn:watchkeeper:deployment:north");
}

text_result check_origin(std::string_view text) {
  if (text == "*") return ok;
  const auto wrong = [&](std::string_view why) {
    return fmt::format("must be origins such as https://player.example or *, not {}{}",
                       toml_quote(text), why);
  };
  if (text == "null") return wrong(": any page can send this origin");
  const bool secure = text.starts_with("https://");
  if (!secure && !text.starts_with("http://"))
    return wrong(": an origin begins with https:// or http://");
  auto host = text.substr(secure ? 8 : 7);
  if (host.find_first_of("/?#@") != std::string_view::npos)
    return wrong(": an origin ends after host and port, without a slash");
  const auto colon = host.rfind(':');
  if (colon != std::string_view::npos && !host.ends_with(']')) {
    const auto port = host.substr(colon + 1);
    if (port.empty() || port.front() == '0' || !is_port(port)) return wrong(": the port is wrong");
    if (port == (secure ? "443" : "80")) return wrong(": browsers omit the default port");
    host = host.substr(0, colon);
  }
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  };
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed ? !is_address(AF_INET6, host.substr(1, host.size() - 2))
                : host.empty() || !std::ranges::all_of(host, allowed))
    return wrong(": the host is wrong; write it in lower case, international names as xn--");
  return ok;
}

text_result check_static_path(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '~' || c == '/';
  };
  if (text.empty() || text.front() != '/' || text.back() != '/' || text.size() > 256 ||
      text.find("//") != std::string_view::npos || text.find("/.") != std::string_view::npos ||
      !std::ranges::all_of(text, allowed))
    return fmt::format(
        "must begin and end with a slash and be made of A-Z a-z 0-9 . _ ~ -, such as "
        "/player/, not {}",
        toml_quote(text));
  if (is_own_path(text))
    return fmt::format("must not be a path of the gateway itself, as {} is", toml_quote(text));
  return ok;
}

text_result check_header_value(std::string_view text) {
  const auto printable = [](char c) { return c >= 0x20 && c < 0x7f; };
  if (!text.empty() && text.front() != ' ' && text.back() != ' ' && text.size() <= 4096 &&
      std::ranges::all_of(text, printable))
    return ok;
  return std::string("must be 1 to 4096 printable characters, without a space at either end");
}

text_result check_token_name(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (text.empty() || text.size() > 64 || !std::ranges::all_of(text, allowed))
    return std::string("a token's name must be 1 to 64 of A-Z a-z 0-9 . _ -");
  return ok;
}

text_result check_sha256(std::string_view text) {
  const auto hexadecimal = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (text.size() == 64 && std::ranges::all_of(text, hexadecimal)) return ok;
  if (text.starts_with("wk_"))
    return std::string(
        "must be the SHA-256 of the secret, not the secret; `watchkeeper token` prints both");
  return fmt::format(
      "must be 64 lower-case hexadecimal digits, as `watchkeeper token` prints them, "
      "not {} characters",
      text.size());
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace watchkeeper::server
