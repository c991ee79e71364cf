#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace watchkeeper::fleet {

/// Where a gateway listens, taken from a URL such as `https://127.0.0.1:8443` or
/// `http://[::1]:8080` (http: cleartext HTTP/2 with prior knowledge). A path other than `/` is
/// refused.
struct endpoint {
  bool tls = true;
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 0;
  std::string authority;  // as `:authority` wants it
  bool host_is_address = false;
  sockaddr_storage address{};
  socklen_t address_bytes = 0;
};

/// Parses and resolves (blocks on DNS). The error is a sentence that names what is wrong.
result<endpoint, std::string> resolve_endpoint(std::string_view url);

}  // namespace watchkeeper::fleet
