#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

namespace watchkeeper::sdk::http2 {

struct socket_address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

/// The addresses of a host, in the order of the resolver, at most `addresses_max`. Blocks on DNS
/// unless `host` is an IP address. Empty if there is none; `why` is then a sentence.
std::vector<socket_address> resolve(const std::string& host, std::uint16_t port, std::string& why);

/// IPv4 or IPv6, without brackets.
bool is_ip_address(const std::string& host);

}  // namespace watchkeeper::sdk::http2
