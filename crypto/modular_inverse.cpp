// The inverse modulo a prime by division steps (D. J. Bernstein, B.-Y. Yang, "Fast constant-time
// gcd computation and modular inversion", 2019), here in a time that depends on the value.
//
// A step takes (delta, f, g), f odd, to (1 − delta, g, (g − f) / 2) where delta > 0 and g is odd,
// and to (1 + delta, f, (g + (g mod 2) f) / 2) otherwise. Beginning with f = m, g = x, at most 741
// steps lead to g = 0 and f = ±gcd for numbers of 256 bits (theorem 11.2). 62 steps depend on the
// lowest 62 bits of f and g alone: they are done on single words and give a matrix, which is then
// applied to the whole numbers, and, modulo m, to d and e, where d x = f and e x = g (mod m).

#include <algorithm>
#include <bit>
#include <utility>

#include "crypto/p256_scalar.hpp"

namespace watchkeeper::crypto::p256 {
namespace {

__extension__ using wide = __int128;

constexpr int batch_steps = 62;
constexpr int batches_max = 12;  // 744 steps
constexpr std::uint64_t low_62 = ~std::uint64_t{0} >> 2;

/// The sum of limbs[i] · 2^(62 i); all but the last lie in [0, 2^62), the last has the sign.
struct signed_number {
  std::array<std::int64_t, 5> limbs{};

  static signed_number from(const words256& w) noexcept {
    const auto limb = [](std::uint64_t bits) { return static_cast<std::int64_t>(bits & low_62); };
    return {{limb(w[0]), limb(w[0] >> 62 | w[1] << 2), limb(w[1] >> 60 | w[2] << 4),
             limb(w[2] >> 58 | w[3] << 6), limb(w[3] >> 56)}};
  }

  /// Of a number in [0, 2^256).
  [[nodiscard]] words256 words() const noexcept {
    std::array<std::uint64_t, 5> l;
    for (std::size_t i = 0; i < 5; ++i) l[i] = static_cast<std::uint64_t>(limbs[i]);
    return {l[0] | l[1] << 62, l[1] >> 2 | l[2] << 60, l[2] >> 4 | l[3] << 58,
            l[3] >> 6 | l[4] << 56};
  }

  [[nodiscard]] bool is_zero() const noexcept {
    return (limbs[0] | limbs[1] | limbs[2] | limbs[3] | limbs[4]) == 0;
  }
  [[nodiscard]] bool is_negative() const noexcept { return limbs[4] < 0; }

  /// This + factor · other, a factor of −1, 0 or 1.
  void add(const signed_number& other, std::int64_t factor) noexcept {
    std::int64_t carry = 0;
    for (std::size_t i = 0; i < 5; ++i) {
      carry += limbs[i] + factor * other.limbs[i];
      limbs[i] = i < 4 ? carry & static_cast<std::int64_t>(low_62) : carry;
      carry >>= batch_steps;
    }
  }

  void negate() noexcept {
    signed_number result;
    result.add(*this, -1);
    *this = result;
  }
};

/// What 62 steps do: 2^62 f' = u f + v g, 2^62 g' = q f + r g. |u| + |v| and |q| + |r| are at most
/// 2^62.
struct transition {
  std::int64_t u, v, q, r;
};

/// From the lowest 62 bits (the rest does not matter) of f and g.
transition steps_62(std::int64_t& delta, std::uint64_t f, std::uint64_t g) noexcept {
  std::uint64_t u = 1, v = 0, q = 0, r = 1;  // two's complement
  int left = batch_steps;
  for (;;) {
    // Steps with an even g; no more than are left.
    const int zeros = std::countr_zero(g | ~std::uint64_t{0} << left);
    g >>= zeros;
    u <<= zeros;
    v <<= zeros;
    delta += zeros;
    left -= zeros;
    if (left == 0) break;
    if (delta > 0) {
      delta = -delta;
      f = std::exchange(g, -f);
      u = std::exchange(q, -u);
      v = std::exchange(r, -v);
    }
    // Until delta is positive again, g changes by multiples of f alone: that multiple which clears
    // up to six bits is added at once. f (2 − f^2) is f^-1 modulo 64.
    const std::int64_t bits = std::min<std::int64_t>({1 - delta, left, 6});
    const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
    const std::uint64_t multiple = g * f * (f * f - 2) & mask;
    g += f * multiple;
    q += u * multiple;
    r += v * multiple;
  }
  return {static_cast<std::int64_t>(u), static_cast<std::int64_t>(v), static_cast<std::int64_t>(q),
          static_cast<std::int64_t>(r)};
}

std::int64_t low_limb(wide value) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(value) & low_62);
}

