#include "crypto/p256_curve.hpp"

#if defined(__x86_64__)

namespace watchkeeper::crypto::p256 {
namespace {

using field::add;
using field::multiply;
using field::negate;
using field::square;
using field::subtract;
using field::twice;

constexpr odd_modulus prime_modulus{field::prime, 0x3fff'ffff'ffff'ffff};

const field_element curve_b{
    {0xd89c'df62'29c4'bddf, 0xacf0'05cd'7884'3090, 0xe5a2'20ab'f721'2ed6, 0xdc30'061d'0487'4834}};

field_element inverse_of(const field_element& a) noexcept {
  // (a 2^256)^-1 is short of a^-1 2^256 by 2^512.
  return multiply(multiply({inverse(a.words, prime_modulus)}, field::two_256), field::two_256);
}

/// b as the formulas of an addition want it: its Z^2 and Z^3 are at hand.
struct addend {
  jacobian_point point;
  field_element z2, z3;
  explicit addend(const jacobian_point& p) noexcept
      : point(p), z2(square(p.z)), z3(multiply(z2, p.z)) {}
};

/// Formulas "add-1998-cmo-2" of the Explicit-Formulas Database.
[[gnu::noinline]] void add_to(jacobian_point& a, const addend& b, bool minus) noexcept {
  if (b.point.is_neutral()) return;
  if (a.is_neutral()) {
    a = b.point;
    if (minus) a.y = negate(a.y);
    return;
  }
  const auto z1z1 = square(a.z);
  const auto u1 = multiply(a.x, b.z2);
  const auto u2 = multiply(b.point.x, z1z1);
  const auto s1 = multiply(a.y, b.z3);
  auto s2 = multiply(b.point.y, multiply(a.z, z1z1));
  if (minus) s2 = negate(s2);
  const auto h = subtract(u2, u1);
  const auto r = subtract(s2, s1);
  if (field::is_zero(h)) {  // the same point, or the opposite one
    a = field::is_zero(r) ? doubled(a) : jacobian_point{};
    return;
  }
  const auto hh = square(h);
  const auto hhh = multiply(h, hh);
  const auto v = multiply(u1, hh);
  a.z = multiply(multiply(a.z, b.point.z), h);
  a.x = subtract(subtract(square(r), hhh), twice(v));
  a.y = subtract(multiply(r, subtract(v, a.x)), multiply(s1, hhh));
}

/// The same with Z = 1 for b.
[[gnu::noinline]] void add_to(jacobian_point& a, const affine_point& b, bool minus) noexcept {
  if (a.is_neutral()) {
    a = {b.x, minus ? negate(b.y) : b.y, field::one};
    return;
  }
  const auto z1z1 = square(a.z);
  const auto h = subtract(multiply(b.x, z1z1), a.x);
  auto s2 = multiply(b.y, multiply(a.z, z1z1));
  if (minus) s2 = negate(s2);
  const auto r = subtract(s2, a.y);
  if (field::is_zero(h)) {
    a = field::is_zero(r) ? doubled(a) : jacobian_point{};
    return;
  }
  const auto hh = square(h);
  const auto hhh = multiply(h, hh);
  const auto v = multiply(a.x, hh);
  a.z = multiply(a.z, h);
  a.x = subtract(subtract(square(r), hhh), twice(v));
  a.y = subtract(multiply(r, subtract(v, a.x)), multiply(a.y, hhh));
}

/// With a = −3: alpha = 3 (X − Z^2)(X + Z^2). There is no point of order two, so that Y is never
/// zero; the neutral point stays what it is, for Z' = 2YZ.
[[gnu::noinline]] void double_in_place(jacobian_point& a) noexcept {
  const auto delta = square(a.z);
  const auto gamma = square(a.y);
  const auto beta = multiply(a.x, gamma);
  const auto product = multiply(subtract(a.x, delta), add(a.x, delta));
  const auto alpha = add(twice(product), product);
  const auto beta4 = twice(twice(beta));
  a.z = twice(multiply(a.y, a.z));
  a.x = subtract(square(alpha), twice(beta4));
  const auto gamma2 = twice(gamma);
  a.y = subtract(multiply(alpha, subtract(beta4, a.x)), twice(square(gamma2)));
}

void double_times(jacobian_point& a, unsigned times) noexcept {
  for (; times > 0; --times) double_in_place(a);
}

/// Calls digit(position, value) for each digit of the non-adjacent form of `width` of a scalar,
/// from the lowest: the scalar is the sum of value · 2^position; a value is odd and below
/// 2^(width−1) in size; a position is at most 256.
template <class Digit>
void non_adjacent_form(const words256& scalar, unsigned width, Digit&& digit) noexcept {
  const std::array<std::uint64_t, 6> words = {scalar[0], scalar[1], scalar[2], scalar[3], 0, 0};
  std::uint64_t carry = 0;
  for (unsigned position = 0; position <= 256;) {
    const unsigned shift = position % 64;
    const std::uint64_t* at = &words[position / 64];
    const std::uint64_t bits = shift == 0 ? at[0] : at[0] >> shift | at[1] << (64 - shift);
    // Where a bit equals the carry, the digit is zero.
    const std::uint64_t differs = carry == 0 ? bits : ~bits;
    if (differs == 0) {
      position += 64;
      continue;
    }
    const auto zeros = static_cast<unsigned>(__builtin_ctzll(differs));
    if (zeros > 64 - width) {  // the digit is not all within these bits
      position += zeros;
      continue;
    }
    position += zeros;
    const std::uint64_t window = (bits >> zeros & ((std::uint64_t{1} << width) - 1)) + carry;
    carry = window >> (width - 1);
    digit(position, static_cast<int>(window) - static_cast<int>(carry << width));
    position += width;
  }
}

/// What is to be added where: for each of the 33 places within a part (the form of a scalar may be
/// one digit longer than 256 bits), points of tables.
class schedule {
 public:
  static constexpr unsigned places = part_bits + 1;

  /// `points` holds, part by part, 2^(width−2) odd multiples.
  void add(const words256& scalar, unsigned width, const affine_point* points) noexcept {
    non_adjacent_form(scalar, width, [&](unsigned position, int digit) {
      const unsigned part = position == 256 ? table_parts - 1 : position / part_bits;
      const unsigned place = position - part * part_bits;
      const unsigned multiple = static_cast<unsigned>(digit < 0 ? -digit : digit) / 2;
      const auto* point = points + (std::size_t{part} << (width - 2)) + multiple;
      const bool negative = digit < 0;
      __builtin_prefetch(point);
      entries_[place][counts_[place]++] = {point, negative};
    });
  }

  /// The additions of one place.
  void perform(jacobian_point& to, unsigned place) const noexcept {
    for (unsigned i = 0; i < counts_[place]; ++i)
      add_to(to, *entries_[place][i].point, entries_[place][i].negative);
  }

 private:
  struct entry {
    const affine_point* point;
    bool negative;
  };
  // Digits of one part are at least two places apart, but place 32 of part i may follow 31 of it
  // only in the last part: at most one digit a part, a place and a scalar; two scalars.
  std::array<std::uint8_t, places> counts_{};
  std::array<std::array<entry, 2 * table_parts>, places> entries_;
};

/// The odd multiples of 2^(32 i) · P for each part i, with 2^(width−2) of them a part.
template <std::size_t Points>
void make_points(const affine_point& point, std::array<affine_point, Points>& points) noexcept {
  constexpr std::size_t part_points = Points / table_parts;
  std::array<jacobian_point, Points> multiples;
  auto power = to_jacobian(point);
  for (std::size_t part = 0; part < table_parts; ++part) {
    if (part > 0) double_times(power, part_bits);
    const addend step{doubled(power)};
    auto* multiple = &multiples[part * part_points];
    multiple[0] = power;
    for (std::size_t i = 1; i < part_points; ++i) {
      multiple[i] = multiple[i - 1];
      add_to(multiple[i], step, false);
    }
  }
  to_affine(multiples, points);
}

constexpr unsigned base_width = 9;
using base_points = std::array<affine_point, table_parts << (base_width - 2)>;

const base_points& base_table() noexcept {
  static const base_points table = [] {
    base_points made;
    make_points(base_point, made);
    return made;
  }();
  return table;
}

}  // namespace

const affine_point base_point{
    {{0x79e7'30d4'18a9'143c, 0x75ba'95fc'5fed'b601, 0x79fb'732b'7762'2510, 0x1890'5f76'a537'55c6}},
    {{0xddf2'5357'ce95'560a, 0x8b4a'b8e4'ba19'e45c, 0xd2e8'8688'dd21'f325, 0x8571'ff18'2588'5d85}}};

bool read_point(std::span<const std::uint8_t, 64> bytes, affine_point& point) noexcept {
  const auto x = read_words(bytes.first<32>()), y = read_words(bytes.last<32>());
  if (!less(x, field::prime) || !less(y, field::prime)) return false;
  point = {field::from_words(x), field::from_words(y)};
  // x^3 − 3x + b; the curve has no point of small order beside the neutral one.
  const auto cube = multiply(square(point.x), point.x);
  const auto three_x = add(twice(point.x), point.x);
  return square(point.y) == add(subtract(cube, three_x), curve_b);
}

jacobian_point to_jacobian(const affine_point& point) noexcept {
  return {point.x, point.y, field::one};
}

jacobian_point doubled(const jacobian_point& a) noexcept {
  auto result = a;
  double_in_place(result);
  return result;
}

jacobian_point sum(const jacobian_point& a, const jacobian_point& b) noexcept {
  auto result = a;
  add_to(result, addend{b}, false);
  return result;
}

jacobian_point sum(const jacobian_point& a, const affine_point& b, bool minus) noexcept {
  auto result = a;
  add_to(result, b, minus);
  return result;
}

void to_affine(std::span<const jacobian_point> from, std::span<affine_point> to) noexcept {
  // to[i].x holds the product of the Z before i meanwhile: one inversion gives them all.
  auto product = field::one;
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[i].x = product;
    product = multiply(product, from[i].z);
  }
  auto inverse = inverse_of(product);
  for (std::size_t i = from.size(); i-- > 0;) {
    const auto z = multiply(inverse, to[i].x);
    inverse = multiply(inverse, from[i].z);
    const auto z2 = square(z);
    to[i] = {multiply(from[i].x, z2), multiply(from[i].y, multiply(z2, z))};
  }
}

void make_table(const affine_point& point, key_table& table) noexcept {
  make_points(point, table.points);
}

void prepare_base_table() noexcept {
  static_cast<void>(base_table());
}

jacobian_point multiply_and_add(const words256& u, const words256& v,
                                const key_table& table_of_q) noexcept {
  schedule additions;
  additions.add(v, key_width, table_of_q.points.data());
  additions.add(u, base_width, base_table().data());
  jacobian_point result;
  for (unsigned place = schedule::places; place-- > 0;) {
    double_in_place(result);
    additions.perform(result, place);
  }
  return result;
}

jacobian_point multiply_and_add(const words256& u, const words256& v,
                                const affine_point& q) noexcept {
  constexpr unsigned width = 5;
  std::array<std::int8_t, 257> digits{};
  non_adjacent_form(v, width, [&](unsigned position, int digit) {
    digits[position] = static_cast<std::int8_t>(digit);
  });
  const auto first = to_jacobian(q);
  const addend step{doubled(first)};
  const auto next = [&](const addend& previous) {
    auto point = previous.point;
    add_to(point, step, false);
    return addend{point};
  };
  const addend q1{first}, q3 = next(q1), q5 = next(q3), q7 = next(q5), q9 = next(q7),
                          q11 = next(q9), q13 = next(q11), q15 = next(q13);
  const std::array<const addend*, 8> multiples = {&q1, &q3, &q5, &q7, &q9, &q11, &q13, &q15};
  schedule additions;
  additions.add(u, base_width, base_table().data());
  jacobian_point result;
  for (unsigned position = 257; position-- > 0;) {
    double_in_place(result);
    const int digit = digits[position];
    if (digit != 0)
      add_to(result, *multiples[static_cast<unsigned>(digit < 0 ? -digit : digit) / 2], digit < 0);
    if (position < schedule::places) additions.perform(result, position);
  }
  return result;
}

}  // namespace watchkeeper::crypto::p256

#endif
