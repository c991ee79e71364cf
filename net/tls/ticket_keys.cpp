#include "net/tls/ticket_keys.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>

namespace watchkeeper::net {
namespace {

using shared_keys = std::shared_ptr<const ticket_key_list>;

/// The context's own place for its keys: connections that began before a reload may outlive the
/// tls_store's interest in them.
int place_of_keys() {
  static const int place = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* keys, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<shared_keys*>(keys);
      });
  return place;
}

bool prepare_mac(EVP_MAC_CTX* mac, const ticket_key& key) noexcept {
  char digest[] = "SHA256";
  auto* secret = const_cast<unsigned char*>(key.mac.data());  // OpenSSL only reads it
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

// What OpenSSL wants to hear: -1 an error, 0 a full handshake, 1 go on, 2 go on and send a new one.
int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, int seals) noexcept {
  const auto* installed =
      static_cast<shared_keys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), place_of_keys()));
  if (installed == nullptr) return -1;
  const auto& keys = **installed;
  if (seals == 1) {
    const auto& key = keys.front();
    const int iv_size = EVP_CIPHER_get_iv_length(EVP_aes_256_cbc());
    if (RAND_bytes(iv, iv_size) != 1) return -1;
    std::memcpy(name, key.name.data(), key.name.size());
    return EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.seal.data(), iv) == 1 &&
                   prepare_mac(mac, key)
               ? 1
               : -1;
  }
  const auto key = std::find_if(keys.begin(), keys.end(), [&](const ticket_key& each) {
    return std::memcmp(each.name.data(), name, each.name.size()) == 0;
  });
  if (key == keys.end()) return 0;
  if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->seal.data(), iv) != 1 ||
      !prepare_mac(mac, *key))
    return -1;
  // Under TLS 1.3 browsers use a ticket once (RFC 8446, appendix C.4): without a new one every
  // second connection would be a full handshake again.
  return key == keys.begin() && SSL_version(ssl) != TLS1_3_VERSION ? 1 : 2;
}

int digit_of(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool read_hexadecimal(std::string_view text, unsigned char* out) noexcept {
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit_of(text[i]);
    const int low = digit_of(text[i + 1]);
    if (high < 0 || low < 0) return false;
    *out++ = static_cast<unsigned char>(high << 4 | low);
  }
  return true;
}

}  // namespace

ticket_key::~ticket_key() {
  OPENSSL_cleanse(mac.data(), mac.size());
  OPENSSL_cleanse(seal.data(), seal.size());
}

result<ticket_key_list, std::string> parse_ticket_keys(std::string_view text) {
  ticket_key_list keys;
  keys.reserve(ticket_keys_max);  // growing would leave copies behind
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const auto where = "its line " + std::to_string(number);
    if (keys.size() == ticket_keys_max)
      return where + " is one key more than " + std::to_string(ticket_keys_max);
    auto& key = keys.emplace_back();
    const auto part = [&](auto& into) {
      const auto digits = line.substr(0, 2 * into.size());
      line.remove_prefix(digits.size());
      return read_hexadecimal(digits, into.data());
    };
    if (line.size() != 2 * ticket_key::bytes || !part(key.name) || !part(key.mac) ||
        !part(key.seal))
      return where + " is not 160 hexadecimal digits";
    for (const auto& other : keys)
      if (&other != &key && other.name == key.name) return where + " has the name of another key";
  }
  if (keys.empty()) return std::string("it holds no key");
  return keys;
}

ticket_key random_ticket_key() {
  ticket_key key;
  const auto fill = [](auto& part) {
    if (RAND_bytes(part.data(), static_cast<int>(part.size())) == 1) return;
    ERR_clear_error();
    throw std::runtime_error("no random bytes for the keys of resumption tickets");
  };
  fill(key.name);
  fill(key.mac);
  fill(key.seal);
  return key;
}

void install_ticket_keys(SSL_CTX* context, std::shared_ptr<const ticket_key_list> keys) {
  auto owned = std::make_unique<shared_keys>(std::move(keys));
  if (SSL_CTX_set_ex_data(context, place_of_keys(), owned.get()) != 1) throw std::bad_alloc();
  owned.release();
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
}

}  // namespace watchkeeper::net
