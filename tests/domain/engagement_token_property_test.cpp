#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdio>

#include "domain/engagement_token.hpp"
#include "tests/domain/reference_token_parser.hpp"
#include "tests/domain/support.hpp"
#include "tests/domain/token_text.hpp"

using namespace watchkeeper;
using namespace watchkeeper::test;

namespace {

bool equal(const token_claims& a, const token_claims& b) {
  return a.student == b.student && a.module == b.module && a.session == b.session &&
         a.sequence == b.sequence && a.interval == b.interval &&
         a.playback_rate_permille == b.playback_rate_permille && a.issued_at_ms == b.issued_at_ms &&
         a.expires_at_ms == b.expires_at_ms && a.key_offer == b.key_offer;
}

bool equal(const result<engagement_token, problem>& a, const result<engagement_token, problem>& b) {
  if (a.has_value() != b.has_value()) return false;
  if (!a.has_value()) return a.error() == b.error();
  return a->algorithm == b->algorithm && a->device == b->device && equal(a->claims, b->claims) &&
         a->signing_input == b->signing_input && a->signature == b->signature &&
         a->signature_bytes == b->signature_bytes;
}

struct tally {
  std::size_t accepted = 0, refused = 0, undecided = 0;

  void compare(const std::string& text) {
    const auto fast = parse_engagement_token(text);
    const auto slow = parse_token_slowly(text);
    if (!slow) {
      ++undecided;
      return;
    }
    const bool same = equal(fast, *slow);
    if (!same) BOOST_REQUIRE_MESSAGE(same, "the parsers differ on: " << text);
    ++(fast.has_value() ? accepted : refused);
  }
};

std::string quoted(random_source& random, const std::string& plain) {
  std::string text = "\"";
  for (const char c : plain) {
    const auto byte = static_cast<unsigned char>(c);
    char escape[8];
    if (byte < 0x80 && random.one_in(12)) {
      std::snprintf(escape, sizeof escape, random.one_in(2) ? "\\u%04x" : "\\u%04X", byte);
      text += escape;
    } else {
      text += c;
    }
  }
  return text + '"';
}

std::string random_id(random_source& random) {
  static const std::string alphabet = "azAZ09._~:@-";
  std::string id(random.between<std::size_t>(1, random.one_in(8) ? 64 : 20), 'a');
  for (auto& c : id) c = random.pick(alphabet);
  return id;
}

std::string random_value(random_source& random, int depth) {
  static const std::vector<std::string> plain = {"null",
                                                 "true",
                                                 "0",
                                                 "-0",
                                                 "-1.5e3",
                                                 "12345678901234567890123",
                                                 "\"\"",
                                                 "\"x\\n\\ud83d\\ude00\"",
                                                 "\"\xc3\xa9\xe2\x82\xac\"",
                                                 "1E+2"};
  if (depth == 0 || random.one_in(2)) return random.pick(plain);
  std::string text;
  const bool object = random.one_in(2);
  for (int n = random.between(0, 3); n > 0; --n) {
    if (!text.empty()) text += ',';
    if (object) text += "\"k\":";
    text += random_value(random, depth - 1);
  }
  return object ? '{' + text + '}' : '[' + text + ']';
}

std::string random_number(random_source& random, std::int64_t whole) {
  auto text = std::to_string(whole);
  if (random.one_in(2)) {
    text += '.';
    for (int n = random.between(1, 6); n > 0; --n) text += random.pick(std::string{"0123456789"});
  }
  if (random.one_in(6)) text += "e0";
  return text;
}

std::string spaced(random_source& random, const json_members& members) {
  const auto space = [&] {
    static const std::vector<std::string> spaces = {"", "", "", "", " ", "\n", "\t", "\r\n "};
    return random.pick(spaces);
  };
  std::string text = space() + '{' + space();
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i > 0) text += ',' + space();
    text += members[i].first + space() + ':' + space() + members[i].second + space();
  }
  return text + '}' + space();
}

struct parts {
  std::string header, payload, signature;
  [[nodiscard]] std::string token() const { return compact_jws(header, payload, signature); }
};

