#include "crypto/device_signer.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sodium/crypto_sign_ed25519.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "base/base64url.hpp"
#include "crypto/device_key.hpp"
#include "crypto/digest.hpp"
#include "crypto/p256.hpp"

namespace watchkeeper::crypto {

struct device_signer::implementation {
  device_public_key key;
  thumbprint kid;
  std::string header;                     // of its tokens, in base64url
  std::array<std::uint8_t, 64> secret{};  // ES256: the first 32 bytes; EdDSA: seed and public key

  implementation() = default;
  implementation(const implementation&) = delete;
  implementation& operator=(const implementation&) = delete;
  ~implementation() { OPENSSL_cleanse(secret.data(), secret.size()); }
};

namespace {

static_assert(crypto_sign_ed25519_SECRETKEYBYTES == 64);

std::span<const std::uint8_t> bytes_of(const fmt::memory_buffer& text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void put_date(fmt::memory_buffer& out, std::string_view name, wall_ms at_ms) {
  fmt::format_to(std::back_inserter(out), R"(,"{}":{}.{:03})", name, at_ms.value() / 1000,
                 at_ms.value() % 1000);
}

}  // namespace

device_signer::device_signer(std::unique_ptr<implementation> made)
    : implementation_(std::move(made)) {}
device_signer::~device_signer() = default;
device_signer::device_signer(device_signer&&) noexcept = default;
device_signer& device_signer::operator=(device_signer&&) noexcept = default;

device_signer device_signer::generate(signature_algorithm algorithm) {
  auto made = std::make_unique<implementation>();
  made->key.algorithm = algorithm;
  switch (algorithm) {
    case signature_algorithm::es256: {
      p256::private_key secret;
      p256::generate(secret, made->key.bytes);
      std::copy(secret.begin(), secret.end(), made->secret.begin());
      OPENSSL_cleanse(secret.data(), secret.size());
      break;
    }
    case signature_algorithm::eddsa: {
      std::array<std::uint8_t, crypto_sign_ed25519_SEEDBYTES> seed;
      random_bytes(seed);
      crypto_sign_ed25519_seed_keypair(made->key.bytes.data(), made->secret.data(), seed.data());
      OPENSSL_cleanse(seed.data(), seed.size());
      break;
    }
    case signature_algorithm::hs256:
      throw std::invalid_argument("a device key is ES256 or EdDSA");
  }
  made->kid = thumbprint_of(made->key);
  fmt::memory_buffer header;
  fmt::format_to(std::back_inserter(header), R"({{"alg":"{}","kid":"{}","typ":"engagement+jwt"}})",
                 name_of(algorithm), made->kid.text());
  made->header = base64url::encode(bytes_of(header));
  return device_signer{std::move(made)};
}

const device_public_key& device_signer::public_key() const noexcept {
  return implementation_->key;
}
const thumbprint& device_signer::kid() const noexcept {
  return implementation_->kid;
}

std::array<std::uint8_t, 64> device_signer::sign(std::string_view signing_input) const {
  const auto& my = *implementation_;
  if (my.key.algorithm == signature_algorithm::es256) {
    p256::private_key secret;
    std::copy_n(my.secret.begin(), secret.size(), secret.begin());
    const auto signature = p256::sign(secret, sha256(signing_input));
    OPENSSL_cleanse(secret.data(), secret.size());
    return signature;
  }
  std::array<std::uint8_t, 64> signature;
  crypto_sign_ed25519_detached(signature.data(), nullptr,
                               reinterpret_cast<const unsigned char*>(signing_input.data()),
                               signing_input.size(), my.secret.data());
  return signature;
}

namespace {

std::string payload_of(const token_claims& claims) {
  // The alphabet of the ids has no character that JSON would have to escape.
  fmt::memory_buffer payload;
  auto out = std::back_inserter(payload);
  fmt::format_to(out, R"({{"sub":"{}","cid":"{}","sid":"{}","sn":{},"from":{},"to":{})",
                 claims.student.view(), claims.module.view(), claims.session.view(),
                 claims.sequence, claims.interval.from_ms, claims.interval.to_ms);
  if (claims.playback_rate_permille != 1000)
    fmt::format_to(out, R"(,"pr":{}.{:03})", claims.playback_rate_permille / 1000,
                   claims.playback_rate_permille % 1000);
  put_date(payload, "iat", claims.issued_at_ms);
  if (claims.expires_at_ms) put_date(payload, "exp", *claims.expires_at_ms);
  if (claims.key_offer) {
    const std::span point(claims.key_offer->point);
    fmt::format_to(out, R"(,"epk":{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}},"skid":"{}")",
                   base64url::encode(point.first(32)), base64url::encode(point.last(32)),
                   claims.key_offer->gateway_key.text());
  }
  payload.push_back('}');
  return base64url::encode(bytes_of(payload));
}

}  // namespace

std::string device_signer::mac_token(const token_claims& claims, const hmac_sha256& key) const {
  fmt::memory_buffer header;
  fmt::format_to(std::back_inserter(header),
                 R"({{"alg":"HS256","kid":"{}.{}","typ":"engagement+jwt"}})",
                 implementation_->kid.text(), claims.session.view());
  auto token = base64url::encode(bytes_of(header)) + '.' + payload_of(claims);
  const auto mac = key.mac(token);
  token += '.';
  token += base64url::encode(mac);
  return token;
}

std::string device_signer::sign_token(const token_claims& claims) const {
  auto token = implementation_->header;
  token += '.';
  token += payload_of(claims);
  const auto signature = sign(token);
  token += '.';
  token += base64url::encode(signature);
  return token;
}

std::string public_jwk_json(const device_public_key& key) {
  const auto raw = key.raw();
  if (key.algorithm == signature_algorithm::es256)
    return fmt::format(R"({{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}})",
                       base64url::encode(raw.first(32)), base64url::encode(raw.subspan(32)));
  return fmt::format(R"({{"crv":"Ed25519","kty":"OKP","x":"{}"}})", base64url::encode(raw));
}

}  // namespace watchkeeper::crypto
