#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace watchkeeper::sdk {

/// `https://host[:port]`, or `http://` for cleartext HTTP/2 with prior knowledge.
struct gateway_url {
  bool tls = true;
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 443;
  std::string authority;  // as `:authority` wants it
};

/// Empty if the text is not such a URL; `why` is then a sentence. A path other than `/` is refused.
std::optional<gateway_url> parse_gateway_url(std::string_view text, std::string& why);

}  // namespace watchkeeper::sdk
