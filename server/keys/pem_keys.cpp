#include "server/keys/pem_keys.hpp"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>
#include <optional>
#include <string_view>

#include "base/openssl_pointers.hpp"

namespace watchkeeper::server {
namespace {

using number_ptr = owned<BIGNUM, BN_clear_free>;

/// Never asks at a terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

std::optional<crypto::agreement_key> key_of(const EVP_PKEY& key) {
  char group[32] = "";
  std::size_t length = 0;
  if (EVP_PKEY_get_utf8_string_param(&key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                     &length) != 1 ||
      std::string_view(group, length) != "prime256v1")
    return std::nullopt;
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(&key, OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1) return std::nullopt;
  const number_ptr scalar(number);
  crypto::p256::private_key secret{};
  if (BN_bn2binpad(scalar.get(), secret.data(), static_cast<int>(secret.size())) < 0)
    return std::nullopt;
  auto made = crypto::agreement_key::from_secret(secret, never);
  OPENSSL_cleanse(secret.data(), secret.size());
  return made;
}

}  // namespace

result<std::vector<crypto::agreement_key>, std::string> read_pem_keys(const std::string& text,
                                                                      std::size_t most) {
  std::vector<crypto::agreement_key> keys;
  std::string_view rest = text;
  constexpr std::string_view begin = "-----BEGIN ";
  std::string wrong;
  while (keys.size() < most && wrong.empty()) {
    const auto at = rest.find(begin);
    if (at == std::string_view::npos) break;
    rest.remove_prefix(at);
    const auto label = rest.substr(begin.size(), rest.find("-----", begin.size()) - begin.size());
    const auto next = rest.find(begin, begin.size());
    const auto block = rest.substr(0, next);
    rest.remove_prefix(block.size());
    if (!label.ends_with("PRIVATE KEY")) continue;
    const bio_ptr memory(BIO_new_mem_buf(block.data(), static_cast<int>(block.size())));
    const key_ptr read(memory ? PEM_read_bio_PrivateKey(memory.get(), nullptr, no_password, nullptr)
                              : nullptr);
    if (!read) {
      wrong = "a PEM block is not a readable private key; it must not be encrypted";
    } else if (auto key = key_of(*read)) {
      keys.push_back(std::move(*key));
    } else {
      wrong = "a PEM block is a private key, but not of P-256";
    }
  }
  ERR_clear_error();
  if (!wrong.empty()) return wrong;
  return keys;
}

}  // namespace watchkeeper::server
