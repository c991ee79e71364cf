// The points of the own P-256 against OpenSSL's.
#include <boost/test/unit_test.hpp>

#include <openssl/err.h>

#include <memory>

#include "crypto/p256_fast.hpp"
#include "tests/crypto/p256_support.hpp"

using namespace watchkeeper::test;
using namespace watchkeeper::crypto::p256;

namespace {

using point_octets = std::array<std::uint8_t, 64>;  // x‖y; zeros for the neutral point

class reference_curve {
 public:
  ~reference_curve() {
    EC_POINT_free(point_);
    EC_POINT_free(other_);
    EC_GROUP_free(group_);
    BN_CTX_free(context_);
  }

  /// u G + v Q.
  point_octets multiply_and_add(const words256& u, const words256& v, const point_octets& q) {
    const number u_number{u}, v_number{v};
    read(q, other_);
    EC_POINT_mul(group_, point_, u_number.value, other_, v_number.value, context_);
    return written();
  }
  point_octets multiple_of_base(const words256& u) {
    const number u_number{u};
    EC_POINT_mul(group_, point_, u_number.value, nullptr, nullptr, context_);
    return written();
  }
  point_octets sum(const point_octets& a, const point_octets& b) {
    read(a, point_);
    read(b, other_);
    EC_POINT_add(group_, point_, point_, other_, context_);
    return written();
  }

 private:
  void read(const point_octets& octets, EC_POINT* to) {
    if (octets == point_octets{}) {
      EC_POINT_set_to_infinity(group_, to);
      return;
    }
    std::array<std::uint8_t, 65> encoded{4};
    std::copy(octets.begin(), octets.end(), encoded.begin() + 1);
    BOOST_REQUIRE(EC_POINT_oct2point(group_, to, encoded.data(), 65, context_) == 1);
  }
  point_octets written() {
    point_octets octets{};
    std::array<std::uint8_t, 65> encoded;
    if (EC_POINT_is_at_infinity(group_, point_)) return octets;
    BOOST_REQUIRE(EC_POINT_point2oct(group_, point_, POINT_CONVERSION_UNCOMPRESSED, encoded.data(),
                                     65, context_) == 65);
    std::copy(encoded.begin() + 1, encoded.end(), octets.begin());
    return octets;
  }

