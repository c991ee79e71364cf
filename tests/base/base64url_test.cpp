#include <boost/test/unit_test.hpp>

#include <vector>

#include "base/base64url.hpp"
#include "tests/domain/support.hpp"

using namespace watchkeeper;

namespace {

std::string encode_text(std::string_view text) {
  return base64url::encode(
      std::span{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::optional<std::string> decode_text(std::string_view text) {
  std::vector<std::uint8_t> out(text.size() + 1);
  const auto size = base64url::decode(text, out);
  if (!size) return std::nullopt;
  return std::string(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*size));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(base64url_coding)

// RFC 4648, section 10, without the padding.
BOOST_AUTO_TEST_CASE(rfc_4648_vectors) {
  const std::pair<std::string, std::string> vectors[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
  for (const auto& [plain, coded] : vectors) {
    BOOST_TEST(encode_text(plain) == coded);
    BOOST_TEST(decode_text(coded).value() == plain);
  }
}

BOOST_AUTO_TEST_CASE(round_trip_of_any_length) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (std::size_t size = 0; size < 300; ++size) {
      std::vector<std::uint8_t> bytes(size), out(size);
      for (auto& b : bytes) b = random.between<std::uint8_t>(0, 255);
      const auto text = base64url::encode(bytes);
      BOOST_TEST(text.size() == (size * 4 + 2) / 3);
      BOOST_TEST(base64url::decode(text, out).value() == size);
      BOOST_TEST(out == bytes);
      if (size > 0) BOOST_TEST(!base64url::decode(text, std::span{out}.first(size - 1)));
    }
  }
}

// Canonical: of all the texts of up to three characters, exactly those decode that encoding makes.
BOOST_AUTO_TEST_CASE(only_what_encoding_makes_decodes) {
  const std::string characters = "AQgwBZaz09-_+/= .\n\x80\xff";
  std::size_t accepted = 0, refused = 0;
  const auto check = [&](const std::string& text) {
    const auto plain = decode_text(text);
    if (plain) {
      ++accepted;
      BOOST_TEST(encode_text(*plain) == text);
    } else {
      ++refused;
    }
  };
  for (char a : characters)
    for (char b : characters) {
      check({a, b});
      for (char c : characters) check({a, b, c});
    }
  BOOST_TEST(accepted > 100u);
  BOOST_TEST(refused > 1000u);
  BOOST_TEST(!decode_text("A"));
  BOOST_TEST(!decode_text("Zg=="));
  BOOST_TEST(!decode_text("Zh"));
  BOOST_TEST(!decode_text("Zm9"));
}

BOOST_AUTO_TEST_CASE(a_foreign_byte_is_found_at_every_place) {
  const std::string good = "AbCdEfGhIjKlMnOpQrStUvWxYz01-_8";
  BOOST_TEST(decode_text(good).has_value());
  for (std::size_t i = 0; i < good.size(); ++i)
    for (const char bad : {'=', '+', '/', '.', ' ', '\0', '\xff'}) {
      auto text = good;
      text[i] = bad;
      BOOST_TEST(!decode_text(text));
    }
}

BOOST_AUTO_TEST_SUITE_END()
