#include "base/json_writer.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

using namespace watchkeeper;
using nlohmann::json;

namespace {

std::string json_of_text(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

constexpr const char* fffd = "\xef\xbf\xbd";

/// What another implementation writes.
std::string expected(std::string_view text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

template <class Write>
std::string written(Write write) {
  std::string out;
  json_writer writer(out);
  write(writer);
  return out;
}

std::uint64_t seed() {
  const char* text = std::getenv("WATCHKEEPER_SEED");
  return text == nullptr ? 7 : std::strtoull(text, nullptr, 10);
}

/// Pieces that are likely to be wrong next to each other.
std::string random_text(std::mt19937_64& random) {
  static const std::string pieces[] = {"a",
                                       "\"",
                                       "\\",
                                       "/",
                                       std::string(1, '\0'),
                                       "\b",
                                       "\f",
                                       "\n",
                                       "\r",
                                       "\t",
                                       "\x01",
                                       "\x1f",
                                       "\x7f",
                                       "\xc3\xbc",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x8e\xac",
                                       "\xef\xbf\xbd",
                                       "\xed\xa0\x80",
                                       "\xed\xbf\xbf",
                                       "\xc0\xaf",
                                       "\xe0\x80\xaf",
                                       "\xf4\x90\x80\x80",
                                       "\x80",
                                       "\xff",
                                       "\xe2\x82",
                                       "\xf0\x9f",
                                       "\xf0\x9f\x8e"};
  std::string text;
  const auto length = random() % 12;
  for (std::uint64_t i = 0; i < length; ++i) {
    if (random() % 3 == 0)
      text += static_cast<char>(random() & 0xff);
    else
      text += pieces[random() % std::size(pieces)];
  }
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(json_writers)

BOOST_AUTO_TEST_CASE(every_byte_and_every_pair_of_bytes_is_written_as_elsewhere) {
  for (int a = 0; a < 256; ++a) {
    const std::string one(1, static_cast<char>(a));
    BOOST_TEST(json_of_text(one) == expected(one));
    for (int b = 0; b < 256; ++b) {
      const auto two = one + static_cast<char>(b);
      if (json_of_text(two) != expected(two))
        BOOST_TEST(json_of_text(two) == expected(two), a << ' ' << b);
    }
  }
}

BOOST_AUTO_TEST_CASE(random_texts_are_written_as_elsewhere_and_read_back) {
  std::mt19937_64 random(seed());
  for (int i = 0; i < 50'000; ++i) {
    const auto text = random_text(random);
    const auto found = json_of_text(text);
    BOOST_REQUIRE_MESSAGE(found == expected(text),
                          found << " instead of " << expected(text) << ", seed " << seed());
    // What was well-formed comes back as it was.
    std::string again;
    append_json_string(again, json::parse(found).get<std::string>());
    BOOST_REQUIRE(again == found);
  }
}

BOOST_AUTO_TEST_CASE(quoting) {
  BOOST_TEST(json_of_text("") == "\"\"");
  BOOST_TEST(json_of_text("a\"b\\c/d") == R"("a\"b\\c/d")");
  BOOST_TEST(json_of_text("\n\r\t\x01\x1f\x7f") == "\"\\n\\r\\t\\u0001\\u001f\x7f\"");
  BOOST_TEST(json_of_text(std::string_view("\0", 1)) == "\"\\u0000\"");
  BOOST_TEST(json_of_text("Grüße \xe2\x82\xac \xf0\x9f\x8e\xac") ==
             "\"Grüße \xe2\x82\xac \xf0\x9f\x8e\xac\"");
}

BOOST_AUTO_TEST_CASE(invalid_utf8_is_replaced_as_unicode_recommends) {
  const auto replaced = [](int times, const std::string& rest = "") {
    std::string out = "\"";
    for (int i = 0; i < times; ++i) out += fffd;
    return out + rest + "\"";
  };
  BOOST_TEST(json_of_text("\x80") == replaced(1));              // lone continuation
  BOOST_TEST(json_of_text("\xff\xfe") == replaced(2));          // never in UTF-8
  BOOST_TEST(json_of_text("\xc0\xaf") == replaced(2));          // overlong
  BOOST_TEST(json_of_text("\xe0\x80\xaf") == replaced(3));      // overlong
  BOOST_TEST(json_of_text("\xf0\x80\x80\xaf") == replaced(4));  // overlong
  BOOST_TEST(json_of_text("\xed\xa0\x80") == replaced(3));      // surrogate
  BOOST_TEST(json_of_text("\xf4\x90\x80\x80") == replaced(4));  // above U+10FFFF
  BOOST_TEST(json_of_text("\xe2\x82") == replaced(1));          // cut short at the end
  BOOST_TEST(json_of_text("\xe2\x82x") == replaced(1, "x"));    // and in the middle
  BOOST_TEST(json_of_text("\xf0\x9f\x8e\"") == replaced(1, "\\\""));
}

BOOST_AUTO_TEST_CASE(commas_stand_between_values_and_nowhere_else) {
  const auto text = written([](json_writer& w) {
    w.begin_object().key("empty").begin_object().end_object();
    w.key("list").begin_array().value(1).value("two").null().begin_array().end_array();
    w.begin_object().member("a", true).member("b\"", false).end_object().end_array();
    w.member("n", std::uint64_t{0}).key("raw").raw("[1]").end_object();
  });
  BOOST_TEST(text ==
             R"({"empty":{},"list":[1,"two",null,[],{"a":true,"b\"":false}],"n":0,"raw":[1]})");
  BOOST_TEST(json::accept(text));
}

BOOST_AUTO_TEST_CASE(a_value_may_be_appended_by_hand) {
  const auto text = written([](json_writer& w) { w.begin_array().value(1); });
  std::string out;
  json_writer list(out);
  list.begin_array().value(1).begin_value();
  json_writer(out).begin_object().member("a", 2).end_object();
  list.value(3).end_array();
  BOOST_TEST(out == R"([1,{"a":2},3])");
  BOOST_TEST(text == "[1");
}

BOOST_AUTO_TEST_CASE(numbers) {
  const auto number = [](auto value) { return written([&](json_writer& w) { w.value(value); }); };
  BOOST_TEST(number(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  BOOST_TEST(number(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  BOOST_TEST(number(std::uint8_t{200}) == "200");
  BOOST_TEST(number(12.35) == "12.35");
  BOOST_TEST(number(0.0) == "0");
  BOOST_TEST(number(std::numeric_limits<double>::infinity()) == "null");
  BOOST_TEST(number(std::numeric_limits<double>::quiet_NaN()) == "null");
  std::mt19937_64 random(seed());
  for (int i = 0; i < 10'000; ++i) {
    const auto value =
        static_cast<double>(random()) / static_cast<double>(1 + random() % 1'000'000);
    BOOST_REQUIRE(json::parse(number(value)).get<double>() == value);
  }
}

BOOST_AUTO_TEST_CASE(decimals) {
  const auto fixed = [](std::int64_t scaled, int decimals) {
    return written([&](json_writer& w) { w.fixed(scaled, decimals); });
  };
  const auto trimmed = [](std::int64_t scaled, int decimals) {
    return written([&](json_writer& w) { w.trimmed(scaled, decimals); });
  };
  BOOST_TEST(fixed(2833, 2) == "28.33");
  BOOST_TEST(fixed(6, 2) == "0.06");
  BOOST_TEST(fixed(0, 2) == "0.00");
  BOOST_TEST(fixed(-1005, 3) == "-1.005");
  BOOST_TEST(fixed(7, 0) == "7");
  BOOST_TEST(fixed(std::numeric_limits<std::int64_t>::min(), 2) == "-92233720368547758.08");
  BOOST_TEST(trimmed(2833, 2) == "28.33");
  BOOST_TEST(trimmed(2830, 2) == "28.3");
  BOOST_TEST(trimmed(2800, 2) == "28");
  BOOST_TEST(trimmed(0, 2) == "0");
}

BOOST_AUTO_TEST_SUITE_END()
