#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/owned.hpp"

namespace watchkeeper::sdk::http2 {

using ssl_ptr = owned<SSL, SSL_free>;

struct tls_options {
  std::string ca_path;  // PEM; empty: the system's authorities
  bool verify = true;   // false: accept any certificate
  bool resume = true;   // offer the newest resumption ticket on each later connection
};

/// What the TLS connections to one server share: TLS 1.2 or newer, ALPN `h2`. One thread. Outlives
/// its connections.
class tls_context {
 public:
  /// Null if the authorities cannot be used; `why` is then a sentence that names the file.
  static std::unique_ptr<tls_context> make(const tls_options& options, std::string& why);
  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;

  /// For a handshake with `host` on the connected socket, which stays the caller's. Null if memory
  /// is short or the name of the host cannot be verified.
  [[nodiscard]] ssl_ptr attach(int socket, const std::string& host) const;
  [[nodiscard]] bool verifies() const noexcept { return verify_; }
  /// After a failed handshake, which the ticket may have caused.
  void forget_ticket() noexcept { ticket_.reset(); }

 private:
  tls_context() = default;
  static int on_ticket(SSL* ssl, SSL_SESSION* ticket);

  owned<BIO_METHOD, BIO_meth_free> method_;
  owned<SSL_CTX, SSL_CTX_free> context_;
  owned<SSL_SESSION, SSL_SESSION_free> ticket_;
  bool verify_ = true;
};

/// The newest error of this thread as text. Empties OpenSSL's error queue.
std::string take_openssl_error();

}  // namespace watchkeeper::sdk::http2
