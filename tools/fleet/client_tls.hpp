#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/result.hpp"
#include "tools/fleet/endpoint.hpp"

namespace watchkeeper::fleet {

struct ssl_ctx_deleter {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
struct ssl_deleter {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};

struct client_tls_options {
  std::string ca_file;    // PEM; empty: the system's certificate authorities
  bool insecure = false;  // accept any certificate
  bool resume = false;    // offer the newest session ticket on each later connection
};

/// What the connections to one server share of TLS (1.2 or newer, ALPN `h2`). One thread.
class client_tls {
 public:
  /// The error is a sentence that names the file.
  static result<std::unique_ptr<client_tls>, std::string> make(const client_tls_options& options);
  ~client_tls();
  client_tls(const client_tls&) = delete;
  client_tls& operator=(const client_tls&) = delete;

  /// Ready for SSL_do_handshake on the connected descriptor; null when memory is short.
  [[nodiscard]] std::unique_ptr<SSL, ssl_deleter> attach(int descriptor, const endpoint& to);

  /// Why the last call on `ssl` failed, for people: empties OpenSSL's error queue.
  static std::string explain_failure(SSL* ssl);

 private:
  client_tls() = default;
  static int keep_session(SSL* ssl, SSL_SESSION* session);

  std::unique_ptr<SSL_CTX, ssl_ctx_deleter> context_;
  SSL_SESSION* session_ = nullptr;  // the newest ticket, where resumption is on
  bool verify_ = true;
};

}  // namespace watchkeeper::fleet
