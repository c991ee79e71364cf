#include "sdk/c/http2/address.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cstring>

#include "sdk/c/limits.hpp"

namespace watchkeeper::sdk::http2 {

std::vector<socket_address> resolve(const std::string& host, std::uint16_t port, std::string& why) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::vector<socket_address> made;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    why = "the host '" + host + "' is not known: " + gai_strerror(error);
    return made;
  }
  for (const auto* at = found; at != nullptr && made.size() < sdk_limits::addresses_max;
       at = at->ai_next) {
    socket_address each;
    std::memcpy(&each.bytes, at->ai_addr, at->ai_addrlen);
    each.size = at->ai_addrlen;
    made.push_back(each);
  }
  freeaddrinfo(found);
  return made;
}

bool is_ip_address(const std::string& host) {
  in6_addr parsed;
  return inet_pton(AF_INET, host.c_str(), &parsed) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

}  // namespace watchkeeper::sdk::http2
