#include "tools/fleet/endpoint.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>

#include <cstring>

#include "base/authority.hpp"

namespace watchkeeper::fleet {

result<endpoint, std::string> resolve_endpoint(std::string_view url) {
  const auto whole = url;
  const auto malformed = [&](std::string_view why) {
    return fmt::format("'{}' is not a gateway's URL: {}; like https://127.0.0.1:8443", whole, why);
  };
  endpoint made;
  if (url.starts_with("https://")) {
    url.remove_prefix(8);
  } else if (url.starts_with("http://")) {
    made.tls = false;
    url.remove_prefix(7);
  } else {
    return malformed("it must begin with https:// (or http:// for cleartext HTTP/2)");
  }
  if (url.ends_with('/')) url.remove_suffix(1);
  if (url.find_first_of("/?#@") != url.npos) return malformed("only host and port may be given");
  made.authority = url;

  const auto where = parse_authority(url);
  if (!where) return malformed(fmt::format("it {}", describe(where.error())));
  if (where->port == 0) return malformed("it has port 0");
  made.host = where->host;
  made.port = where->port.value_or(made.tls ? 443 : 80);

  in6_addr probe;
  made.host_is_address = inet_pton(AF_INET, made.host.c_str(), &probe) == 1 ||
                         inet_pton(AF_INET6, made.host.c_str(), &probe) == 1;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failure =
      getaddrinfo(made.host.c_str(), std::to_string(made.port).c_str(), &hints, &found);
  if (failure != 0)
    return fmt::format("the host '{}' is not known: {}", made.host, gai_strerror(failure));
  std::memcpy(&made.address, found->ai_addr, found->ai_addrlen);
  made.address_bytes = found->ai_addrlen;
  freeaddrinfo(found);
  return made;
}

}  // namespace watchkeeper::fleet
