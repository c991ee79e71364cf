// The own verification, with and without a table, against OpenSSL's and against Wycheproof.
#include <boost/test/unit_test.hpp>

#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include <cstdlib>
#include <memory>

#include "crypto/es256.hpp"
#include "crypto/p256.hpp"
#include "crypto/p256_fast.hpp"
#include "tests/crypto/p256_support.hpp"
#include "tests/crypto/vectors.hpp"

using namespace watchkeeper;
using namespace watchkeeper::crypto;
using namespace watchkeeper::crypto::p256;
using namespace watchkeeper::test;

namespace {

using octets_64 = std::array<std::uint8_t, 64>;

/// A key with its table.
struct ready_key {
  octets_64 point{};
  bool on_curve = false;
  std::unique_ptr<key_table> table = std::make_unique<key_table>();
  void set(const octets_64& octets) {
    point = octets;
    affine_point read;
    on_curve = read_point(point, read);
    if (on_curve) make_table(read, *table);
  }
};

enum class answer { no, yes, torn };

/// What both ways say; `torn` if they or OpenSSL differ.
answer answer_of(const ready_key& key, const sha256_digest& digest, const octets_64& signature) {
  const bool openssl = p256::verify(key.point, digest, signature);
  const bool plain = verify_fast(key.point, digest, signature);
  const bool tabled = key.on_curve && verify_fast(*key.table, digest, signature);
  if (plain != openssl || tabled != openssl) return answer::torn;
  return openssl ? answer::yes : answer::no;
}

octets_64 joined(const words256& r, const words256& s) {
  octets_64 both;
  const auto first = big_endian(r), second = big_endian(s);
  std::copy(first.begin(), first.end(), both.begin());
  std::copy(second.begin(), second.end(), both.begin() + 32);
  return both;
}

words256 product(const words256& a, const words256& b) {
  return scalar::multiply_montgomery(scalar::multiply_montgomery(a, b), scalar::montgomery_square);
}
words256 opposite(const words256& a) {
  return is_zero(a) ? a : subtract_words(scalar::order, a);
}

octets_64 octets_of(const jacobian_point& point) {
  affine_point affine;
  to_affine({&point, 1}, {&affine, 1});
  return joined(field::to_words(affine.x), field::to_words(affine.y));
}

/// The key by which (r, s) signs e, where r is the x, modulo n, of the given point:
/// Q = (s R − e G) / r. Nobody knows its secret.
octets_64 key_for(const affine_point& r_point, const words256& r, const words256& s,
                  const words256& e) {
  const auto inverse_r = inverse(r, scalar::order_modulus);
  return octets_of(
      multiply_and_add(opposite(product(e, inverse_r)), product(s, inverse_r), r_point));
}

std::size_t check_file(const std::string& file, bool raw) {
  const auto vectors = wycheproof(file);
  std::size_t all = 0;
  ready_key key;
  for (const auto& group : vectors.at("testGroups")) {
    const auto encoded = from_hex(group.at("publicKey").at("uncompressed").get<std::string>());
    octets_64 point;
    std::copy(encoded.begin() + 1, encoded.end(), point.begin());
    key.set(point);
    for (const auto& test : group.at("tests")) {
      const auto digest = sha256(as_text(from_hex(test.at("msg"))));
      const auto bytes = from_hex(test.at("sig"));
      octets_64 signature{};
      if (raw) {
        if (bytes.size() != 64) continue;  // signature_verifier refuses it before
        std::copy(bytes.begin(), bytes.end(), signature.begin());
      } else {
        // DER that OpenSSL takes, as r‖s: more numbers for both.
        const unsigned char* at = bytes.data();
        ECDSA_SIG* parsed = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(bytes.size()));
        const bool fits =
            parsed && BN_bn2binpad(ECDSA_SIG_get0_r(parsed), signature.data(), 32) == 32 &&
            BN_bn2binpad(ECDSA_SIG_get0_s(parsed), signature.data() + 32, 32) == 32 &&
            !BN_is_negative(ECDSA_SIG_get0_r(parsed)) && !BN_is_negative(ECDSA_SIG_get0_s(parsed));
        ECDSA_SIG_free(parsed);
        ERR_clear_error();
        if (!fits) continue;
      }
      ++all;
      const auto got = answer_of(key, digest, signature);
      BOOST_TEST(got != answer::torn, file << " tcId " << test.at("tcId"));
      if (raw)
        BOOST_TEST((got == answer::yes) == (test.at("result") == "valid"),
                   file << " tcId " << test.at("tcId"));
      else if (test.at("result") == "valid")
        BOOST_TEST(got == answer::yes, file << " tcId " << test.at("tcId"));
    }
  }
  return all;
}

