#include <boost/test/unit_test.hpp>

#include <openssl/err.h>

#include "crypto/device_key.hpp"
#include "crypto/device_signer.hpp"
#include "tests/crypto/vectors.hpp"

using namespace watchkeeper;
using namespace watchkeeper::crypto;
using namespace watchkeeper::test;

namespace {

const bytes zero(32, 0);
// The base point of P-256 (SEC 2, section 2.4.2) and the prime.
const bytes generator_x =
    from_hex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
const bytes generator_y =
    from_hex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
const bytes p256_prime =
    from_hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");

}  // namespace

BOOST_AUTO_TEST_SUITE(device_keys)

BOOST_AUTO_TEST_CASE(p256_keys_are_points_of_the_curve) {
  const auto good = make_p256_key(generator_x, generator_y);
  BOOST_REQUIRE(good.has_value());
  BOOST_TEST(good->algorithm == signature_algorithm::es256);
  BOOST_TEST(bytes(good->bytes.begin(), good->bytes.begin() + 32) == generator_x);
  BOOST_TEST(bytes(good->bytes.begin() + 32, good->bytes.end()) == generator_y);

  auto off = generator_y;
  off[31] ^= 1;
  BOOST_TEST(make_p256_key(generator_x, off).error() == key_error::not_on_curve);
  BOOST_TEST(make_p256_key(generator_y, generator_x).error() == key_error::not_on_curve);
  BOOST_TEST(make_p256_key(zero, zero).error() == key_error::not_on_curve);
  BOOST_TEST(make_p256_key(p256_prime, generator_y).error() == key_error::not_on_curve);
  BOOST_TEST(make_p256_key(bytes(32, 0xff), bytes(32, 0xff)).error() == key_error::not_on_curve);
}

// x = 0 is on P-256: (0, sqrt(b)). x + p names the same point and must not pass.
BOOST_AUTO_TEST_CASE(p256_coordinates_are_below_the_prime) {
  const auto y = from_hex("66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4");
  BOOST_TEST(make_p256_key(zero, y).has_value());
  BOOST_TEST(make_p256_key(p256_prime, y).error() == key_error::not_on_curve);
}

BOOST_AUTO_TEST_CASE(lengths_are_exact) {
  const bytes shorter(31, 1), longer(33, 1);
  BOOST_TEST(make_p256_key(shorter, generator_y).error() == key_error::wrong_length);
  BOOST_TEST(make_p256_key(generator_x, longer).error() == key_error::wrong_length);
  BOOST_TEST(make_p256_key({}, {}).error() == key_error::wrong_length);
  BOOST_TEST(make_ed25519_key(shorter).error() == key_error::wrong_length);
  BOOST_TEST(make_ed25519_key(longer).error() == key_error::wrong_length);
}

// The list of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko 2020), Table 6: all the
// encodings of the eight points of small order, canonical or not.
BOOST_AUTO_TEST_CASE(ed25519_keys_of_small_order_are_refused) {
  const std::string ff30(60, 'f');
  const std::string canonical[] = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000080",
      "0100000000000000000000000000000000000000000000000000000000000000", "ec" + ff30 + "7f",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
      // x = 0 with the sign bit set: not canonical either, but y is.
      "0100000000000000000000000000000000000000000000000000000000000080", "ec" + ff30 + "ff"};
  for (const auto& key : canonical)
    BOOST_TEST(make_ed25519_key(from_hex(key)).error() == key_error::small_order, key);
}

BOOST_AUTO_TEST_CASE(ed25519_keys_are_canonical) {
  const std::string ff30(60, 'f');
  for (int low = 0xed; low <= 0xff; ++low)
    for (const char* high : {"7f", "ff"}) {
      auto key = from_hex("00" + ff30 + high);
      key[0] = static_cast<std::uint8_t>(low);
      BOOST_TEST(make_ed25519_key(key).error() == key_error::not_canonical);
    }
}

BOOST_AUTO_TEST_CASE(ed25519_keys_are_points_of_the_prime_order_subgroup) {
  // RFC 8032, section 7.1, test 1.
  const auto good = make_ed25519_key(
      from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
  BOOST_REQUIRE(good.has_value());
  BOOST_TEST(good->algorithm == signature_algorithm::eddsa);
  BOOST_TEST(good->raw().size() == 32u);
  // Of the small values of y some are no point at all, and most of the others have a mixed order.
  int refused = 0;
  for (int y = 2; y < 100; ++y) {
    bytes key(32, 0);
    key[0] = static_cast<std::uint8_t>(y);
    const auto made = make_ed25519_key(key);
    if (made) continue;
    ++refused;
    BOOST_TEST(made.error() == key_error::not_canonical);
  }
  BOOST_TEST(refused > 50);
  BOOST_TEST(refused < 98);
}

// RFC 7638 section 3 gives the rule; RFC 8037 appendix A.3 an example with an Ed25519 key.
BOOST_AUTO_TEST_CASE(thumbprint_of_the_rfc_8037_key) {
  const auto x = from_base64url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").value();
  const auto key = make_ed25519_key(x).value();
  BOOST_TEST(public_jwk_json(key) ==
             R"({"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
  BOOST_TEST(thumbprint_of(key).text() == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

BOOST_AUTO_TEST_CASE(a_p256_jwk_has_its_members_in_order) {
  const auto key = make_p256_key(generator_x, generator_y).value();
  const auto text = public_jwk_json(key);
  BOOST_TEST(text ==
             R"({"crv":"P-256","kty":"EC","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",)"
             R"("y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"})");
  BOOST_TEST(nlohmann::json::parse(text).size() == 4u);
}

BOOST_AUTO_TEST_CASE(errors_are_described_and_leave_nothing_in_the_queue) {
  for (const auto e : {key_error::wrong_length, key_error::not_on_curve, key_error::small_order,
                       key_error::not_canonical})
    BOOST_TEST(!describe(e).empty());
  (void)make_p256_key(zero, zero);
  BOOST_TEST(ERR_peek_error() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
