#include "sdk/c/gateway_url.hpp"

#include "base/authority.hpp"

namespace watchkeeper::sdk {

std::optional<gateway_url> parse_gateway_url(std::string_view text, std::string& why) {
  gateway_url made;
  const auto wrong = [&](std::string_view what) {
    why = "the gateway's URL " + std::string{what};
    return std::nullopt;
  };
  if (text.size() > 512) return wrong("is longer than 512 characters");
  if (text.starts_with("https://")) {
    text.remove_prefix(8);
  } else if (text.starts_with("http://")) {
    made.tls = false;
    made.port = 80;
    text.remove_prefix(7);
  } else {
    return wrong("must begin with https://");
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  for (const char c : text)
    if (c <= ' ' || c >= 0x7f || c == '/' || c == '?' || c == '#' || c == '@')
      return wrong("may hold host and port only");
  made.authority = text;

  const auto where = parse_authority(text);
  if (!where) return wrong(describe(where.error()));
  if (where->port == 0) return wrong("has port 0");
  made.host = where->host;
  if (where->port) made.port = *where->port;
  return made;
}

}  // namespace watchkeeper::sdk
