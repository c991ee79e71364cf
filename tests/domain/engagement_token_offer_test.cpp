#include <boost/test/unit_test.hpp>

#include "domain/engagement_token.hpp"
#include "tests/domain/support.hpp"
#include "tests/domain/token_text.hpp"

/// The offer of a session key in an engagement token: the claims `epk` and `skid`.

using namespace watchkeeper;
using namespace watchkeeper::test;

namespace {

const std::string some_x = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
const std::string some_y = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";
const std::string some_skid = '"' + some_kid + '"';

json_members some_epk() {
  return {{R"("kty")", R"("EC")"},
          {R"("crv")", R"("P-256")"},
          {R"("x")", '"' + some_x + '"'},
          {R"("y")", '"' + some_y + '"'}};
}

/// The plain payload with an offer of a session key. An empty text leaves its claim out.
json_members offering(const std::string& epk, const std::string& skid) {
  auto payload = plain_payload();
  if (!epk.empty()) payload.emplace_back(R"("epk")", epk);
  if (!skid.empty()) payload.emplace_back(R"("skid")", skid);
  return payload;
}

/// The detail of the refusal contains `why`.
void check_offer_refused(const std::string& epk, const std::string& skid, const std::string& why) {
  std::string_view detail;
  const auto payload = offering(epk, skid);
  const auto text = token_of(plain_header(), payload);
  BOOST_TEST(!parse_engagement_token(text, &detail).has_value(), json_object(payload));
  BOOST_TEST(std::string(detail).find(why) != std::string::npos, detail);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(engagement_tokens)

BOOST_AUTO_TEST_CASE(a_session_key_is_offered_by_epk_and_skid) {
  const auto good = token_of(plain_header(), offering(json_object(some_epk()), some_skid));
  const auto t = parse_engagement_token(good).value();
  BOOST_REQUIRE(t.claims.key_offer.has_value());
  BOOST_TEST(base64url::encode(std::span{t.claims.key_offer->point}.first(32)) == some_x);
  BOOST_TEST(base64url::encode(std::span{t.claims.key_offer->point}.last(32)) == some_y);
  BOOST_TEST(t.claims.key_offer->gateway_key.text() == some_kid);
  BOOST_TEST(!parse_engagement_token(token_of(plain_header(), plain_payload()))
                  .value()
                  .claims.key_offer.has_value());
  // A MAC cannot replace the key that it was made with.
  auto header = plain_header();
  header[0].second = R"("HS256")";
  header[1].second = '"' + some_kid + ".0f8fad5b-d9cb\"";
  const auto by_mac = token_of(header, offering(json_object(some_epk()), some_skid));
  BOOST_TEST(!parse_engagement_token(by_mac).has_value());
}

BOOST_AUTO_TEST_CASE(epk_and_skid_come_together_and_have_their_types) {
  const auto epk = json_object(some_epk());
  check_offer_refused(epk, "", "come together");
  check_offer_refused("", some_skid, "come together");
  check_offer_refused(epk, R"("short")", "skid");
  check_offer_refused(epk, "1", "skid");
  check_offer_refused("1", some_skid, "epk must be");
  check_offer_refused("[]", some_skid, "epk must be");
  check_offer_refused("{}", some_skid, "lacks");
}

BOOST_AUTO_TEST_CASE(epk_has_exactly_its_four_members) {
  const auto epk = some_epk();
  for (std::size_t i = 0; i < epk.size(); ++i) {
    auto missing = epk;
    missing.erase(missing.begin() + static_cast<std::ptrdiff_t>(i));
    check_offer_refused(json_object(missing), some_skid, "lacks");
    auto twice = epk;
    twice.push_back(epk[i]);
    check_offer_refused(json_object(twice), some_skid, "twice");
    auto number = epk;
    number[i].second = "1";
    check_offer_refused(json_object(number), some_skid, "not a valid JSON string");
  }
  for (const auto* more : {R"("d")", R"("kid")", R"("use")", R"("alg")", R"("key_ops")"}) {
    auto extended = epk;
    extended.emplace_back(more, '"' + some_x + '"');
    check_offer_refused(json_object(extended), some_skid, "only");
  }
}

BOOST_AUTO_TEST_CASE(epk_is_a_point_of_p256_with_canonical_coordinates) {
  const auto refused = [](std::size_t member, const std::string& value, const std::string& why) {
    auto epk = some_epk();
    epk[member].second = '"' + value + '"';
    check_offer_refused(json_object(epk), some_skid, why);
  };
  refused(0, "OKP", "kty");
  refused(1, "P-384", "crv");
  refused(1, "secp256k1", "crv");
  refused(2, some_x.substr(1), "32 bytes");
  refused(2, some_x + "A", "32 bytes");
  refused(3, some_y + "=", "32 bytes");
  refused(3, some_y.substr(0, 42) + "N", "32 bytes");  // unused bits
  refused(2, "+" + some_x.substr(1), "32 bytes");
}

BOOST_AUTO_TEST_SUITE_END()