  BN_CTX* context_ = BN_CTX_new();
  EC_GROUP* group_ = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  EC_POINT* point_ = EC_POINT_new(group_);
  EC_POINT* other_ = EC_POINT_new(group_);
};

point_octets octets_of(const affine_point& point) {
  point_octets octets;
  const auto x = big_endian(field::to_words(point.x)), y = big_endian(field::to_words(point.y));
  std::copy(x.begin(), x.end(), octets.begin());
  std::copy(y.begin(), y.end(), octets.begin() + 32);
  return octets;
}

point_octets octets_of(const jacobian_point& point) {
  if (point.is_neutral()) return {};
  affine_point affine;
  to_affine({&point, 1}, {&affine, 1});
  return octets_of(affine);
}

affine_point point_of(const point_octets& octets) {
  affine_point point;
  BOOST_REQUIRE(read_point(octets, point));
  return point;
}

/// The same point with another Z.
jacobian_point scaled(const jacobian_point& p, const field_element& z) {
  const auto z2 = field::square(z);
  return {field::multiply(p.x, z2), field::multiply(p.y, field::multiply(z2, z)),
          field::multiply(p.z, z)};
}

/// k G for k from −9 to 9 and others whose multiples lie in the tables of G: k 2^(32 i).
std::vector<words256> coinciding_factors() {
  std::vector<words256> all;
  const auto keep = [&](const words256& k) {
    all.push_back(k);
    all.push_back(subtract_words(scalar::order, k));
  };
  for (std::uint64_t k = 1; k < 10; ++k) keep({k, 0, 0, 0});
  for (const std::uint64_t k : {15, 16, 31, 127, 128, 129, 253, 255, 256, 257}) keep({k, 0, 0, 0});
  for (unsigned i = 1; i < 8; ++i)
    for (const std::uint64_t k : {1, 2, 3, 7}) {
      words256 factor{};
      factor[i / 2] = k << i % 2 * 32;
      keep(factor);
    }
  keep({0x1'0000'0001, 0, 0, 0});
  return all;
}

/// u and v that are themselves special.
std::vector<words256> special_scalars() {
  auto all = edges_below(scalar::order);
  // Digits that repeat, and a form of 257 digits.
  for (const std::uint64_t word :
       {0x5555'5555'5555'5555u, 0xaaaa'aaaa'aaaa'aaaau, 0x7777'7777'7777'7777u,
        0x8888'8888'8888'8888u, 0x0000'0001'0000'0001u, 0x8000'0000'8000'0000u}) {
    const words256 made{word, word, word, word};
    if (less(made, scalar::order)) all.push_back(made);
  }
  return all;
}

void check_both(reference_curve& curve, const words256& u, const words256& v, const point_octets& q,
                const affine_point& point, const key_table& table) {
  const auto wanted = curve.multiply_and_add(u, v, q);
  BOOST_REQUIRE(octets_of(multiply_and_add(u, v, point)) == wanted);
  BOOST_REQUIRE(octets_of(multiply_and_add(u, v, table)) == wanted);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(p256_curve, *boost::unit_test::precondition(processor_has_it))

BOOST_AUTO_TEST_CASE(the_base_point) {
  reference_curve curve;
  BOOST_TEST(octets_of(base_point) == curve.multiple_of_base({1, 0, 0, 0}));
}

BOOST_AUTO_TEST_CASE(points_off_the_curve_are_refused) {
  auto good = octets_of(base_point);
  affine_point read;
  BOOST_TEST(read_point(good, read));
  for (std::size_t bit = 0; bit < 512; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    BOOST_TEST(!read_point(bad, read));
  }
  BOOST_TEST(!read_point(point_octets{}, read));
  // The same point with p added to a coordinate, where that fits into 256 bits.
  reference_curve curve;
  int small = 0;
  for (std::uint64_t x = 0; x < 40; ++x) {
    EC_GROUP* group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT* point = EC_POINT_new(group);
    const number wanted{{x, 0, 0, 0}};
    if (EC_POINT_set_compressed_coordinates(group, point, wanted.value, 0, nullptr) == 1) {
      std::array<std::uint8_t, 65> encoded;
      EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, encoded.data(), 65, nullptr);
      point_octets octets;
      std::copy(encoded.begin() + 1, encoded.end(), octets.begin());
      BOOST_TEST(read_point(octets, read));
      const auto above = big_endian(add_words(field::prime, {x, 0, 0, 0}));
      std::copy(above.begin(), above.end(), octets.begin());
      BOOST_TEST(!read_point(octets, read));
      ++small;
    }
    EC_POINT_free(point);
    EC_GROUP_free(group);
  }
  ERR_clear_error();  // of x that no point has
  BOOST_TEST(small > 5);
}

BOOST_AUTO_TEST_CASE(sums) {
  reference_curve curve;
  spiky_numbers numbers{2};
  for (int i = 0; i < 500; ++i) {
    const auto a = curve.multiple_of_base(numbers.below(scalar::order));
    const auto b = curve.multiple_of_base(numbers.below(scalar::order));
    if (a == point_octets{} || b == point_octets{}) continue;
    const auto z = field::from_words(numbers.below(field::prime));
    if (field::is_zero(z)) continue;
    const auto p = scaled(to_jacobian(point_of(a)), z);
    const auto q = to_jacobian(point_of(b));
    const auto q_scaled = scaled(q, field::square(field::add(z, field::one)));
    if (q_scaled.is_neutral()) continue;
    BOOST_REQUIRE(octets_of(sum(p, q_scaled)) == curve.sum(a, b));
    BOOST_REQUIRE(octets_of(sum(p, point_of(b), false)) == curve.sum(a, b));
    BOOST_REQUIRE(octets_of(sum(sum(p, point_of(b), true), q)) == a);
    BOOST_REQUIRE(octets_of(doubled(p)) == curve.sum(a, a));
  }
}

BOOST_AUTO_TEST_CASE(equal_opposite_and_neutral_points) {
  reference_curve curve;
  spiky_numbers numbers{3};
  const jacobian_point neutral;
  BOOST_TEST(doubled(neutral).is_neutral());
  BOOST_TEST(sum(neutral, neutral).is_neutral());
  for (int i = 0; i < 100; ++i) {
    const auto a = curve.multiple_of_base(numbers.below(scalar::order));
    if (a == point_octets{}) continue;
    const auto affine = point_of(a);
    const affine_point opposite{affine.x, field::negate(affine.y)};
    const auto p = to_jacobian(affine);
    const auto p_scaled = scaled(p, field::from_words({numbers(), numbers(), 1, 0}));
    const auto twice = curve.sum(a, a);
    BOOST_TEST(octets_of(sum(p, p_scaled)) == twice);
    BOOST_TEST(octets_of(sum(p_scaled, p)) == twice);
    BOOST_TEST(octets_of(sum(p_scaled, affine, false)) == twice);
    BOOST_TEST(octets_of(sum(p_scaled, opposite, true)) == twice);
    BOOST_TEST(sum(p_scaled, opposite, false).is_neutral());
    BOOST_TEST(sum(p_scaled, affine, true).is_neutral());
    BOOST_TEST(sum(p_scaled, to_jacobian(opposite)).is_neutral());
    BOOST_TEST(octets_of(sum(neutral, p_scaled)) == a);
    BOOST_TEST(octets_of(sum(p_scaled, neutral)) == a);
    BOOST_TEST(octets_of(sum(neutral, affine, false)) == a);
    BOOST_TEST(octets_of(sum(neutral, affine, true)) == octets_of(opposite));
    // What came of an addition of opposites goes on as the neutral point.
    BOOST_TEST(octets_of(sum(doubled(sum(p, opposite, false)), affine, false)) == a);
  }
}

BOOST_AUTO_TEST_CASE(tables_hold_the_multiples) {
  reference_curve curve;
  spiky_numbers numbers{4};
  const auto q = curve.multiple_of_base(numbers.below(scalar::order));
  const auto table = std::make_unique<key_table>();
  make_table(point_of(q), *table);
  for (unsigned part = 0; part < table_parts; ++part)
    for (std::uint64_t i = 0; i < key_table::part_points; ++i) {
      words256 factor{};
      factor[part / 2] = (2 * i + 1) << part % 2 * 32;
      BOOST_TEST(octets_of(table->points[part * key_table::part_points + i]) ==
                 curve.multiply_and_add({}, factor, q));
    }
}

BOOST_AUTO_TEST_CASE(random_double_products) {
  reference_curve curve;
  spiky_numbers numbers{5};
  const auto table = std::make_unique<key_table>();
  for (int i = 0; i < 200; ++i) {
    const auto q = curve.multiple_of_base(numbers.below(scalar::order));
    if (q == point_octets{}) continue;
    const auto point = point_of(q);
    make_table(point, *table);
    for (int j = 0; j < 20; ++j)
      check_both(curve, numbers.below(scalar::order), numbers.below(scalar::order), q, point,
                 *table);
  }
}

BOOST_AUTO_TEST_CASE(special_scalars_with_a_random_point) {
  reference_curve curve;
  spiky_numbers numbers{6};
  const auto q = curve.multiple_of_base(numbers.below(scalar::order));
  const auto point = point_of(q);
  const auto table = std::make_unique<key_table>();
  make_table(point, *table);
  const auto special = special_scalars();
  for (const auto& a : special) {
    check_both(curve, a, {}, q, point, *table);
    check_both(curve, {}, a, q, point, *table);
    check_both(curve, a, a, q, point, *table);
    check_both(curve, a, special[numbers() % special.size()], q, point, *table);
    check_both(curve, numbers.below(scalar::order), a, q, point, *table);
  }
}

// Where Q is a multiple of G that stands in G's tables, sums meet equal and opposite points on the
// way, and at the end the neutral one.
BOOST_AUTO_TEST_CASE(keys_that_coincide_with_the_base_point) {
  reference_curve curve;
  spiky_numbers numbers{7};
  const auto table = std::make_unique<key_table>();
  const auto special = special_scalars();
  for (const auto& k : coinciding_factors()) {
    const auto q = curve.multiple_of_base(k);
    const auto point = point_of(q);
    make_table(point, *table);
    for (int i = 0; i < 8; ++i) {
      const auto u = i < 4 ? special[numbers() % special.size()] : numbers.below(scalar::order);
      check_both(curve, u, u, q, point, *table);
      check_both(curve, u, subtract_words(scalar::order, is_zero(u) ? words256{1, 0, 0, 0} : u), q,
                 point, *table);
      check_both(curve, u, special[numbers() % special.size()], q, point, *table);
      // u = −v k: nothing is left.
      const auto v = numbers.below(scalar::order);
      const auto vk =
          scalar::multiply_montgomery(scalar::multiply_montgomery(v, k), scalar::montgomery_square);
      if (is_zero(vk)) continue;
      const auto minus_vk = subtract_words(scalar::order, vk);
      BOOST_TEST(multiply_and_add(minus_vk, v, point).is_neutral());
      BOOST_TEST(multiply_and_add(minus_vk, v, *table).is_neutral());
      check_both(curve, vk, v, q, point, *table);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