void apply(const transition& t, signed_number& f, signed_number& g) noexcept {
  wide sum_f = wide{t.u} * f.limbs[0] + wide{t.v} * g.limbs[0];
  wide sum_g = wide{t.q} * f.limbs[0] + wide{t.r} * g.limbs[0];
  sum_f >>= batch_steps;  // the lowest 62 bits are zero
  sum_g >>= batch_steps;
  for (std::size_t i = 1; i < 5; ++i) {
    sum_f += wide{t.u} * f.limbs[i] + wide{t.v} * g.limbs[i];
    sum_g += wide{t.q} * f.limbs[i] + wide{t.r} * g.limbs[i];
    f.limbs[i - 1] = low_limb(sum_f);
    g.limbs[i - 1] = low_limb(sum_g);
    sum_f >>= batch_steps;
    sum_g >>= batch_steps;
  }
  f.limbs[4] = static_cast<std::int64_t>(sum_f);
  g.limbs[4] = static_cast<std::int64_t>(sum_g);
}

/// The same modulo m, on numbers in (−2m, m): multiples of m are added that make the sums divisible
/// by 2^62 and keep them in that range.
void apply_modulo(const transition& t, signed_number& d, signed_number& e, const signed_number& m,
                  std::uint64_t inverse_62) noexcept {
  std::int64_t add_d = (d.is_negative() ? t.u : 0) + (e.is_negative() ? t.v : 0);
  std::int64_t add_e = (d.is_negative() ? t.q : 0) + (e.is_negative() ? t.r : 0);
  wide sum_d = wide{t.u} * d.limbs[0] + wide{t.v} * e.limbs[0];
  wide sum_e = wide{t.q} * d.limbs[0] + wide{t.r} * e.limbs[0];
  const auto to_divide = [&](wide sum, std::int64_t added) {
    const auto low = static_cast<std::uint64_t>(sum);
    return static_cast<std::int64_t>((inverse_62 * low + static_cast<std::uint64_t>(added)) &
                                     low_62);
  };
  add_d -= to_divide(sum_d, add_d);
  add_e -= to_divide(sum_e, add_e);
  sum_d = (sum_d + wide{m.limbs[0]} * add_d) >> batch_steps;
  sum_e = (sum_e + wide{m.limbs[0]} * add_e) >> batch_steps;
  for (std::size_t i = 1; i < 5; ++i) {
    sum_d += wide{t.u} * d.limbs[i] + wide{t.v} * e.limbs[i] + wide{m.limbs[i]} * add_d;
    sum_e += wide{t.q} * d.limbs[i] + wide{t.r} * e.limbs[i] + wide{m.limbs[i]} * add_e;
    d.limbs[i - 1] = low_limb(sum_d);
    e.limbs[i - 1] = low_limb(sum_e);
    sum_d >>= batch_steps;
    sum_e >>= batch_steps;
  }
  d.limbs[4] = static_cast<std::int64_t>(sum_d);
  e.limbs[4] = static_cast<std::int64_t>(sum_e);
}

}  // namespace

words256 inverse(const words256& x, const odd_modulus& modulus) noexcept {
  const auto m = signed_number::from(modulus.value);
  auto f = m, g = signed_number::from(x);
  signed_number d, e;
  e.limbs[0] = 1;
  std::int64_t delta = 1;
  for (int batch = 0; batch < batches_max && !g.is_zero(); ++batch) {
    const auto t = steps_62(delta,
                            static_cast<std::uint64_t>(f.limbs[0]) |
                                static_cast<std::uint64_t>(f.limbs[1]) << batch_steps,
                            static_cast<std::uint64_t>(g.limbs[0]) |
                                static_cast<std::uint64_t>(g.limbs[1]) << batch_steps);
    apply_modulo(t, d, e, m, modulus.inverse_62);
    apply(t, f, g);
  }
  // d x = f, and f is 1 or −1 (or ±m for x = 0, and then d is 0).
  if (f.is_negative()) d.negate();
  // From (−2m, 2m) to [0, m).
  if (d.is_negative()) d.add(m, 1);
  if (d.is_negative()) d.add(m, 1);
  auto reduced = d;
  reduced.add(m, -1);
  return reduced.is_negative() ? d.words() : reduced.words();
}

}  // namespace watchkeeper::crypto::p256