parts random_token(random_source& random) {
  const auto session = random_id(random);
  const bool hs256 = random.one_in(4);
  std::string kid = some_kid;
  if (hs256) kid += '.' + (random.one_in(10) ? random_id(random) : session);
  json_members header = {{quoted(random, "alg"), quoted(random, hs256              ? "HS256"
                                                                : random.one_in(2) ? "ES256"
                                                                                   : "EdDSA")},
                         {quoted(random, "kid"), quoted(random, kid)},
                         {quoted(random, "typ"), quoted(random, "engagement+jwt")}};
  const auto from = random.between<std::int64_t>(0, 86'000'000);
  json_members payload = {
      {quoted(random, "sub"), quoted(random, random_id(random))},
      {quoted(random, "cid"), quoted(random, random_id(random))},
      {quoted(random, "sid"), quoted(random, session)},
      {quoted(random, "sn"), std::to_string(random.between<std::int64_t>(0, 0x7fff'ffff))},
      {quoted(random, "from"), std::to_string(from)},
      {quoted(random, "to"), std::to_string(from + random.between<std::int64_t>(1, 30'000))},
      {quoted(random, "iat"),
       random_number(random, random.between<std::int64_t>(0, 1'999'999'999))}};
  if (random.one_in(2))
    payload.emplace_back(quoted(random, "pr"), random_number(random, random.between(0, 4)));
  if (random.one_in(2))
    payload.emplace_back(quoted(random, "exp"),
                         random_number(random, random.between<std::int64_t>(0, 1'999'999'999)));
  if (!hs256 && random.one_in(3)) {
    json_members epk = {{quoted(random, "kty"), quoted(random, "EC")},
                        {quoted(random, "crv"), quoted(random, "P-256")},
                        {quoted(random, "x"), quoted(random, some_kid)},
                        {quoted(random, "y"), quoted(random, some_kid)}};
    std::shuffle(epk.begin(), epk.end(), random.engine());
    if (!random.one_in(20)) payload.emplace_back(quoted(random, "epk"), spaced(random, epk));
    if (!random.one_in(20)) payload.emplace_back(quoted(random, "skid"), quoted(random, some_kid));
  }
  for (int n = random.between(0, 3); n > 0; --n)
    payload.emplace_back(quoted(random, "x" + std::to_string(n)), random_value(random, 3));
  std::shuffle(header.begin(), header.end(), random.engine());
  std::shuffle(payload.begin(), payload.end(), random.engine());
  return {spaced(random, header), spaced(random, payload),
          std::string(random.one_in(5) ? random.between<std::size_t>(0, 70) : 64, '\x5a')};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(engagement_token_properties)

BOOST_AUTO_TEST_CASE(generated_tokens_parse_as_the_slow_parser_says) {
  random_source random;
  tally t;
  WATCHKEEPER_REPLAY(random) {
    for (int i = 0; i < 5'000; ++i) t.compare(random_token(random).token());
  }
  BOOST_TEST(t.accepted > 2'500u);
  BOOST_TEST(t.refused > 100u);
}

BOOST_AUTO_TEST_CASE(a_token_cut_anywhere_parses_as_the_slow_parser_says) {
  random_source random;
  tally t;
  WATCHKEEPER_REPLAY(random) {
    for (int i = 0; i < 25; ++i) {
      const auto made = random_token(random);
      const auto text = made.token();
      for (std::size_t n = 0; n <= text.size(); ++n) t.compare(text.substr(0, n));
      for (std::size_t n = 0; n <= made.payload.size(); ++n)
        t.compare(compact_jws(made.header, made.payload.substr(0, n), made.signature));
      for (std::size_t n = 0; n <= made.header.size(); ++n)
        t.compare(compact_jws(made.header.substr(0, n), made.payload, made.signature));
    }
  }
  BOOST_TEST(t.accepted > 25u);
  BOOST_TEST(t.refused > 10'000u);
  BOOST_TEST(t.undecided < 100u);
}

// Flipped both in the text and behind the base64url, where it matters most.
BOOST_AUTO_TEST_CASE(a_token_with_a_byte_changed_parses_as_the_slow_parser_says) {
  random_source random;
  tally t;
  const std::string telling = "\"\\{}[]:,.-+eE019 \n\t/untfud\x7f\x80\xc0\xed\xf4\xff";
  WATCHKEEPER_REPLAY(random) {
    for (int i = 0; i < 12; ++i) {
      const auto made = random_token(random);
      auto text = made.token();
      for (std::size_t at = 0; at < text.size(); ++at) {
        const char original = text[at];
        for (const char other :
             {static_cast<char>(original ^ 1), '.', '_', '=', random.between<char>(-128, 127)}) {
          text[at] = other;
          t.compare(text);
        }
        text[at] = original;
      }
      for (auto which : {&parts::header, &parts::payload}) {
        auto changed = made;
        auto& bytes = changed.*which;
        for (std::size_t at = 0; at < bytes.size(); ++at) {
          const char original = bytes[at];
          for (const char other : {'\0', static_cast<char>(original ^ 1), random.pick(telling),
                                   random.pick(telling), random.between<char>(-128, 127)}) {
            bytes[at] = other;
            t.compare(changed.token());
          }
          bytes.erase(at, 1);
          t.compare(changed.token());
          bytes.insert(at, 1, random.pick(telling));
          bytes.insert(at, 1, original);
          t.compare(changed.token());
          bytes.erase(at, 2);
          bytes.insert(at, 1, original);
        }
        BOOST_REQUIRE(bytes == made.*which);
      }
    }
  }
  BOOST_TEST(t.accepted > 1'000u);
  BOOST_TEST(t.refused > 10'000u);
  BOOST_TEST(t.undecided < 100u);
}

BOOST_AUTO_TEST_CASE(the_slow_base64url_agrees_with_the_fast_one) {
  random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int i = 0; i < 500; ++i) {
      std::string bytes(random.between<std::size_t>(0, 60), '\0');
      for (auto& b : bytes) b = random.between<char>(-128, 127);
      BOOST_REQUIRE_EQUAL(encode_base64url_slowly(bytes), base64url_of(bytes));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
