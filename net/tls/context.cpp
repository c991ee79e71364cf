#include "net/tls/context.hpp"

#include <openssl/err.h>

#include <stdexcept>
#include <string_view>
#include <utility>

namespace watchkeeper::net {
namespace {

constexpr std::string_view h2 = "h2";

/// Whether a list of length-prefixed protocol names holds `h2`.
bool offers_h2(const unsigned char* list, std::size_t size) noexcept {
  while (size > 0) {
    const std::size_t length = *list;
    if (length + 1 > size) return false;
    if (std::string_view(reinterpret_cast<const char*>(list) + 1, length) == h2) return true;
    list += length + 1;
    size -= length + 1;
  }
  return false;
}

/// Sees the client's hello before anything was computed for it. The ALPN callback alone would not
/// do: it is not called for a client that sends no list.
int on_client_hello(SSL* ssl, int* alert, void*) {
  const unsigned char* extension = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &extension,
                                &size) == 1 &&
      size >= 2 && offers_h2(extension + 2, size - 2))
    return SSL_CLIENT_HELLO_SUCCESS;
  *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return SSL_CLIENT_HELLO_ERROR;
}

int on_alpn(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
            const unsigned char* list, unsigned int size, void*) {
  if (!offers_h2(list, size)) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = reinterpret_cast<const unsigned char*>(h2.data());
  *chosen_size = static_cast<unsigned char>(h2.size());
  return SSL_TLSEXT_ERR_OK;
}

[[noreturn]] void fail(const std::string& what) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  std::string text = what;
  if (reason != nullptr) text += std::string(": ") + reason;
  ERR_clear_error();
  throw std::runtime_error(text);
}

}  // namespace

std::shared_ptr<SSL_CTX> make_tls_context(const tls_files& files,
                                          std::shared_ptr<const ticket_key_list> tickets) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  if (!context) fail("tls: no context");
  SSL_CTX* c = context.get();
  static constexpr unsigned char session_context[] = "watchkeeper";
  const bool set_up =
      SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
      SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
      SSL_CTX_set1_groups_list(c, "X25519:P-256:P-384") == 1 &&
      SSL_CTX_set_num_tickets(c, 1) == 1 &&
      SSL_CTX_set_session_id_context(c, session_context, sizeof session_context - 1) == 1;
  if (!set_up) fail("tls: the library refuses the settings");
  SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                             SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // One read(2) for header and body of a record, instead of two.
  SSL_CTX_set_read_ahead(c, 1);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);  // tickets need none
  SSL_CTX_set_timeout(c, 24 * 60 * 60);
  install_ticket_keys(c, std::move(tickets));
  SSL_CTX_set_client_hello_cb(c, on_client_hello, nullptr);
  SSL_CTX_set_alpn_select_cb(c, on_alpn, nullptr);
  if (SSL_CTX_use_certificate_chain_file(c, files.certificate_path.c_str()) != 1)
    fail("tls certificate " + files.certificate_path + " cannot be used");
  if (SSL_CTX_use_PrivateKey_file(c, files.key_path.c_str(), SSL_FILETYPE_PEM) != 1)
    fail("tls key " + files.key_path + " cannot be used");
  if (SSL_CTX_check_private_key(c) != 1)
    fail("tls key " + files.key_path + " does not belong to " + files.certificate_path);
  return context;
}

tls_store::tls_store()
    : own_tickets_(std::make_shared<const ticket_key_list>(1, random_ticket_key())) {}

result<ok_t, std::string> tls_store::load(const tls_files& files) {
  try {
    auto made =
        make_tls_context(files, files.ticket_keys.empty()
                                    ? own_tickets_
                                    : std::make_shared<const ticket_key_list>(files.ticket_keys));
    const mutex_lock lock(mutex_);
    context_ = std::move(made);
    return ok;
  } catch (const std::exception& error) {
    return std::string(error.what());
  }
}

std::shared_ptr<SSL_CTX> tls_store::current() const {
  const mutex_lock lock(mutex_);
  return context_;
}

}  // namespace watchkeeper::net
