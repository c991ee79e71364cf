#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/thread_safety.hpp"
#include "net/tls/ticket_keys.hpp"
#include "net/tls/tls_files.hpp"

namespace watchkeeper::net {

/// A server context: TLS 1.2 (AEAD with ECDHE only, RFC 9113 section 9.2) and 1.3, ALPN `h2` only,
/// one stateless ticket a handshake, sealed by `tickets`, no compression, no renegotiation. A
/// client without `h2` in its ALPN list, or without such a list, gets the alert
/// no_application_protocol before any key is used. Throws std::runtime_error with a sentence that
/// names the file.
std::shared_ptr<SSL_CTX> make_tls_context(const tls_files& files,
                                          std::shared_ptr<const ticket_key_list> tickets);

/// The context for connections to come. Any thread.
class tls_store {
 public:
  /// Throws std::runtime_error when the system has no randomness.
  tls_store();
  /// The error is the reason why nothing changed.
  result<ok_t, std::string> load(const tls_files& files);
  [[nodiscard]] std::shared_ptr<SSL_CTX> current() const;

 private:
  // For as long as none are configured: made once, so that a new certificate does not cost every
  // client a full handshake.
  const std::shared_ptr<const ticket_key_list> own_tickets_;
  mutable annotated_mutex mutex_;
  std::shared_ptr<SSL_CTX> context_ GUARDED_BY(mutex_);
};

}  // namespace watchkeeper::net
