#include "crypto/p256_scalar.hpp"

namespace watchkeeper::crypto::p256 {
namespace {

__extension__ using wide = unsigned __int128;

std::uint64_t add_carry(std::uint64_t a, std::uint64_t b, std::uint64_t& carry) noexcept {
  const wide sum = wide{a} + b + carry;
  carry = static_cast<std::uint64_t>(sum >> 64);
  return static_cast<std::uint64_t>(sum);
}

std::uint64_t subtract_borrow(std::uint64_t a, std::uint64_t b, std::uint64_t& borrow) noexcept {
  const wide difference = wide{a} - b - borrow;
  borrow = static_cast<std::uint64_t>(difference >> 64) & 1;
  return static_cast<std::uint64_t>(difference);
}

/// a · b + c + carry, whose upper word becomes the carry; it cannot overflow.
std::uint64_t multiply_add(std::uint64_t a, std::uint64_t b, std::uint64_t c,
                           std::uint64_t& carry) noexcept {
  const wide sum = wide{a} * b + c + carry;
  carry = static_cast<std::uint64_t>(sum >> 64);
  return static_cast<std::uint64_t>(sum);
}

}  // namespace

words256 read_words(std::span<const std::uint8_t, 32> bytes) noexcept {
  words256 words{};
  for (std::size_t i = 0; i < 32; ++i) words[3 - i / 8] = words[3 - i / 8] << 8 | bytes[i];
  return words;
}

bool less(const words256& a, const words256& b) noexcept {
  for (std::size_t i = 4; i-- > 0;)
    if (a[i] != b[i]) return a[i] < b[i];
  return false;
}

words256 add_words(const words256& a, const words256& b) noexcept {
  words256 sum;
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < 4; ++i) sum[i] = add_carry(a[i], b[i], carry);
  return sum;
}

words256 subtract_words(const words256& a, const words256& b) noexcept {
  words256 difference;
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < 4; ++i) difference[i] = subtract_borrow(a[i], b[i], borrow);
  return difference;
}

namespace scalar {

words256 multiply_montgomery(const words256& a, const words256& b) noexcept {
  constexpr std::uint64_t minus_inverse = 0xccd1'c8aa'ee00'bc4f;  // −n^-1 mod 2^64
  static_assert(minus_inverse * order[0] == ~std::uint64_t{0});
  std::array<std::uint64_t, 6> sum{};  // below 2n after each row
  for (std::size_t i = 0; i < 4; ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < 4; ++j) sum[j] = multiply_add(a[j], b[i], sum[j], carry);
    std::uint64_t upper = 0;
    sum[4] = add_carry(sum[4], carry, upper);
    sum[5] = upper;
    const std::uint64_t m = sum[0] * minus_inverse;
    carry = 0;
    multiply_add(m, order[0], sum[0], carry);
    for (std::size_t j = 1; j < 4; ++j) sum[j - 1] = multiply_add(m, order[j], sum[j], carry);
    upper = 0;
    sum[3] = add_carry(sum[4], carry, upper);
    sum[4] = sum[5] + upper;
  }
  const words256 result = {sum[0], sum[1], sum[2], sum[3]};
  return sum[4] != 0 || !less(result, order) ? subtract_words(result, order) : result;
}

}  // namespace scalar
}  // namespace watchkeeper::crypto::p256
