#include "net/shared/http.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

namespace watchkeeper::net {

std::string_view name_of(http_method method) noexcept {
  switch (method) {
    case http_method::get:
      return "GET";
    case http_method::head:
      return "HEAD";
    case http_method::post:
      return "POST";
    case http_method::put:
      return "PUT";
    case http_method::patch:
      return "PATCH";
    case http_method::del:
      return "DELETE";
    case http_method::options:
      return "OPTIONS";
    case http_method::other:
      break;
  }
  return "other";
}

std::string to_string(const peer_address& address) {
  static constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  char text[INET6_ADDRSTRLEN] = "";
  if (std::equal(mapped.begin(), mapped.end(), address.bytes.begin()))
    inet_ntop(AF_INET, address.bytes.data() + mapped.size(), text, sizeof text);
  else
    inet_ntop(AF_INET6, address.bytes.data(), text, sizeof text);
  return text;
}

}  // namespace watchkeeper::net
