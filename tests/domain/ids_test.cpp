#include <boost/test/unit_test.hpp>

#include <set>

#include "domain/given_id.hpp"
#include "domain/ids.hpp"
#include "tests/domain/support.hpp"

using namespace watchkeeper;

BOOST_AUTO_TEST_SUITE(ids)

BOOST_AUTO_TEST_CASE(every_byte_is_in_the_alphabet_or_not) {
  const std::string alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:@-";
  for (int c = 0; c < 256; ++c) {
    const std::string text{'x', static_cast<char>(c)};
    const bool wanted = alphabet.find(static_cast<char>(c)) != std::string::npos;
    BOOST_TEST(student_id::parse(text).has_value() == wanted, "byte " << c);
  }
}

BOOST_AUTO_TEST_CASE(length_is_1_to_64) {
  BOOST_TEST(!student_id::parse(""));
  BOOST_TEST(student_id::parse(std::string(1, 'a')).has_value());
  BOOST_TEST(student_id::parse(std::string(64, 'a')).has_value());
  BOOST_TEST(!student_id::parse(std::string(65, 'a')));
  BOOST_TEST(student_id{}.empty());
}

/// They disappear from the path of a URL. What a store has of them stays readable.
BOOST_AUTO_TEST_CASE(a_given_id_is_no_segment_that_paths_drop) {
  for (const auto* dropped : {".", ".."}) {
    BOOST_TEST(!parse_given_id<student_id>(dropped));
    BOOST_TEST(student_id::parse(dropped).has_value());
  }
  for (const auto* kept : {"...", ".a", "a..", "-"})
    BOOST_TEST(parse_given_id<student_id>(kept).has_value());
  BOOST_TEST(!parse_given_id<student_id>(""));
}

BOOST_AUTO_TEST_CASE(compares_by_text) {
  const auto a = *student_id::parse("a"), ab = *student_id::parse("ab"),
             b = *student_id::parse("b");
  BOOST_TEST((a < ab && ab < b));
  BOOST_TEST(a == *student_id::parse("a"));
  BOOST_TEST(a != student_id{});
}

// The published test values of XXH64: a changed hash would scatter every stored pair.
BOOST_AUTO_TEST_CASE(stable_hash_has_golden_values) {
  BOOST_TEST(stable_hash("") == 0xef46db3751d8e999ull);
  BOOST_TEST(stable_hash("a") == 0xd24ec4f1a98c6e5bull);
  BOOST_TEST(stable_hash("abc") == 0x44bc2cf5ad770999ull);
}

BOOST_AUTO_TEST_CASE(partitions_are_the_hash_modulo_256_and_all_used) {
  std::set<partition_index> used;
  for (int i = 0; i < 5000; ++i) {
    const auto id = *student_id::parse("student-" + std::to_string(i));
    const auto partition = partition_of(id);
    BOOST_TEST(partition == stable_hash(id.view()) % 256);
    used.insert(partition);
  }
  BOOST_TEST(used.size() == 256u);
  BOOST_TEST(partition_of(*student_id::parse("abc")) == 0x99);
}

BOOST_AUTO_TEST_CASE(hashes_of_keys_tell_their_parts_apart) {
  const auto a = *student_id::parse("a");
  const pair_key one{a, *module_id::parse("b")},
      other{*student_id::parse("b"), *module_id::parse("a")};
  BOOST_TEST(std::hash<pair_key>{}(one) != std::hash<pair_key>{}(other));
  thumbprint t;
  t.bytes[0] = 1;
  const auto s = *session_id::parse("s");
  BOOST_TEST(std::hash<session_key_id>{}({t, s}) != std::hash<session_key_id>{}({thumbprint{}, s}));
}

// RFC 7638, section 3.1.
BOOST_AUTO_TEST_CASE(thumbprints_are_43_characters) {
  const std::string text = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
  const auto kid = thumbprint::parse(text);
  BOOST_REQUIRE(kid.has_value());
  BOOST_TEST(kid->bytes[0] == 0x37);
  BOOST_TEST(kid->text() == text);
  BOOST_TEST(!thumbprint::parse(text.substr(1)));
  BOOST_TEST(!thumbprint::parse(text + "A"));
  BOOST_TEST(!thumbprint::parse(text.substr(0, 42) + "t"));  // unused bits
}

BOOST_AUTO_TEST_SUITE_END()