/// P256_TEST_TIMES asks for a longer run by hand.
int times_or(int usual) {
  const char* asked = std::getenv("P256_TEST_TIMES");
  return asked ? std::atoi(asked) : usual;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(p256_verify, *boost::unit_test::precondition(processor_has_it))

BOOST_AUTO_TEST_CASE(wycheproof_by_both_ways) {
  BOOST_TEST(check_file("ecdsa_secp256r1_sha256_p1363_test.json", true) > 240u);
  BOOST_TEST(check_file("ecdsa_secp256r1_sha256_test.json", false) > 240u);
}

// Keys, messages and signatures at random; half of them with a bit flipped anywhere.
BOOST_AUTO_TEST_CASE(random_and_flipped_signatures) {
  std::mt19937_64 random{20'261'122};
  const int times = times_or(25'000);
  ready_key key;
  private_key secret{};
  int valid = 0;
  for (int i = 0; i < times; ++i) {
    if (i % 32 == 0) {
      octets_64 point;
      generate(secret, point);
      key.set(point);
    }
    sha256_digest digest;
    for (auto& byte : digest) byte = static_cast<std::uint8_t>(random());
    const auto signature = sign(secret, digest);
    const auto got = answer_of(key, digest, signature);
    BOOST_REQUIRE(got == answer::yes);
    ++valid;
    auto flipped = signature;
    auto flipped_digest = digest;
    const auto bit = random() % 768;
    const auto mask = static_cast<std::uint8_t>(1u << bit % 8);
    if (bit < 512)
      flipped[bit / 8] ^= mask;
    else
      flipped_digest[bit / 8 - 64] ^= mask;
    BOOST_REQUIRE(answer_of(key, flipped_digest, flipped) == answer::no);
    // −s signs as well: ECDSA is malleable, and both must say so.
    auto s = read_words(std::span<const std::uint8_t, 64>{signature}.last<32>());
    const auto r = read_words(std::span<const std::uint8_t, 64>{signature}.first<32>());
    if (i % 16 == 0) BOOST_REQUIRE(answer_of(key, digest, joined(r, opposite(s))) == answer::yes);
  }
  BOOST_TEST(valid == times);
}

// x of the point lies in [n, p): r = x − n, and r + n has to be tried.
BOOST_AUTO_TEST_CASE(x_above_the_order) {
  EC_GROUP* group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  EC_POINT* point = EC_POINT_new(group);
  spiky_numbers numbers{1};
  ready_key key;
  int found = 0;
  const auto p_minus_n = subtract_words(field::prime, scalar::order);
  for (int i = 0; i < 200; ++i) {
    // From both ends of the range.
    const words256 distance{static_cast<std::uint64_t>(i / 2 + 1), 0, 0, 0};
    const auto r = i % 2 == 0 ? distance : subtract_words(p_minus_n, distance);
    const number x{add_words(r, scalar::order)};
    if (EC_POINT_set_compressed_coordinates(group, point, x.value, i / 2 % 2, nullptr) != 1)
      continue;
    ++found;
    std::array<std::uint8_t, 65> encoded;
    EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, encoded.data(), 65, nullptr);
    octets_64 octets;
    std::copy(encoded.begin() + 1, encoded.end(), octets.begin());
    affine_point r_point;
    BOOST_REQUIRE(read_point(octets, r_point));
    auto s = numbers.below(scalar::order);
    if (is_zero(s)) s = {1, 0, 0, 0};
    const auto e = numbers.below(scalar::order);
    key.set(key_for(r_point, r, s, e));
    BOOST_TEST(answer_of(key, big_endian(e), joined(r, s)) == answer::yes);
    // x itself is no r: it is not below the order.
    BOOST_TEST(
        (answer_of(key, big_endian(e), joined(add_words(r, scalar::order), s)) == answer::no));
    BOOST_TEST(
        (answer_of(key, big_endian(e), joined(add_words(r, {1, 0, 0, 0}), s)) == answer::no));
  }
  EC_POINT_free(point);
  EC_GROUP_free(group);
  ERR_clear_error();  // of x that no point has
  BOOST_TEST(found > 50);
}

// Just beyond that range, r + n is not below p: it must not be tried modulo p.
BOOST_AUTO_TEST_CASE(r_plus_n_above_the_prime) {
  EC_GROUP* group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  EC_POINT* point = EC_POINT_new(group);
  ready_key key;
  int found = 0;
  const auto p_minus_n = subtract_words(field::prime, scalar::order);
  for (std::uint64_t i = 0; i < 60; ++i) {
    // A point with x = i signs with r = i; one who claims r = i + p − n must not pass, though
    // r + n = i modulo p.
    const number x{{i, 0, 0, 0}};
    if (EC_POINT_set_compressed_coordinates(group, point, x.value, 0, nullptr) != 1) continue;
    ++found;
    std::array<std::uint8_t, 65> encoded;
    EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, encoded.data(), 65, nullptr);
    octets_64 octets;
    std::copy(encoded.begin() + 1, encoded.end(), octets.begin());
    affine_point r_point;
    BOOST_REQUIRE(read_point(octets, r_point));
    const words256 s{7, 0, 0, 0}, e{11, 0, 0, 0};
    const auto claimed = add_words(p_minus_n, {i, 0, 0, 0});
    key.set(key_for(r_point, claimed, s, e));
    BOOST_TEST(answer_of(key, big_endian(e), joined(claimed, s)) == answer::no);
    if (i == 0) continue;
    key.set(key_for(r_point, {i, 0, 0, 0}, s, e));
    BOOST_TEST(answer_of(key, big_endian(e), joined({i, 0, 0, 0}, s)) == answer::yes);
  }
  EC_POINT_free(point);
  EC_GROUP_free(group);
  ERR_clear_error();  // of x that no point has
  BOOST_TEST(found > 20);
}

