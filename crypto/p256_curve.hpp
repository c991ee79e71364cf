#pragma once

#if defined(__x86_64__)

#include <array>
#include <cstdint>
#include <span>

#include "crypto/p256_field.hpp"
#include "crypto/p256_scalar.hpp"

/// The group of P-256 (FIPS 186-4, D.1.2.3): y^2 = x^3 − 3x + b. For public values only; needs a
/// processor with BMI2 and ADX. Any thread.
namespace watchkeeper::crypto::p256 {

/// A point that is not the neutral one. One line of the cache.
struct alignas(64) affine_point {
  field_element x, y;
  friend bool operator==(const affine_point&, const affine_point&) = default;
};

/// x = X / Z^2, y = Y / Z^3; Z = 0 for the neutral point.
struct jacobian_point {
  field_element x = field::one, y = field::one, z;
  [[nodiscard]] bool is_neutral() const noexcept { return field::is_zero(z); }
};

extern const affine_point base_point;  // G

/// False for coordinates that are not below p, or not those of a point.
bool read_point(std::span<const std::uint8_t, 64> bytes, affine_point& point) noexcept;

jacobian_point to_jacobian(const affine_point& point) noexcept;
jacobian_point doubled(const jacobian_point& a) noexcept;
/// Complete: for equal and opposite points, and for the neutral one, as for any others.
jacobian_point sum(const jacobian_point& a, const jacobian_point& b) noexcept;
/// a + b, or a − b. Complete too.
jacobian_point sum(const jacobian_point& a, const affine_point& b, bool subtract) noexcept;

/// With one inversion for all of them. None may be the neutral point; both have the same size.
void to_affine(std::span<const jacobian_point> from, std::span<affine_point> to) noexcept;

/// A scalar is cut into eight parts of 32 bits, so that 32 doublings do for all: part i has its own
/// odd multiples of 2^(32 i) · P.
inline constexpr std::size_t table_parts = 8;
inline constexpr unsigned part_bits = 32;

/// The multiples 1, 3, 5 and 7 of each part: what a non-adjacent form of width 4 needs.
inline constexpr unsigned key_width = 4;
struct key_table {
  static constexpr std::size_t part_points = std::size_t{1} << (key_width - 2);
  std::array<affine_point, table_parts * part_points> points;
};
static_assert(sizeof(key_table) == 2048);

/// Makes the table of a point of the curve: about two thirds of a verification.
void make_table(const affine_point& point, key_table& table) noexcept;

/// u · G + v · Q for u and v below the order.
jacobian_point multiply_and_add(const words256& u, const words256& v,
                                const affine_point& q) noexcept;
jacobian_point multiply_and_add(const words256& u, const words256& v,
                                const key_table& table_of_q) noexcept;

/// Makes the table of G at the first call; later ones cost nothing.
void prepare_base_table() noexcept;

}  // namespace watchkeeper::crypto::p256

#endif
