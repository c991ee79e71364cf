#include "fleet/player_key.hpp"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <iterator>
#include <new>
#include <string_view>
#include <utility>

#include "crypto/device_key.hpp"
#include "domain/base64url.hpp"

namespace watchkeeper::fleet {
namespace {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using big_number = std::unique_ptr<BIGNUM, freed_by<BN_clear_free>>;
using point = std::unique_ptr<EC_POINT, freed_by<EC_POINT_free>>;
using params = std::unique_ptr<OSSL_PARAM, freed_by<OSSL_PARAM_free>>;
using param_builder = std::unique_ptr<OSSL_PARAM_BLD, freed_by<OSSL_PARAM_BLD_free>>;
using key_context = std::unique_ptr<EVP_PKEY_CTX, freed_by<EVP_PKEY_CTX_free>>;
using digest_context = std::unique_ptr<EVP_MD_CTX, freed_by<EVP_MD_CTX_free>>;

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

const EC_GROUP* p256() {
  static const EC_GROUP* const group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  if (group == nullptr) throw std::bad_alloc{};
  return group;
}

/// The public point of the scalar, uncompressed: 04 ‖ x ‖ y.
std::array<std::uint8_t, 65> public_point(const BIGNUM* scalar) {
  std::array<std::uint8_t, 65> out{};
  const point made{EC_POINT_new(p256())};
  if (!made || EC_POINT_mul(p256(), made.get(), scalar, nullptr, nullptr, nullptr) != 1 ||
      EC_POINT_point2oct(p256(), made.get(), POINT_CONVERSION_UNCOMPRESSED, out.data(), out.size(),
                         nullptr) != out.size())
    throw std::bad_alloc{};
  return out;
}

EVP_PKEY* make_key(const BIGNUM* scalar, std::span<const std::uint8_t> public_bytes) {
  const param_builder builder{OSSL_PARAM_BLD_new()};
  if (!builder) throw std::bad_alloc{};
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1,
                                  0);
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, scalar);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, public_bytes.data(),
                                   public_bytes.size());
  const params list{OSSL_PARAM_BLD_to_param(builder.get())};
  const key_context context{EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr)};
  EVP_PKEY* key = nullptr;
  if (!list || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, list.get()) != 1)
    throw std::bad_alloc{};
  return key;
}

/// Milliseconds as the NumericDate of RFC 7519: seconds, with a fraction where there is one.
std::string numeric_date(unix_ms time_ms) {
  return time_ms % 1000 == 0 ? fmt::format("{}", time_ms / 1000)
                             : fmt::format("{}.{:03}", time_ms / 1000, time_ms % 1000);
}

}  // namespace

player_key player_key::generate() {
  for (;;) {
    secret scalar;
    if (RAND_priv_bytes(scalar.data(), static_cast<int>(scalar.size())) != 1) std::abort();
    // All but one of 2^32 scalars are in range.
    if (auto made = from_secret(scalar)) return std::move(*made);
  }
}

std::optional<player_key> player_key::from_secret(std::span<const std::uint8_t, 32> scalar) {
  const big_number number{BN_bin2bn(scalar.data(), static_cast<int>(scalar.size()), nullptr)};
  if (!number) throw std::bad_alloc{};
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(p256())) >= 0)
    return std::nullopt;
  const auto encoded = public_point(number.get());
  player_key made;
  made.key_.reset(make_key(number.get(), encoded));
  std::copy(scalar.begin(), scalar.end(), made.secret_.begin());
  made.public_.algorithm = signature_algorithm::es256;
  std::copy(encoded.begin() + 1, encoded.end(), made.public_.bytes.begin());
  made.kid_ = crypto::thumbprint_of(made.public_);
  made.kid_text_ = base64url::encode(made.kid_);
  return made;
}

std::string player_key::sign_token(const token_claims& claims) const {
  const auto header =
      fmt::format(R"({{"alg":"ES256","kid":"{}","typ":"engagement+jwt"}})", kid_text_);
  fmt::memory_buffer payload;
  auto out = std::back_inserter(payload);
  fmt::format_to(out, R"({{"sub":"{}","cid":"{}","sid":"{}","sn":{},"from":{},"to":{})",
                 claims.student.view(), claims.module.view(), claims.session.view(),
                 claims.sequence, claims.interval.from_ms, claims.interval.to_ms);
  if (claims.playback_rate_permille != 1000)
    fmt::format_to(out, R"(,"pr":{}.{:03})", claims.playback_rate_permille / 1000,
                   claims.playback_rate_permille % 1000);
  fmt::format_to(out, R"(,"iat":{})", numeric_date(claims.issued_at_ms));
  if (claims.expires_at_ms)
    fmt::format_to(out, R"(,"exp":{})", numeric_date(*claims.expires_at_ms));
  payload.push_back('}');

  auto token = base64url::encode(bytes_of(header));
  token += '.';
  token += base64url::encode(bytes_of({payload.data(), payload.size()}));

  const digest_context context{EVP_MD_CTX_new()};
  std::array<std::uint8_t, 80> der{};
  std::size_t der_bytes = der.size();
  const auto input = bytes_of(token);
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), der.data(), &der_bytes, input.data(), input.size()) != 1)
    throw std::bad_alloc{};  // the only way for a key that was checked
  // OpenSSL speaks DER; a JWS carries r and s raw (RFC 7518 section 3.4).
  const std::uint8_t* cursor = der.data();
  const std::unique_ptr<ECDSA_SIG, freed_by<ECDSA_SIG_free>> pair{
      d2i_ECDSA_SIG(nullptr, &cursor, static_cast<long>(der_bytes))};
  std::array<std::uint8_t, 64> raw{};
  if (!pair || BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), raw.data(), 32) != 32 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), raw.data() + 32, 32) != 32)
    throw std::bad_alloc{};
  token += '.';
  token += base64url::encode(raw);
  return token;
}

}  // namespace watchkeeper::fleet
