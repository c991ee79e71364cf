#pragma once

#include <array>
#include <cstdint>
#include <span>

/// Integers of 256 bits, and arithmetic modulo n, the order of P-256's group (FIPS 186-4, D.1.2.3).
/// Takes a time that depends on the values: for public ones only. Any thread.
namespace watchkeeper::crypto::p256 {

using words256 = std::array<std::uint64_t, 4>;  // least significant first

/// Big-endian bytes, as keys and signatures have them.
words256 read_words(std::span<const std::uint8_t, 32> bytes) noexcept;
bool less(const words256& a, const words256& b) noexcept;
inline bool is_zero(const words256& a) noexcept {
  return (a[0] | a[1] | a[2] | a[3]) == 0;
}
/// Modulo 2^256.
words256 add_words(const words256& a, const words256& b) noexcept;
words256 subtract_words(const words256& a, const words256& b) noexcept;

/// An odd prime below 2^256, for inverse().
struct odd_modulus {
  words256 value;
  std::uint64_t inverse_62;  // value^-1 mod 2^62
};

/// x^-1 modulo a prime, for x below it; 0 for 0.
words256 inverse(const words256& x, const odd_modulus& modulus) noexcept;

namespace scalar {

inline constexpr words256 order = {0xf3b9'cac2'fc63'2551, 0xbce6'faad'a717'9e84,
                                   0xffff'ffff'ffff'ffff, 0xffff'ffff'0000'0000};
inline constexpr odd_modulus order_modulus{order, 0x332e'3755'11ff'43b1};

/// a · b / 2^256 mod n, for a and b below n.
words256 multiply_montgomery(const words256& a, const words256& b) noexcept;
/// 2^512 mod n: brings a scalar into Montgomery's form.
inline constexpr words256 montgomery_square = {0x8324'4c95'be79'eea2, 0x4699'799c'49bd'6fa6,
                                               0x2845'b239'2b6b'ec59, 0x66e1'2d94'f3d9'5620};

}  // namespace scalar
}  // namespace watchkeeper::crypto::p256
