#include "sdk/c/gateway_url.hpp"

#include <charconv>

namespace watchkeeper::sdk {

std::optional<gateway_url> parse_gateway_url(std::string_view text, std::string& why) {
  gateway_url made;
  const auto wrong = [&](const char* what) {
    why = "the gateway's URL " + std::string{what} + "; like https://watch.example.org";
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

  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == text.npos) return wrong("lacks a ']'");
    made.host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (!text.empty() && text[0] != ':') return wrong("has something behind its ']'");
    if (!text.empty()) port = text.substr(1);
  } else {
    const auto colon = text.find(':');
    made.host = text.substr(0, colon);
    if (colon != text.npos) port = text.substr(colon + 1);
  }
  if (made.host.empty()) return wrong("lacks a host");
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), made.port);
    if (error != std::errc{} || end != port.data() + port.size() || made.port == 0)
      return wrong("has a port that is not 1 to 65535");
  }
  return made;
}

}  // namespace watchkeeper::sdk
