#include "crypto/p256_fast.hpp"

#if defined(__x86_64__)

#include <cpuid.h>

namespace watchkeeper::crypto::p256 {
namespace {

/// What a signature and a digest ask for: is x of u G + v Q equal to r modulo the order?
struct equation {
  words256 u, v, r;
};

/// False for an r or s out of range.
bool equation_of(const sha256_digest& digest, std::span<const std::uint8_t, 64> signature,
                 equation& result) noexcept {
  using scalar::multiply_montgomery, scalar::order;
  const auto r = read_words(signature.first<32>()), s = read_words(signature.last<32>());
  if (is_zero(r) || is_zero(s) || !less(r, order) || !less(s, order)) return false;
  auto e = read_words(digest);
  if (!less(e, order)) e = subtract_words(e, order);  // 2^256 is below twice the order
  const auto w = multiply_montgomery(inverse(s, scalar::order_modulus), scalar::montgomery_square);
  result = {multiply_montgomery(e, w), multiply_montgomery(r, w), r};
  return true;
}

/// Compares r with X / Z^2 without the division. x lies below p, so that x mod n = r where x is r,
/// or r + n if that is below p.
bool has_x(const jacobian_point& point, const words256& r) noexcept {
  if (point.is_neutral()) return false;
  const auto z2 = field::square(point.z);
  if (field::multiply(field::from_words(r), z2) == point.x) return true;
  const auto p_minus_n = subtract_words(field::prime, scalar::order);
  return less(r, p_minus_n) &&
         field::multiply(field::from_words(add_words(r, scalar::order)), z2) == point.x;
}

}  // namespace

bool fast_is_supported() noexcept {
  unsigned a, b, c, d;
  constexpr unsigned bmi2_and_adx = 1u << 8 | 1u << 19;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) == 1 && (b & bmi2_and_adx) == bmi2_and_adx;
}

bool verify_fast(std::span<const std::uint8_t, 64> point, const sha256_digest& digest,
                 std::span<const std::uint8_t, 64> signature) noexcept {
  affine_point q;
  equation terms;
  return read_point(point, q) && equation_of(digest, signature, terms) &&
         has_x(multiply_and_add(terms.u, terms.v, q), terms.r);
}

bool verify_fast(const key_table& table, const sha256_digest& digest,
                 std::span<const std::uint8_t, 64> signature) noexcept {
  equation terms;
  return equation_of(digest, signature, terms) &&
         has_x(multiply_and_add(terms.u, terms.v, table), terms.r);
}

}  // namespace watchkeeper::crypto::p256

#endif
