#pragma once

#if defined(__x86_64__)

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

/// Arithmetic modulo p = 2^256 − 2^224 + 2^192 + 2^96 − 1, the prime of P-256 (FIPS 186-4,
/// D.1.2.3), in assembly for x86-64 with BMI2 and ADX; whoever calls has asked the processor
/// (es256_engine.cpp). For public values only: made for verification, never for a secret.
///
/// An element x is held as x · 2^256 mod p (Montgomery's form), always reduced below p, so that
/// equal elements have equal words. Every function takes operands below p and gives a result below
/// p.
///
/// Montgomery's reduction (P. Montgomery, "Modular multiplication without trial division", 1985)
/// takes one word m off the low end by adding m · p. Here −p^-1 mod 2^64 = 1, so m is that word
/// itself, and m · p = −m + m · 2^96 + m · (2^64 − 2^32 + 1) · 2^192: two shifts and subtractions.
namespace watchkeeper::crypto::p256 {

struct alignas(32) field_element {
  std::array<std::uint64_t, 4> words{};  // least significant first
  friend bool operator==(const field_element&, const field_element&) = default;
};

namespace field {

inline constexpr std::array<std::uint64_t, 4> prime = {0xffff'ffff'ffff'ffff, 0x0000'0000'ffff'ffff,
                                                       0, 0xffff'ffff'0000'0001};
/// 1 and 2^256 in Montgomery's form.
inline constexpr field_element one{
    {0x0000'0000'0000'0001, 0xffff'ffff'0000'0000, 0xffff'ffff'ffff'ffff, 0x0000'0000'ffff'fffe}};
inline constexpr field_element two_256{
    {0x0000'0000'0000'0003, 0xffff'fffb'ffff'ffff, 0xffff'ffff'ffff'fffe, 0x0000'0004'ffff'fffd}};

inline bool is_zero(const field_element& a) noexcept {
  return (a.words[0] | a.words[1] | a.words[2] | a.words[3]) == 0;
}

// a · b / 2^256 mod p, row by row: each row adds a · b[i] with two carry chains (adcx, adox) and
// takes one word off. The sum stays below 2p after each row, so row i fits into five words, and the
// sixth is the carry of the reduction.
inline field_element multiply(const field_element& a, const field_element& b) noexcept {
  field_element result;
  std::uint64_t c0, c1, c2, c3, c4, c5, t0, t1, t2;
  // One word off: `low` is m, and becomes the new highest word.
#define WATCHKEEPER_P256_REDUCE_ROW(low, w1, w2, w3, w4)        \
  "movq %[" low                                                 \
  "], %[t0]\n\t"                                                \
  "movq %[" low                                                 \
  "], %[t1]\n\t"                                                \
  "shlq $32, %[t0]\n\t"                                         \
  "shrq $32, %[t1]\n\t"                                         \
  "movq %[" low                                                 \
  "], %[t2]\n\t"                                                \
  "movq %[" low                                                 \
  "], %%rdx\n\t"                                                \
  "subq %[t0], %[t2]\n\t" /* low word of m (2^64 - 2^32 + 1) */ \
  "sbbq %[t1], %%rdx\n\t" /* its high word */                   \
  "addq %[t0], %[" w1                                           \
  "]\n\t"                                                       \
  "adcq %[t1], %[" w2                                           \
  "]\n\t"                                                       \
  "adcq %[t2], %[" w3                                           \
  "]\n\t"                                                       \
  "adcq %%rdx, %[" w4                                           \
  "]\n\t"                                                       \
  "movl $0, %k[" low                                            \
  "]\n\t"                                                       \
  "adcq $0, %[" low "]\n\t"
#define WATCHKEEPER_P256_MULTIPLY_ROW(offset, w0, w1, w2, w3, w4) \
  "movq " offset                                                  \
  "(%[b]), %%rdx\n\t"                                             \
  "xorl %k[t2], %k[t2]\n\t"                                       \
  "mulxq (%[a]), %[t0], %[t1]\n\t"                                \
  "adcxq %[t0], %[" w0                                            \
  "]\n\t"                                                         \
  "adoxq %[t1], %[" w1                                            \
  "]\n\t"                                                         \
  "mulxq 8(%[a]), %[t0], %[t1]\n\t"                               \
  "adcxq %[t0], %[" w1                                            \
  "]\n\t"                                                         \
  "adoxq %[t1], %[" w2                                            \
  "]\n\t"                                                         \
  "mulxq 16(%[a]), %[t0], %[t1]\n\t"                              \
  "adcxq %[t0], %[" w2                                            \
  "]\n\t"                                                         \
  "adoxq %[t1], %[" w3                                            \
  "]\n\t"                                                         \
  "mulxq 24(%[a]), %[t0], %[t1]\n\t"                              \
  "adcxq %[t0], %[" w3                                            \
  "]\n\t"                                                         \
  "adoxq %[t1], %[" w4                                            \
  "]\n\t"                                                         \
  "adcxq %[t2], %[" w4 "]\n\t"
  asm("movq (%[b]), %%rdx\n\t"
      "mulxq (%[a]), %[c0], %[c1]\n\t"
      "mulxq 8(%[a]), %[t0], %[c2]\n\t"
      "addq %[t0], %[c1]\n\t"
      "mulxq 16(%[a]), %[t0], %[c3]\n\t"
      "adcq %[t0], %[c2]\n\t"
      "mulxq 24(%[a]), %[t0], %[c4]\n\t"
      "adcq %[t0], %[c3]\n\t"
      "adcq $0, %[c4]\n\t" WATCHKEEPER_P256_REDUCE_ROW("c0", "c1", "c2", "c3", "c4")
          WATCHKEEPER_P256_MULTIPLY_ROW("8", "c1", "c2", "c3", "c4", "c0")
              WATCHKEEPER_P256_REDUCE_ROW("c1", "c2", "c3", "c4", "c0")
                  WATCHKEEPER_P256_MULTIPLY_ROW("16", "c2", "c3", "c4", "c0", "c1")
                      WATCHKEEPER_P256_REDUCE_ROW("c2", "c3", "c4", "c0", "c1")
                          WATCHKEEPER_P256_MULTIPLY_ROW("24", "c3", "c4", "c0", "c1", "c2")
                              WATCHKEEPER_P256_REDUCE_ROW("c3", "c4", "c0", "c1", "c2")
      // The value is c3 ‖ c2 c1 c0 c4.
      "movq %[c4], %[t0]\n\t"
      "movl $0xffffffff, %k[t2]\n\t"
      "movq %[c0], %[t1]\n\t"
      "subq $-1, %[t0]\n\t"
      "movq $0xffffffff00000001, %%rdx\n\t"
      "sbbq %[t2], %[t1]\n\t"
      "movq %[c1], %[t2]\n\t"
      "sbbq $0, %[t2]\n\t"
      "movq %[c2], %[c5]\n\t"
      "sbbq %%rdx, %[c5]\n\t"
      "sbbq $0, %[c3]\n\t"
      "cmovncq %[t0], %[c4]\n\t"
      "cmovncq %[t1], %[c0]\n\t"
      "cmovncq %[t2], %[c1]\n\t"
      "cmovncq %[c5], %[c2]\n\t"
      : [c0] "=&r"(c0), [c1] "=&r"(c1), [c2] "=&r"(c2), [c3] "=&r"(c3), [c4] "=&r"(c4),
        [c5] "=&r"(c5), [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2)
      : [a] "r"(&a), [b] "r"(&b), "m"(a), "m"(b)
      : "rdx", "cc");
#undef WATCHKEEPER_P256_MULTIPLY_ROW
#undef WATCHKEEPER_P256_REDUCE_ROW
  result.words = {c4, c0, c1, c2};
  return result;
}

// The square: six products once, doubled, and four on the diagonal; then four words off the low
// end, whose sum needs no carry word until the upper half comes in, since
// (2^256 + 2^64 p) / 2^64 < 2^256.
inline field_element square(const field_element& a) noexcept {
  field_element result;
  std::uint64_t c0, c1, c2, c3, c4, c5, c6, c7, t0, t1;
#define WATCHKEEPER_P256_REDUCE_WORD(low, w1, w2, w3) \
  "movq %[" low                                       \
  "], %[t0]\n\t"                                      \
  "movq %[" low                                       \
  "], %[t1]\n\t"                                      \
  "movq %[" low                                       \
  "], %%rdx\n\t"                                      \
  "shlq $32, %[t0]\n\t"                               \
  "shrq $32, %[t1]\n\t"                               \
  "subq %[t0], %%rdx\n\t"                             \
  "sbbq %[t1], %[" low                                \
  "]\n\t"                                             \
  "addq %[t0], %[" w1                                 \
  "]\n\t"                                             \
  "adcq %[t1], %[" w2                                 \
  "]\n\t"                                             \
  "adcq %%rdx, %[" w3                                 \
  "]\n\t"                                             \
  "adcq $0, %[" low "]\n\t"
  asm("movq (%[a]), %%rdx\n\t"
      "mulxq 8(%[a]), %[c1], %[c2]\n\t"   // a0 a1
      "mulxq 16(%[a]), %[t0], %[c3]\n\t"  // a0 a2
      "addq %[t0], %[c2]\n\t"
      "mulxq 24(%[a]), %[t0], %[c4]\n\t"  // a0 a3
      "adcq %[t0], %[c3]\n\t"
      "adcq $0, %[c4]\n\t"
      "movq 8(%[a]), %%rdx\n\t"
      "xorl %k[c6], %k[c6]\n\t"
      "mulxq 16(%[a]), %[t0], %[t1]\n\t"  // a1 a2
      "adcxq %[t0], %[c3]\n\t"
      "adoxq %[t1], %[c4]\n\t"
      "mulxq 24(%[a]), %[t0], %[c5]\n\t"  // a1 a3
      "adcxq %[t0], %[c4]\n\t"
      "adoxq %[c6], %[c5]\n\t"
      "movq 16(%[a]), %%rdx\n\t"
      "mulxq 24(%[a]), %[t0], %[t1]\n\t"  // a2 a3
      "adcxq %[t0], %[c5]\n\t"
      "adcxq %[t1], %[c6]\n\t"
      // Doubled by one chain, the squares added by the other.
      "movq (%[a]), %%rdx\n\t"
      "xorl %k[c7], %k[c7]\n\t"
      "mulxq %%rdx, %[c0], %[t1]\n\t"
      "adcxq %[c1], %[c1]\n\t"
      "adoxq %[t1], %[c1]\n\t"
      "movq 8(%[a]), %%rdx\n\t"
      "mulxq %%rdx, %[t0], %[t1]\n\t"
      "adcxq %[c2], %[c2]\n\t"
      "adoxq %[t0], %[c2]\n\t"
      "adcxq %[c3], %[c3]\n\t"
      "adoxq %[t1], %[c3]\n\t"
      "movq 16(%[a]), %%rdx\n\t"
      "mulxq %%rdx, %[t0], %[t1]\n\t"
      "adcxq %[c4], %[c4]\n\t"
      "adoxq %[t0], %[c4]\n\t"
      "adcxq %[c5], %[c5]\n\t"
      "adoxq %[t1], %[c5]\n\t"
      "movq 24(%[a]), %%rdx\n\t"
      "mulxq %%rdx, %[t0], %[t1]\n\t"
      "adcxq %[c6], %[c6]\n\t"
      "adoxq %[t0], %[c6]\n\t"
      "adcxq %[c7], %[c7]\n\t"
      "adoxq %[t1], %[c7]\n\t"
      WATCHKEEPER_P256_REDUCE_WORD("c0", "c1", "c2", "c3")
      WATCHKEEPER_P256_REDUCE_WORD("c1", "c2", "c3", "c0")
      WATCHKEEPER_P256_REDUCE_WORD("c2", "c3", "c0", "c1")
      WATCHKEEPER_P256_REDUCE_WORD("c3", "c0", "c1", "c2")
      "movl $0, %k[t1]\n\t"
      "addq %[c4], %[c0]\n\t"
      "adcq %[c5], %[c1]\n\t"
      "adcq %[c6], %[c2]\n\t"
      "adcq %[c7], %[c3]\n\t"
      "adcq $0, %[t1]\n\t"
      "movq %[c0], %[c4]\n\t"
      "movl $0xffffffff, %k[t0]\n\t"
      "movq %[c1], %[c5]\n\t"
      "subq $-1, %[c4]\n\t"
      "movq $0xffffffff00000001, %%rdx\n\t"
      "sbbq %[t0], %[c5]\n\t"
      "movq %[c2], %[c6]\n\t"
      "sbbq $0, %[c6]\n\t"
      "movq %[c3], %[c7]\n\t"
      "sbbq %%rdx, %[c7]\n\t"
      "sbbq $0, %[t1]\n\t"
      "cmovncq %[c4], %[c0]\n\t"
      "cmovncq %[c5], %[c1]\n\t"
      "cmovncq %[c6], %[c2]\n\t"
      "cmovncq %[c7], %[c3]\n\t"
      : [c0] "=&r"(c0), [c1] "=&r"(c1), [c2] "=&r"(c2), [c3] "=&r"(c3), [c4] "=&r"(c4),
        [c5] "=&r"(c5), [c6] "=&r"(c6), [c7] "=&r"(c7), [t0] "=&r"(t0), [t1] "=&r"(t1)
      : [a] "r"(&a), "m"(a)
      : "rdx", "cc");
#undef WATCHKEEPER_P256_REDUCE_WORD
  result.words = {c0, c1, c2, c3};
  return result;
}

inline field_element add(const field_element& a, const field_element& b) noexcept {
  std::uint64_t c0 = a.words[0], c1 = a.words[1], c2 = a.words[2], c3 = a.words[3];
  std::uint64_t t0, t1, t2, t3, carry;
  asm("xorl %k[carry], %k[carry]\n\t"
      "addq (%[b]), %[c0]\n\t"
      "adcq 8(%[b]), %[c1]\n\t"
      "adcq 16(%[b]), %[c2]\n\t"
      "adcq 24(%[b]), %[c3]\n\t"
      "adcq $0, %[carry]\n\t"
      "movq %[c0], %[t0]\n\t"
      "movl $0xffffffff, %k[t2]\n\t"
      "movq %[c1], %[t1]\n\t"
      "movq $0xffffffff00000001, %[t3]\n\t"
      "subq $-1, %[t0]\n\t"
      "sbbq %[t2], %[t1]\n\t"
      "movq %[c2], %[t2]\n\t"
      "sbbq $0, %[t2]\n\t"
      "movq %[c3], %%rdx\n\t"
      "sbbq %[t3], %%rdx\n\t"
      "sbbq $0, %[carry]\n\t"
      "cmovncq %[t0], %[c0]\n\t"
      "cmovncq %[t1], %[c1]\n\t"
      "cmovncq %[t2], %[c2]\n\t"
      "cmovncq %%rdx, %[c3]\n\t"
      : [c0] "+&r"(c0), [c1] "+&r"(c1), [c2] "+&r"(c2), [c3] "+&r"(c3), [t0] "=&r"(t0),
        [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [carry] "=&r"(carry)
      : [b] "r"(&b), "m"(b)
      : "rdx", "cc");
  field_element result;
  result.words = {c0, c1, c2, c3};
  return result;
}

inline field_element subtract(const field_element& a, const field_element& b) noexcept {
  std::uint64_t c0 = a.words[0], c1 = a.words[1], c2 = a.words[2], c3 = a.words[3];
  std::uint64_t borrow, t0, t1;
  // p is added where the difference is negative: its words are masked by the borrow.
  asm("subq (%[b]), %[c0]\n\t"
      "sbbq 8(%[b]), %[c1]\n\t"
      "sbbq 16(%[b]), %[c2]\n\t"
      "sbbq 24(%[b]), %[c3]\n\t"
      "sbbq %[borrow], %[borrow]\n\t"
      "movq $0xffffffff00000001, %[t1]\n\t"
      "movl %k[borrow], %k[t0]\n\t"
      "andq %[borrow], %[t1]\n\t"
      "addq %[borrow], %[c0]\n\t"
      "adcq %[t0], %[c1]\n\t"
      "adcq $0, %[c2]\n\t"
      "adcq %[t1], %[c3]\n\t"
      : [c0] "+&r"(c0), [c1] "+&r"(c1), [c2] "+&r"(c2), [c3] "+&r"(c3), [borrow] "=&r"(borrow),
        [t0] "=&r"(t0), [t1] "=&r"(t1)
      : [b] "r"(&b), "m"(b)
      : "cc");
  field_element result;
  result.words = {c0, c1, c2, c3};
  return result;
}

inline field_element twice(const field_element& a) noexcept {
  return add(a, a);
}

/// −a.
inline field_element negate(const field_element& a) noexcept {
  return subtract(field_element{}, a);
}

/// Into Montgomery's form and back. `value` is below p.
inline field_element from_words(const std::array<std::uint64_t, 4>& value) noexcept {
  return multiply(field_element{value}, two_256);
}
inline std::array<std::uint64_t, 4> to_words(const field_element& a) noexcept {
  return multiply(a, field_element{{1, 0, 0, 0}}).words;
}

}  // namespace field
}  // namespace watchkeeper::crypto::p256

#endif
