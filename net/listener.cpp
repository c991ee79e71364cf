#include "net/listener.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "base/authority.hpp"
#include "base/owned.hpp"

namespace watchkeeper::net {
namespace {

[[noreturn]] void fail(std::string_view setting, const std::string& address,
                       const std::string& why) {
  throw std::runtime_error(std::string(setting) + " \"" + address + "\": " + why);
}

int open_socket(const addrinfo& where, bool shared) noexcept {
  const int fd = ::socket(where.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return -1;
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shared) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (::bind(fd, where.ai_addr, where.ai_addrlen) != 0 || ::listen(fd, SOMAXCONN) != 0) {
    const int error = errno;
    ::close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

std::uint16_t port_of(int fd) noexcept {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  if (bound.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6&>(bound).sin6_port);
  return ntohs(reinterpret_cast<sockaddr_in&>(bound).sin_port);
}

peer_address address_of(const sockaddr_storage& from) noexcept {
  peer_address peer;
  if (from.ss_family == AF_INET6) {
    std::memcpy(peer.bytes.data(), &reinterpret_cast<const sockaddr_in6&>(from).sin6_addr, 16);
  } else {
    peer.bytes[10] = peer.bytes[11] = 0xff;
    std::memcpy(peer.bytes.data() + 12, &reinterpret_cast<const sockaddr_in&>(from).sin_addr, 4);
  }
  return peer;
}

}  // namespace

listener::listener(std::string_view setting, const std::string& address, std::uint16_t port,
                   bool first) {
  const auto where = parse_authority(address);
  if (!where) fail(setting, address, std::string(describe(where.error())));
  if (!where->port) fail(setting, address, "has no port");
  const std::string host(where->host);
  const auto service = std::to_string(port != 0 ? port : *where->port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), service.c_str(), &hints, &found))
    fail(setting, address, ::gai_strerror(error));
  const owned<addrinfo, ::freeaddrinfo> owner(found);
  const auto fail_by_errno = [&] {
    fail(setting, address, std::generic_category().message(errno));
  };
  if (first && service != "0") {
    const int probe = open_socket(*found, false);
    if (probe < 0) fail_by_errno();
    ::close(probe);
  }
  descriptor_ = open_socket(*found, true);
  if (descriptor_ < 0) fail_by_errno();
  port_ = port_of(descriptor_);
}

listener::~listener() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

listener::accepted listener::accept() const noexcept {
  for (;;) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    const int fd = ::accept4(descriptor_, reinterpret_cast<sockaddr*>(&from), &size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      return {outcome::accepted, fd, address_of(from)};
    }
    switch (errno) {
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        return {outcome::out_of_descriptors, -1, {}};
      case EINTR:
      case ECONNABORTED:
      case EPROTO:
        continue;  // a connection that was gone before we came
      default:
        return {};
    }
  }
}

}  // namespace watchkeeper::net
