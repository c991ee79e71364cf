// The field and scalar arithmetic of the own P-256 against OpenSSL's big numbers.
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <iomanip>
#include <sstream>

#include "crypto/p256_fast.hpp"
#include "tests/crypto/p256_support.hpp"

using namespace watchkeeper::test;
using namespace watchkeeper::crypto::p256;

namespace {

/// a · b / 2^256 mod m by OpenSSL.
class reference {
 public:
  explicit reference(const words256& modulus) : modulus_(modulus) {
    number two_256;
    BN_set_bit(two_256.value, 256);
    BN_mod_inverse(inverse_.value, two_256.value, modulus_.value, context_);
  }
  ~reference() { BN_CTX_free(context_); }
  reference(const reference&) = delete;
  reference& operator=(const reference&) = delete;

  words256 montgomery_product(const words256& a, const words256& b) {
    a_.set(a);
    b_.set(b);
    BN_mod_mul(result_.value, a_.value, b_.value, modulus_.value, context_);
    BN_mod_mul(result_.value, result_.value, inverse_.value, modulus_.value, context_);
    return result_.words();
  }
  words256 sum(const words256& a, const words256& b) {
    a_.set(a);
    b_.set(b);
    BN_mod_add(result_.value, a_.value, b_.value, modulus_.value, context_);
    return result_.words();
  }
  words256 difference(const words256& a, const words256& b) {
    a_.set(a);
    b_.set(b);
    BN_mod_sub(result_.value, a_.value, b_.value, modulus_.value, context_);
    return result_.words();
  }
  words256 inverse(const words256& a) {
    a_.set(a);
    BN_mod_inverse(result_.value, a_.value, modulus_.value, context_);
    return result_.words();
  }

 private:
  BN_CTX* context_ = BN_CTX_new();
  number modulus_, inverse_, a_, b_, result_;
};

constexpr odd_modulus prime_modulus{field::prime, 0x3fff'ffff'ffff'ffff};

std::string text_of(const words256& a) {
  std::ostringstream text;
  for (std::size_t i = 4; i-- > 0;) text << std::hex << std::setw(16) << std::setfill('0') << a[i];
  return text.str();
}

/// Whether all five operations agree for these operands; says which if not.
bool agrees(reference& wanted, const words256& a, const words256& b) {
  const field_element x{a}, y{b};
  const bool product = field::multiply(x, y).words == wanted.montgomery_product(a, b);
  const bool square = field::square(x).words == wanted.montgomery_product(a, a);
  const bool sum = field::add(x, y).words == wanted.sum(a, b);
  const bool difference = field::subtract(x, y).words == wanted.difference(a, b);
  const bool opposite = field::negate(x).words == wanted.difference({}, a);
  const bool all = product && square && sum && difference && opposite;
  if (!all)
    BOOST_ERROR(text_of(a) << ' ' << text_of(b) << ": " << product << square << sum << difference
                           << opposite);
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(p256_field, *boost::unit_test::precondition(processor_has_it))

BOOST_AUTO_TEST_CASE(edges_with_edges) {
  reference wanted{field::prime};
  const auto edges = edges_below(field::prime);
  BOOST_TEST(edges.size() > 100u);
  for (const auto& a : edges)
    for (const auto& b : edges) BOOST_REQUIRE(agrees(wanted, a, b));
}

BOOST_AUTO_TEST_CASE(random_operands) {
  reference wanted{field::prime};
  spiky_numbers numbers{20'261'122};
  const int times =
      std::getenv("P256_TEST_TIMES") ? std::atoi(std::getenv("P256_TEST_TIMES")) : 400'000;
  for (int i = 0; i < times; ++i)
    BOOST_REQUIRE(agrees(wanted, numbers.below(field::prime), numbers.below(field::prime)));
}

// The last subtraction happens for about one product in 2^32 of random ones: here for many. With
// b = 1, the reduced sum is a + m p for some m, over 2^256, thus near p for a near p.
BOOST_AUTO_TEST_CASE(results_around_the_prime) {
  reference wanted{field::prime};
  for (std::uint64_t wanted_low = 0; wanted_low < 2'000; ++wanted_low) {
    // Operands whose product is `result`, a small number or one just below p.
    spiky_numbers numbers{wanted_low};
    auto a = numbers.below(field::prime);
    if (is_zero(a)) continue;
    for (const auto& result :
         {words256{wanted_low, 0, 0, 0}, subtract_words(field::prime, {wanted_low + 1, 0, 0, 0})}) {
      // b = result / a, where products are short of 2^256.
      const auto plain = inverse(a, prime_modulus);
      const auto b = field::multiply(
          field::multiply(field::multiply({plain}, field::two_256), field::two_256), {result});
      BOOST_REQUIRE(field::multiply({a}, b).words == result);
      BOOST_REQUIRE(agrees(wanted, a, b.words));
    }
  }
}

BOOST_AUTO_TEST_CASE(operands_may_be_the_same_object) {
  reference wanted{field::prime};
  spiky_numbers numbers{7};
  for (int i = 0; i < 1'000; ++i) {
    const auto start = numbers.below(field::prime);
    field_element a{start};
    a = field::multiply(a, a);
    BOOST_TEST(a.words == wanted.montgomery_product(start, start));
    a = field::square(a);
    a = field::add(a, a);
    a = field::subtract(a, a);
    BOOST_TEST(field::is_zero(a));
  }
}

BOOST_AUTO_TEST_CASE(there_and_back) {
  spiky_numbers numbers{8};
  for (int i = 0; i < 10'000; ++i) {
    const auto a = numbers.below(field::prime);
    BOOST_REQUIRE(field::to_words(field::from_words(a)) == a);
  }
  BOOST_TEST(field::from_words({1, 0, 0, 0}) == field::one);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(p256_scalars)

BOOST_AUTO_TEST_CASE(products) {
  reference wanted{scalar::order};
  spiky_numbers numbers{9};
  const auto edges = edges_below(scalar::order);
  for (const auto& a : edges)
    for (const auto& b : edges)
      BOOST_REQUIRE(scalar::multiply_montgomery(a, b) == wanted.montgomery_product(a, b));
  for (int i = 0; i < 400'000; ++i) {
    const auto a = numbers.below(scalar::order), b = numbers.below(scalar::order);
    BOOST_REQUIRE(scalar::multiply_montgomery(a, b) == wanted.montgomery_product(a, b));
  }
}

BOOST_AUTO_TEST_CASE(inverses) {
  for (const auto& modulus : {scalar::order_modulus, prime_modulus}) {
    reference wanted{modulus.value};
    BOOST_TEST(inverse({}, modulus) == words256{});
    for (const auto& a : edges_below(modulus.value))
      if (!is_zero(a)) BOOST_REQUIRE(inverse(a, modulus) == wanted.inverse(a));
    spiky_numbers numbers{10};
    for (int i = 0; i < 50'000; ++i) {
      const auto a = numbers.below(modulus.value);
      if (!is_zero(a)) BOOST_REQUIRE(inverse(a, modulus) == wanted.inverse(a));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
