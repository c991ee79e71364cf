#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/shared/http.hpp"

namespace watchkeeper::net {

/// A listening socket, non-blocking, with SO_REUSEPORT: each I/O thread has one of its own on the
/// same port. Owns the descriptor. Thread: one at a time.
class listener {
 public:
  /// `address`: "127.0.0.1:8443", "[::1]:8443". `port` other than 0 replaces the address's own: the
  /// one that the first thread's port 0 became. `first` makes sure that no other process has the
  /// port, which SO_REUSEPORT would share. Throws std::runtime_error that names `setting`.
  listener(std::string_view setting, const std::string& address, std::uint16_t port, bool first);
  ~listener();
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  enum class outcome : std::uint8_t { accepted, nothing, out_of_descriptors };
  struct accepted {
    outcome what = outcome::nothing;
    int descriptor = -1;  // the caller's to close
    peer_address peer;
  };
  [[nodiscard]] accepted accept() const noexcept;

 private:
  int descriptor_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace watchkeeper::net
