#include "crypto/p256.hpp"
#include "base/owned.hpp"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdh.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/owned.hpp"

// The low-level functions are deprecated, not gone, in OpenSSL 3; the EVP ones need a DER signature
// and 2 to 3 KB a key, and are slower.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace watchkeeper::crypto::p256 {
namespace {

void require(bool condition) noexcept {
  if (!condition) std::abort();  // no memory, or an OpenSSL without P-256: nothing can be verified
}

/// What a thread needs to verify and to sign, for whatever key.
struct workspace {
  owned<EC_KEY, EC_KEY_free> key{EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)};
  owned<EC_POINT, EC_POINT_free> point;
  owned<ECDSA_SIG, ECDSA_SIG_free> signature{ECDSA_SIG_new()};
  BIGNUM* r = BN_new();  // owned by `signature`
  BIGNUM* s = BN_new();  // owned by `signature`

  workspace() noexcept {
    require(key && signature && r && s && ECDSA_SIG_set0(signature.get(), r, s) == 1);
    point.reset(EC_POINT_new(group()));
    require(point != nullptr);
  }

  [[nodiscard]] const EC_GROUP* group() const noexcept { return EC_KEY_get0_group(key.get()); }

  /// Checks the point as well: range and curve equation.
  bool read_point(point_bytes bytes) noexcept {
    std::array<unsigned char, 65> octets;
    octets[0] = POINT_CONVERSION_UNCOMPRESSED;
    std::copy(bytes.begin(), bytes.end(), octets.begin() + 1);
    return EC_POINT_oct2point(group(), point.get(), octets.data(), octets.size(), nullptr) == 1;
  }
};

workspace& of_this_thread() noexcept {
  thread_local workspace mine;
  return mine;
}

owned<BIGNUM, BN_clear_free> scalar_of(const private_key& secret) noexcept {
  owned<BIGNUM, BN_clear_free> scalar{
      BN_bin2bn(secret.data(), static_cast<int>(secret.size()), nullptr)};
  require(scalar != nullptr);
  BN_set_flags(scalar.get(), BN_FLG_CONSTTIME);
  return scalar;
}

void write_point(const EC_GROUP* group, const EC_POINT* point,
                 std::span<std::uint8_t, 64> out) noexcept {
  std::array<unsigned char, 65> octets;
  require(EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, octets.data(),
                             octets.size(), nullptr) == octets.size());
  std::copy(octets.begin() + 1, octets.end(), out.begin());
}

/// Takes back what OpenSSL adds to the thread's error queue.
class quiet_errors {
 public:
  quiet_errors() noexcept { ERR_set_mark(); }
  ~quiet_errors() { ERR_pop_to_mark(); }
  quiet_errors(const quiet_errors&) = delete;
  quiet_errors& operator=(const quiet_errors&) = delete;
};

}  // namespace

bool is_on_curve(point_bytes point) noexcept {
  const quiet_errors quiet;
  return of_this_thread().read_point(point);
}

bool verify(point_bytes point, const sha256_digest& digest,
            std::span<const std::uint8_t, 64> signature) noexcept {
  const quiet_errors quiet;
  auto& work = of_this_thread();
  if (!work.read_point(point)) return false;
  if (EC_KEY_set_public_key(work.key.get(), work.point.get()) != 1) return false;
  if (!BN_bin2bn(signature.data(), 32, work.r)) return false;
  if (!BN_bin2bn(signature.data() + 32, 32, work.s)) return false;
  return ECDSA_do_verify(digest.data(), static_cast<int>(digest.size()), work.signature.get(),
                         work.key.get()) == 1;
}

void generate(private_key& secret, std::span<std::uint8_t, 64> point) noexcept {
  const owned<EC_KEY, EC_KEY_free> key{EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)};
  require(key && EC_KEY_generate_key(key.get()) == 1);
  require(BN_bn2binpad(EC_KEY_get0_private_key(key.get()), secret.data(),
                       static_cast<int>(secret.size())) == static_cast<int>(secret.size()));
  write_point(EC_KEY_get0_group(key.get()), EC_KEY_get0_public_key(key.get()), point);
}

bool public_of(const private_key& secret, std::span<std::uint8_t, 64> point) noexcept {
  const quiet_errors quiet;
  const auto scalar = scalar_of(secret);
  const owned<EC_GROUP, EC_GROUP_free> group{EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)};
  require(group != nullptr);
  if (BN_is_zero(scalar.get()) || BN_cmp(scalar.get(), EC_GROUP_get0_order(group.get())) >= 0)
    return false;
  const owned<EC_POINT, EC_POINT_free> made{EC_POINT_new(group.get())};
  require(made && EC_POINT_mul(group.get(), made.get(), scalar.get(), nullptr, nullptr, nullptr));
  write_point(group.get(), made.get(), point);
  return true;
}

bool agree(const private_key& secret, point_bytes point,
           std::span<std::uint8_t, 32> shared) noexcept {
  const quiet_errors quiet;
  auto& work = of_this_thread();
  if (!work.read_point(point)) return false;
  const auto scalar = scalar_of(secret);
  if (BN_is_zero(scalar.get()) || BN_cmp(scalar.get(), EC_GROUP_get0_order(work.group())) >= 0)
    return false;
  require(EC_KEY_set_private_key(work.key.get(), scalar.get()) == 1);
  const int size =
      ECDH_compute_key(shared.data(), shared.size(), work.point.get(), work.key.get(), nullptr);
  // The thread's key is clean afterwards; the function says 0 when it has done so.
  static_cast<void>(EC_KEY_set_private_key(work.key.get(), nullptr));
  return size == static_cast<int>(shared.size());
}

raw_signature sign(const private_key& secret, const sha256_digest& digest) noexcept {
  const quiet_errors quiet;
  auto& work = of_this_thread();
  const auto scalar = scalar_of(secret);
  require(EC_KEY_set_private_key(work.key.get(), scalar.get()) == 1);
  const owned<ECDSA_SIG, ECDSA_SIG_free> made{
      ECDSA_do_sign(digest.data(), static_cast<int>(digest.size()), work.key.get())};
  require(made != nullptr);
  raw_signature out;
  require(BN_bn2binpad(ECDSA_SIG_get0_r(made.get()), out.data(), 32) == 32);
  require(BN_bn2binpad(ECDSA_SIG_get0_s(made.get()), out.data() + 32, 32) == 32);
  return out;
}

}  // namespace watchkeeper::crypto::p256
