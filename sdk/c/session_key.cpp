#include "sdk/c/session_key.hpp"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string>

#include "base/owned.hpp"
#include "crypto/digest.hpp"
#include "crypto/p256.hpp"

namespace watchkeeper::sdk {
namespace {

using big_number = owned<BIGNUM, BN_clear_free>;
using curve_point = owned<EC_POINT, EC_POINT_clear_free>;
using curve = owned<EC_GROUP, EC_GROUP_free>;

std::string_view view_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

bool agree_with(std::span<const std::uint8_t, 32> scalar, std::span<const std::uint8_t, 64> peer,
                shared_secret& z) {
  if (!crypto::p256::is_on_curve(peer)) return false;
  const curve group{EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)};
  const big_number number{BN_bin2bn(scalar.data(), static_cast<int>(scalar.size()), nullptr)};
  const big_number x{BN_new()};
  if (!group || !number || !x) throw std::bad_alloc{};
  const curve_point theirs{EC_POINT_new(group.get())}, common{EC_POINT_new(group.get())};
  if (!theirs || !common) throw std::bad_alloc{};
  std::array<std::uint8_t, 65> octets{POINT_CONVERSION_UNCOMPRESSED};
  std::copy(peer.begin(), peer.end(), octets.begin() + 1);
  return EC_POINT_oct2point(group.get(), theirs.get(), octets.data(), octets.size(), nullptr) ==
             1 &&
         EC_POINT_mul(group.get(), common.get(), nullptr, theirs.get(), number.get(), nullptr) ==
             1 &&
         EC_POINT_is_at_infinity(group.get(), common.get()) == 0 &&
         EC_POINT_get_affine_coordinates(group.get(), common.get(), x.get(), nullptr, nullptr) ==
             1 &&
         BN_bn2binpad(x.get(), z.data(), static_cast<int>(z.size())) == static_cast<int>(z.size());
}

bool agree(std::span<const std::uint8_t, 64> peer, std::span<std::uint8_t, 64> own_point,
           shared_secret& z) {
  crypto::p256::private_key scalar;
  crypto::p256::generate(scalar, own_point);
  const bool agreed = agree_with(scalar, peer, z);
  OPENSSL_cleanse(scalar.data(), scalar.size());
  return agreed;
}

std::array<std::uint8_t, 32> hmac_sha256(std::span<const std::uint8_t> key,
                                         std::string_view input) {
  std::array<std::uint8_t, 32> mac;
  unsigned bytes = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(input.data()), input.size(), mac.data(),
           &bytes) == nullptr)
    throw std::bad_alloc{};
  return mac;
}

session_mac_key derive_session_key(const shared_secret& z, std::string_view signing_input) {
  const auto salt = crypto::sha256(signing_input);
  auto extracted = hmac_sha256(salt, view_of(z));
  // One block of output is all that is wanted, so the expansion is one step.
  const auto key = hmac_sha256(extracted, std::string{"watchkeeper session key v1"} + '\x01');
  OPENSSL_cleanse(extracted.data(), extracted.size());
  return key;
}

}  // namespace watchkeeper::sdk
