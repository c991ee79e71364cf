#include "crypto/device_key.hpp"

#include <sodium/crypto_core_ed25519.h>

#include <algorithm>
#include <array>

#include "crypto/device_signer.hpp"
#include "crypto/digest.hpp"
#include "crypto/p256.hpp"

namespace watchkeeper::crypto {
namespace {

using ed25519_bytes = std::array<std::uint8_t, 32>;

/// y < 2^255 - 19; the highest bit is the sign of x.
bool has_canonical_y(const ed25519_bytes& y) noexcept {
  if ((y[31] & 0x7f) != 0x7f) return true;
  if (!std::all_of(y.begin() + 1, y.begin() + 31, [](auto byte) { return byte == 0xff; }))
    return true;
  return y[0] < 0xed;
}

/// The y of the eight points whose order divides the cofactor.
constexpr ed25519_bytes small_order_y[] = {
    {0x00},  // order 4
    {0x01},  // order 1
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},  // order 2
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
     0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
     0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},  // order 8
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
     0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
     0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},  // order 8
};

bool has_small_order(ed25519_bytes key) noexcept {
  key[31] &= 0x7f;
  return std::any_of(std::begin(small_order_y), std::end(small_order_y),
                     [&](const auto& y) { return y == key; });
}

}  // namespace

std::string_view describe(key_error error) noexcept {
  switch (error) {
    case key_error::wrong_length:
      return "a coordinate of the key is not 32 bytes long";
    case key_error::not_on_curve:
      return "the key is not a point of P-256";
    case key_error::small_order:
      return "the key is a point of small order";
    case key_error::not_canonical:
      return "the key is not a canonical point of Ed25519";
  }
  return "";
}

result<device_public_key, key_error> make_p256_key(std::span<const std::uint8_t> x,
                                                   std::span<const std::uint8_t> y) {
  if (x.size() != 32 || y.size() != 32) return key_error::wrong_length;
  device_public_key key;
  key.algorithm = signature_algorithm::es256;
  std::copy(x.begin(), x.end(), key.bytes.begin());
  std::copy(y.begin(), y.end(), key.bytes.begin() + 32);
  if (!p256::is_on_curve(key.bytes)) return key_error::not_on_curve;
  return key;
}

result<device_public_key, key_error> make_ed25519_key(std::span<const std::uint8_t> x) {
  if (x.size() != 32) return key_error::wrong_length;
  ed25519_bytes bytes;
  std::copy(x.begin(), x.end(), bytes.begin());
  if (!has_canonical_y(bytes)) return key_error::not_canonical;
  if (has_small_order(bytes)) return key_error::small_order;
  // Stricter than decoding: an honest key always lies in the prime-order subgroup.
  if (crypto_core_ed25519_is_valid_point(bytes.data()) != 1) return key_error::not_canonical;
  device_public_key key;
  key.algorithm = signature_algorithm::eddsa;
  std::copy(bytes.begin(), bytes.end(), key.bytes.begin());
  return key;
}

thumbprint thumbprint_of(const device_public_key& key) {
  // RFC 7638 hashes exactly the required members in lexicographic order, without whitespace.
  return {sha256(public_jwk_json(key))};
}

}  // namespace watchkeeper::crypto
