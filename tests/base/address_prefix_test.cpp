#include <boost/test/unit_test.hpp>

#include "base/address_prefix.hpp"

using namespace watchkeeper;

namespace {
using address = std::array<std::uint8_t, 16>;
}

BOOST_AUTO_TEST_SUITE(address_prefixes)

BOOST_AUTO_TEST_CASE(an_ipv4_address_counts_whole) {
  const address one{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
  const address other{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 2};
  BOOST_CHECK(address_prefix_of(one) == one);
  BOOST_CHECK(address_prefix_of(other) != address_prefix_of(one));
}

BOOST_AUTO_TEST_CASE(an_ipv4_address_behind_a_translator_counts_whole) {
  const address one{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1};
  const address other{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 2};
  BOOST_CHECK(address_prefix_of(one) == one);
  BOOST_CHECK(address_prefix_of(other) != address_prefix_of(one));
}

BOOST_AUTO_TEST_CASE(an_ipv6_address_counts_by_its_first_64_bits) {
  const address one{0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const address neighbour{0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 0xff, 0xff, 0, 0, 0, 0, 0, 1};
  const address elsewhere{0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 3, 3, 4, 5, 6, 7, 8, 9, 10};
  BOOST_CHECK(address_prefix_of(one) == address_prefix_of(neighbour));
  BOOST_CHECK(address_prefix_of(one) != address_prefix_of(elsewhere));
  BOOST_CHECK(address_prefix_of(one) == (address{0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2}));
}

BOOST_AUTO_TEST_SUITE_END()