// Every pair of special r, s, and a digest, under keys at random, G, −G and small multiples.
BOOST_AUTO_TEST_CASE(special_numbers) {
  std::vector<words256> values;
  for (const auto& edge : edges_below(scalar::order))
    if (values.size() < 400) values.push_back(edge);
  const words256 all_ones{~0ull, ~0ull, ~0ull, ~0ull};
  for (const auto& out :
       {words256{}, scalar::order, add_words(scalar::order, {1, 0, 0, 0}), field::prime, all_ones})
    values.push_back(out);
  std::vector<words256> digests = {{},
                                   {1, 0, 0, 0},
                                   scalar::order,
                                   add_words(scalar::order, {1, 0, 0, 0}),
                                   subtract_words(scalar::order, {1, 0, 0, 0}),
                                   all_ones};
  ready_key key;
  std::mt19937_64 random{3};
  const affine_point minus_g{base_point.x, field::negate(base_point.y)};
  for (std::uint64_t k = 0; k < 8; ++k) {
    auto point = to_jacobian(k % 2 == 0 ? base_point : minus_g);
    for (std::uint64_t i = 0; i < k / 2; ++i) point = sum(point, base_point, k % 2 != 0);
    key.set(octets_of(point));
    for (int i = 0; i < 400; ++i) {
      const auto& r = values[random() % values.size()];
      const auto& s = values[random() % values.size()];
      const auto& e = digests[random() % digests.size()];
      BOOST_REQUIRE(answer_of(key, big_endian(e), joined(r, s)) != answer::torn);
    }
    // Signatures that are valid by construction: R = t G, Q = k' G.
    for (std::uint64_t t = 1; t < 20; ++t)
      for (const auto& e : digests) {
        const auto r_point = multiply_and_add({t, 0, 0, 0}, {}, base_point);
        const auto r_octets = octets_of(r_point);
        const auto r = read_words(std::span<const std::uint8_t, 64>{r_octets}.first<32>());
        if (!less(r, scalar::order)) continue;
        // s = (e + r d) / t with d = ±(k / 2 + 1).
        const words256 size{k / 2 + 1, 0, 0, 0};
        const auto d = k % 2 == 0 ? size : opposite(size);
        const number left{less(e, scalar::order) ? e : subtract_words(e, scalar::order)};
        const number right{product(r, d)}, n{scalar::order}, divisor{{t, 0, 0, 0}};
        number s;
        BN_CTX* context = BN_CTX_new();
        BN_mod_add(s.value, left.value, right.value, n.value, context);
        BN_mod_inverse(divisor.value, divisor.value, n.value, context);
        BN_mod_mul(s.value, s.value, divisor.value, n.value, context);
        BN_CTX_free(context);
        if (BN_is_zero(s.value)) continue;
        BOOST_REQUIRE(answer_of(key, big_endian(e), joined(r, s.words())) == answer::yes);
      }
  }
}

BOOST_AUTO_TEST_CASE(keys_off_the_curve) {
  private_key secret{};
  octets_64 point;
  generate(secret, point);
  const auto digest = sha256("m");
  const auto signature = sign(secret, digest);
  ready_key key;
  for (std::size_t bit = 0; bit < 512; ++bit) {
    auto bad = point;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    key.set(bad);
    BOOST_TEST(!key.on_curve);
    BOOST_TEST(answer_of(key, digest, signature) == answer::no);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(es256_choice)

BOOST_AUTO_TEST_CASE(the_self_test_knows_right_from_wrong) {
  BOOST_TEST(es256::passes_self_test(p256::verify));
  BOOST_TEST(
      !es256::passes_self_test([](point_bytes, const sha256_digest&,
                                  std::span<const std::uint8_t, 64>) noexcept { return true; }));
  BOOST_TEST(
      !es256::passes_self_test([](point_bytes, const sha256_digest&,
                                  std::span<const std::uint8_t, 64>) noexcept { return false; }));
  // One that does not try r + n.
  BOOST_TEST(!es256::passes_self_test([](point_bytes point, const sha256_digest& digest,
                                         std::span<const std::uint8_t, 64> signature) noexcept {
    return signature[31] != 3 && p256::verify(point, digest, signature);
  }));
}

BOOST_AUTO_TEST_CASE(the_choice_is_made_once) {
  const auto first = es256::use(es256::choice::automatic);
  BOOST_TEST(first == es256::in_use());
  BOOST_TEST(es256::use(es256::choice::openssl) == first);
  BOOST_TEST(!es256::reason_of(first).empty());
  if (processor_has_it(0)) {
    BOOST_TEST(first == es256::arithmetic::own);
    BOOST_TEST(es256::name_of(first) == "own");
  } else {
    BOOST_TEST(first == es256::arithmetic::openssl_for_processor);
    BOOST_TEST(es256::name_of(first) == "openssl");
  }
}

BOOST_AUTO_TEST_SUITE_END()
