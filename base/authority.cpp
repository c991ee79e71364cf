#include "base/authority.hpp"

#include <charconv>

namespace watchkeeper {

result<authority, authority_error> parse_authority(std::string_view text) noexcept {
  authority made;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return authority_error::no_closing_bracket;
    made.host = text.substr(1, end - 1);
    made.in_brackets = true;
    rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return authority_error::text_after_bracket;
  } else {
    const auto colon = text.find(':');
    made.host = text.substr(0, colon);
    if (colon != std::string_view::npos) rest = text.substr(colon);
    if (rest.find(':', 1) != std::string_view::npos) return authority_error::no_brackets;
  }
  if (made.host.empty()) return authority_error::no_host;
  if (rest.empty()) return made;

  rest.remove_prefix(1);
  std::uint16_t port = 0;
  const auto* const end = rest.data() + rest.size();
  const auto [stop, error] = std::from_chars(rest.data(), end, port);
  if (error != std::errc{} || stop != end) return authority_error::bad_port;
  made.port = port;
  return made;
}

std::string_view describe(authority_error what) noexcept {
  switch (what) {
    case authority_error::no_host:
      return "has no host";
    case authority_error::no_closing_bracket:
      return "has no ']' after its IPv6 address";
    case authority_error::text_after_bracket:
      return "has something other than :port after its ']'";
    case authority_error::no_brackets:
      return "needs brackets around its IPv6 address, as in [::1]:8443";
    case authority_error::bad_port:
      return "has a port that is not a number up to 65535";
  }
  return "is malformed";
}

}  // namespace watchkeeper
