#pragma once

#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <mutex>
#include <string>

#include "net/server.hpp"

namespace watchkeeper::net {

/// The keys that session tickets are sealed with: made once a process, kept over reloads, so that a
/// new certificate does not cost every client a full handshake.
class ticket_keys {
 public:
  /// Random. Throws std::runtime_error when the system has no randomness.
  ticket_keys();
  ~ticket_keys();
  ticket_keys(const ticket_keys&) = delete;
  ticket_keys& operator=(const ticket_keys&) = delete;
  void install(SSL_CTX* context) const noexcept;

 private:
  std::array<unsigned char, 80> bytes_;  // name 16, HMAC 32, AES 32: what OpenSSL 3.0 takes
};

/// A server context: TLS 1.2 (AEAD with ECDHE only, RFC 9113 section 9.2) and 1.3, ALPN `h2` only,
/// stateless tickets, no compression, no renegotiation. A client without `h2` in its ALPN list, or
/// without such a list, gets the alert no_application_protocol before any key is used.
/// Throws std::runtime_error with a sentence that names the file.
std::shared_ptr<SSL_CTX> make_tls_context(const tls_files& files, const ticket_keys& tickets);

/// The context for connections to come. Any thread.
class tls_store {
 public:
  /// Empty string, or the reason why nothing changed.
  std::string load(const tls_files& files);
  [[nodiscard]] std::shared_ptr<SSL_CTX> current() const;

 private:
  ticket_keys tickets_;
  mutable std::mutex mutex_;
  std::shared_ptr<SSL_CTX> context_;
};

}  // namespace watchkeeper::net
