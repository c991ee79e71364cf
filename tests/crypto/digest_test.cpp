#include <boost/test/unit_test.hpp>

#include <set>

#include "crypto/digest.hpp"
#include "tests/crypto/vectors.hpp"

using namespace watchkeeper;

BOOST_AUTO_TEST_SUITE(digests)

// FIPS 180-4, and the empty message.
BOOST_AUTO_TEST_CASE(sha256_and_hex) {
  BOOST_TEST(crypto::hex(crypto::sha256("abc")) ==
             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  BOOST_TEST(crypto::hex(crypto::sha256("")) ==
             "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  BOOST_TEST(
      crypto::hex(crypto::sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  BOOST_TEST(crypto::hex({}) == "");
  BOOST_TEST(crypto::hex(test::from_hex("00ff7f80")) == "00ff7f80");
}

BOOST_AUTO_TEST_CASE(equality_in_constant_time) {
  const auto a = test::from_hex("00112233");
  BOOST_TEST(crypto::constant_time_equal(a, a));
  BOOST_TEST(crypto::constant_time_equal({}, {}));
  BOOST_TEST(!crypto::constant_time_equal(a, test::from_hex("00112234")));
  BOOST_TEST(!crypto::constant_time_equal(a, test::from_hex("10112233")));
  BOOST_TEST(!crypto::constant_time_equal(a, test::from_hex("001122")));
  BOOST_TEST(!crypto::constant_time_equal(a, {}));
}

BOOST_AUTO_TEST_CASE(random_uuids_are_of_version_4_and_differ) {
  std::set<std::string> all;
  for (int i = 0; i < 100; ++i) {
    const auto uuid = crypto::random_uuid();
    BOOST_REQUIRE(uuid.size() == 36u);
    for (const std::size_t hyphen : {8, 13, 18, 23}) BOOST_TEST(uuid[hyphen] == '-');
    BOOST_TEST(uuid[14] == '4');
    BOOST_TEST(std::string("89ab").find(uuid[19]) != std::string::npos);
    all.insert(uuid);
  }
  BOOST_TEST(all.size() == 100u);
}

BOOST_AUTO_TEST_CASE(random_bytes_fill_and_differ) {
  std::set<test::bytes> seen;
  for (int i = 0; i < 100; ++i) {
    test::bytes b(32);
    crypto::random_bytes(b);
    BOOST_TEST(seen.insert(b).second);
  }
  test::bytes large(100'000);  // more than one system call may give
  crypto::random_bytes(large);
  const std::set<std::uint8_t> values(large.end() - 10'000, large.end());
  BOOST_TEST(values.size() == 256u);
  crypto::random_bytes({});
}

BOOST_AUTO_TEST_SUITE_END()
