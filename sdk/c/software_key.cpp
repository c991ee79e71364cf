#include "sdk/c/software_key.hpp"

#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "base/base64url.hpp"
#include "base/owned.hpp"
#include "crypto/digest.hpp"
#include "crypto/p256.hpp"
#include "sdk/c/token_writer.hpp"

namespace watchkeeper::sdk {
namespace {

using big_number = owned<BIGNUM, BN_clear_free>;
using curve_point = owned<EC_POINT, EC_POINT_free>;
using curve = owned<EC_GROUP, EC_GROUP_free>;
using pkey = owned<EVP_PKEY, EVP_PKEY_free>;
using params = owned<OSSL_PARAM, OSSL_PARAM_free>;
using param_builder = owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using key_context = owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using file_handle = owned<std::FILE, std::fclose>;

pkey make_pkey(const software_key& from) {
  const auto& secret = from.private_scalar();
  const big_number scalar{BN_bin2bn(secret.data(), static_cast<int>(secret.size()), nullptr)};
  std::array<std::uint8_t, 65> point{4};
  std::copy_n(from.public_key().bytes.begin(), 64, point.begin() + 1);
  const param_builder builder{OSSL_PARAM_BLD_new()};
  if (!scalar || !builder) return nullptr;
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1,
                                  0);
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, scalar.get());
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  const params list{OSSL_PARAM_BLD_to_param(builder.get())};
  const key_context context{EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr)};
  EVP_PKEY* made = nullptr;
  if (!list || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_KEYPAIR, list.get()) != 1)
    return nullptr;
  return pkey{made};
}

std::optional<software_key> read_pem(std::FILE* file) {
  // No passphrase is asked for: a program without a terminal must not wait for one.
  const auto no_passphrase = [](char*, int, int, void*) { return 0; };
  const pkey key{PEM_read_PrivateKey(file, nullptr, no_passphrase, nullptr)};
  BIGNUM* number = nullptr;
  char group[32] = "";
  if (!key || EVP_PKEY_get_group_name(key.get(), group, sizeof group, nullptr) != 1 ||
      std::strcmp(group, SN_X9_62_prime256v1) != 0 ||
      EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  const big_number owned{number};
  software_key::secret secret{};
  if (BN_bn2binpad(number, secret.data(), static_cast<int>(secret.size())) < 0) return std::nullopt;
  auto made = software_key::from_secret(secret);
  OPENSSL_cleanse(secret.data(), secret.size());
  return made;
}

std::string complaint(const std::string& path, const char* what, const char* why) {
  return "the key file '" + path + "' cannot be " + what + ": " + why;
}

}  // namespace

std::optional<device_identity> identify(std::span<const std::uint8_t, 64> point) {
  if (!crypto::p256::is_on_curve(point)) return std::nullopt;
  device_identity made;
  made.key.algorithm = signature_algorithm::es256;
  std::copy(point.begin(), point.end(), made.key.bytes.begin());
  made.kid.bytes = crypto::sha256(public_jwk(made));
  made.kid_text = made.kid.text();
  return made;
}

std::string public_jwk(const device_identity& identity) {
  const std::span<const std::uint8_t> point{identity.key.bytes};
  return R"({"crv":"P-256","kty":"EC","x":")" + base64url::encode(point.first(32)) + R"(","y":")" +
         base64url::encode(point.subspan(32, 32)) + "\"}";
}

software_key software_key::generate() {
  std::array<std::uint8_t, 64> point;
  software_key made;
  crypto::p256::generate(made.secret_, point);
  made.identity_ = *identify(point);
  made.header_ = device_header(made.identity_.kid_text);
  return made;
}

std::optional<software_key> software_key::from_secret(std::span<const std::uint8_t, 32> scalar) {
  const curve group{EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)};
  const big_number number{BN_bin2bn(scalar.data(), static_cast<int>(scalar.size()), nullptr)};
  if (!group || !number) throw std::bad_alloc{};
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(group.get())) >= 0)
    return std::nullopt;
  const curve_point point{EC_POINT_new(group.get())};
  std::array<std::uint8_t, 65> octets{};
  if (!point ||
      EC_POINT_mul(group.get(), point.get(), number.get(), nullptr, nullptr, nullptr) != 1 ||
      EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, octets.data(),
                         octets.size(), nullptr) != octets.size())
    throw std::bad_alloc{};
  software_key made;
  std::copy(scalar.begin(), scalar.end(), made.secret_.begin());
  made.identity_ = *identify(std::span{octets}.last<64>());
  made.header_ = device_header(made.identity_.kid_text);
  return made;
}

software_key::~software_key() {
  OPENSSL_cleanse(secret_.data(), secret_.size());
}
software_key::software_key(software_key&& other) noexcept
    : secret_(other.secret_),
      identity_(std::move(other.identity_)),
      header_(std::move(other.header_)) {
  OPENSSL_cleanse(other.secret_.data(), other.secret_.size());
}
software_key& software_key::operator=(software_key&& other) noexcept {
  if (this == &other) return *this;
  secret_ = other.secret_;
  OPENSSL_cleanse(other.secret_.data(), other.secret_.size());
  identity_ = std::move(other.identity_);
  header_ = std::move(other.header_);
  return *this;
}

std::array<std::uint8_t, 64> software_key::sign(std::string_view input) const {
  return crypto::p256::sign(secret_, crypto::sha256(input));
}

std::string software_key::sign_token(const token_claims& claims) const {
  auto input = signing_input(header_, claims);
  const auto signature = sign(input);
  return finish_token(std::move(input), signature);
}

key_file_result open_key_file(const std::string& path) {
  if (const file_handle file{std::fopen(path.c_str(), "re")}) {
    auto key = read_pem(file.get());
    if (!key)
      return {std::nullopt, complaint(path, "used", "it holds no P-256 private key in PEM")};
    return {std::move(key), {}};
  }
  if (errno != ENOENT) return {std::nullopt, complaint(path, "read", std::strerror(errno))};
  auto key = software_key::generate();
  const auto pair = make_pkey(key);
  // Made aside and moved into place: a half-written key would lock the device out for ever.
  const auto part = path + ".part";
  const int descriptor = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return {std::nullopt, complaint(path, "written", std::strerror(errno))};
  file_handle file{fdopen(descriptor, "w")};
  const bool written = file && pair &&
                       PEM_write_PKCS8PrivateKey(file.get(), pair.get(), nullptr, nullptr, 0,
                                                 nullptr, nullptr) == 1 &&
                       std::fflush(file.get()) == 0 && fsync(descriptor) == 0;
  file.reset();
  if (!written || std::rename(part.c_str(), path.c_str()) != 0) {
    const int why = errno;
    unlink(part.c_str());
    return {std::nullopt, complaint(path, "written", std::strerror(why))};
  }
  return {std::move(key), {}};
}

}  // namespace watchkeeper::sdk
