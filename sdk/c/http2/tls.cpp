#include "sdk/c/http2/tls.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>

#include "sdk/c/http2/address.hpp"
#include "sdk/c/http2/socket_bio.hpp"

namespace watchkeeper::sdk::http2 {

std::string take_openssl_error() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "the gateway closed the connection" : reason;
}

std::unique_ptr<tls_context> tls_context::make(const tls_options& options, std::string& why) {
  std::unique_ptr<tls_context> made{new tls_context};
  made->method_.reset(make_socket_bio_method());
  made->context_.reset(SSL_CTX_new(TLS_client_method()));
  auto* context = made->context_.get();
  if (context == nullptr || !made->method_) {
    why = "no memory for TLS";
    return nullptr;
  }
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // Read and write buffers (34 KB a connection) exist only while something is in them.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_app_data(context, made.get());
  if (options.resume) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_ticket);
  } else {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  }
  static constexpr std::array<unsigned char, 3> alpn{2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context, alpn.data(), alpn.size());
  made->verify_ = options.verify;
  SSL_CTX_set_verify(context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!options.verify) return made;
  const bool loaded = options.ca_path.empty() ? SSL_CTX_set_default_verify_paths(context) == 1
                                              : SSL_CTX_load_verify_locations(
                                                    context, options.ca_path.c_str(), nullptr) == 1;
  if (loaded) return made;
  why = "the file of authorities '" + options.ca_path + "' cannot be used: " + take_openssl_error();
  return nullptr;
}

int tls_context::on_ticket(SSL* ssl, SSL_SESSION* ticket) {
  static_cast<tls_context*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->ticket_.reset(ticket);
  return 1;  // takes the reference
}

ssl_ptr tls_context::attach(int socket, const std::string& host) const {
  ssl_ptr ssl{SSL_new(context_.get())};
  BIO* bio = ssl ? make_socket_bio(method_.get(), socket) : nullptr;
  if (bio == nullptr) return nullptr;
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_connect_state(ssl.get());
  const bool is_ip = is_ip_address(host);
  if (!is_ip && SSL_set_tlsext_host_name(ssl.get(), host.c_str()) != 1) return nullptr;
  // Without a name set, a certificate for any other host would do.
  if (verify_ && (is_ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str())
                        : SSL_set1_host(ssl.get(), host.c_str())) != 1)
    return nullptr;
  if (ticket_) SSL_set_session(ssl.get(), ticket_.get());
  return ssl;
}

}  // namespace watchkeeper::sdk::http2
