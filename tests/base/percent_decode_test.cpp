#include "base/percent_decode.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace watchkeeper;

BOOST_AUTO_TEST_SUITE(percent_decode_test)

BOOST_AUTO_TEST_CASE(every_byte_in_both_cases) {
  for (const bool upper : {false, true}) {
    const std::string_view digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    for (unsigned byte = 0; byte < 256; ++byte) {
      const std::string text = std::string("x%") + digits[byte >> 4U] + digits[byte & 15U] + "y";
      const auto plain = percent_decoded(text);
      BOOST_REQUIRE_MESSAGE(plain.has_value(), text);
      BOOST_TEST(*plain == std::string("x") + static_cast<char>(byte) + "y");
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_escape_stays) {
  BOOST_TEST(percent_decoded("").value() == "");
  BOOST_TEST(percent_decoded("a+b/c?d\xff").value() == "a+b/c?d\xff");
  BOOST_TEST(percent_decoded("%2541").value() == "%41");  // once, not twice
}

BOOST_AUTO_TEST_CASE(a_malformed_escape_is_refused) {
  for (const auto* text : {"%", "%4", "a%", "%g0", "%0g", "%%41", "%-1", "% 1", "%4\x80"})
    BOOST_TEST(!percent_decoded(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(the_output_has_a_limit) {
  char out[3] = {};
  BOOST_TEST(percent_decode("%41bc", out, sizeof out) == 3u);
  BOOST_TEST(std::string_view(out, 3) == "Abc");
  BOOST_TEST(percent_decode("%41bcd", out, sizeof out) == std::string_view::npos);
  BOOST_TEST(percent_decode("a", out, 0) == std::string_view::npos);
  BOOST_TEST(percent_decode("", out, 0) == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
