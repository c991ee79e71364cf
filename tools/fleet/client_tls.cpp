#include "tools/fleet/client_tls.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>

namespace watchkeeper::fleet {
namespace {

std::string queued_error() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "the server closed the connection";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : fmt::format("OpenSSL error {:x}", code);
}

}  // namespace

result<std::unique_ptr<client_tls>, std::string> client_tls::make(
    const client_tls_options& options) {
  std::unique_ptr<client_tls> made{new client_tls};
  made->context_.reset(SSL_CTX_new(TLS_client_method()));
  auto* context = made->context_.get();
  if (context == nullptr) return fmt::format("TLS cannot be used: {}", queued_error());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // Read and write buffers (34 KB a connection) exist only while something is in them.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_app_data(context, made.get());
  if (options.resume) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
  } else {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  }
  static constexpr std::array<unsigned char, 3> alpn{2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context, alpn.data(), alpn.size());

  made->verify_ = !options.insecure;
  if (!made->verify_) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    return made;
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const bool loaded = options.ca_file.empty() ? SSL_CTX_set_default_verify_paths(context) == 1
                                              : SSL_CTX_load_verify_locations(
                                                    context, options.ca_file.c_str(), nullptr) == 1;
  if (!loaded)
    return fmt::format("the CA file '{}' cannot be used: {}", options.ca_file, queued_error());
  return made;
}

client_tls::~client_tls() {
  if (session_ != nullptr) SSL_SESSION_free(session_);
}

int client_tls::keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<client_tls*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (self->session_ != nullptr) SSL_SESSION_free(self->session_);
  self->session_ = session;
  return 1;  // the reference is ours now
}

std::unique_ptr<SSL, ssl_deleter> client_tls::attach(int descriptor, const endpoint& to) {
  std::unique_ptr<SSL, ssl_deleter> ssl{SSL_new(context_.get())};
  if (!ssl || SSL_set_fd(ssl.get(), descriptor) != 1) return nullptr;
  SSL_set_connect_state(ssl.get());
  if (!to.host_is_address) SSL_set_tlsext_host_name(ssl.get(), to.host.c_str());
  if (verify_) {
    if (to.host_is_address)
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), to.host.c_str());
    else
      SSL_set1_host(ssl.get(), to.host.c_str());
  }
  if (session_ != nullptr) SSL_set_session(ssl.get(), session_);
  return ssl;
}

std::string client_tls::explain_failure(SSL* ssl) {
  const auto verdict = SSL_get_verify_result(ssl);
  if (verdict != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE) {
    ERR_clear_error();
    return fmt::format(
        "the server's certificate is not trusted ({}); give --ca FILE with its authority, or "
        "--insecure to accept any certificate",
        X509_verify_cert_error_string(verdict));
  }
  return "the TLS handshake failed: " + queued_error();
}

}  // namespace watchkeeper::fleet
