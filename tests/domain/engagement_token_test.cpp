#include <boost/test/unit_test.hpp>

#include <limits>

#include "domain/engagement_token.hpp"
#include "tests/domain/support.hpp"
#include "tests/domain/token_text.hpp"

using namespace watchkeeper;
using namespace watchkeeper::test;

namespace {

/// The plain payload with one claim's value replaced, or the claim added.
std::string with_claim(const std::string& name, const std::string& value) {
  auto payload = plain_payload();
  const auto quoted = '"' + name + '"';
  bool found = false;
  for (auto& [n, v] : payload)
    if (n == quoted) v = value, found = true;
  if (!found) payload.emplace_back(quoted, value);
  return token_of(plain_header(), payload);
}

std::string with_header(const std::string& name, const std::string& value) {
  auto header = plain_header();
  for (auto& [n, v] : header)
    if (n == '"' + name + '"') v = value;
  return token_of(header, plain_payload());
}

bool accepted(const std::string& token) {
  return parse_engagement_token(token).has_value();
}

problem refusal(const std::string& token) {
  std::string_view detail;
  const auto parsed = parse_engagement_token(token, &detail);
  BOOST_REQUIRE(!parsed.has_value());
  BOOST_TEST(!detail.empty());
  return parsed.error();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(engagement_tokens)

BOOST_AUTO_TEST_CASE(all_claims_are_read) {
  auto payload = plain_payload();
  payload.emplace_back(R"("pr")", "1.5");
  payload.emplace_back(R"("exp")", "1763812999");
  const auto text = token_of(plain_header(), payload);
  std::string_view detail = "untouched";
  const auto t = parse_engagement_token(text, &detail).value();
  BOOST_TEST(detail == "untouched");
  BOOST_TEST(t.algorithm == signature_algorithm::es256);
  BOOST_TEST(t.device.text() == some_kid);
  BOOST_TEST(t.claims.student.view() == "student-4711");
  BOOST_TEST(t.claims.module.view() == "module-7");
  BOOST_TEST(t.claims.session.view() == "0f8fad5b-d9cb");
  BOOST_TEST(t.claims.sequence == 17u);
  BOOST_TEST((t.claims.interval == media_interval{160'000, 170'000}));
  BOOST_TEST(t.claims.playback_rate_permille == 1500);
  BOOST_TEST(t.claims.issued_at_ms == wall_ms{1'763'812'345'123});
  BOOST_TEST(t.claims.expires_at_ms.value() == wall_ms{1'763'812'999'000});
  BOOST_TEST(t.signing_input == text.substr(0, text.rfind('.')));
  BOOST_TEST(t.signing_input.data() == text.data());
  BOOST_TEST(t.signature_bytes == 64);
  BOOST_TEST(std::string(t.signature.begin(), t.signature.end()) == signature_text);
}

BOOST_AUTO_TEST_CASE(defaults_of_optional_claims) {
  const auto t = parse_engagement_token(token_of(plain_header(), plain_payload())).value();
  BOOST_TEST(t.claims.playback_rate_permille == 1000);
  BOOST_TEST(!t.claims.expires_at_ms);
}

BOOST_AUTO_TEST_CASE(a_token_of_1023_bytes_passes_and_one_of_1024_is_too_large) {
  // The padding of an unknown claim finds a payload for each length that base64url has.
  bool hit = false;
  for (std::size_t n = 300; n < 700; ++n) {
    const auto text = with_claim("x", '"' + std::string(n, 'x') + '"');
    if (text.size() <= limits::token_bytes_max) {
      BOOST_TEST(accepted(text));
      hit |= text.size() == limits::token_bytes_max;
    } else {
      BOOST_TEST((refusal(text) == problem::token_too_large));
    }
  }
  BOOST_TEST(hit);
  BOOST_TEST((refusal(std::string(1024, '.')) == problem::token_too_large));
  BOOST_TEST(refusal(std::string(1023, '.')) == problem::malformed_token);
}

BOOST_AUTO_TEST_CASE(signatures_of_other_lengths_are_told_to_the_verifier) {
  const auto header = json_object(plain_header()), payload = json_object(plain_payload());
  for (const std::size_t n : {1u, 32u, 63u, 64u, 65u, 66u, 100u}) {
    const auto text = compact_jws(header, payload, std::string(n, 's'));
    BOOST_TEST(parse_engagement_token(text).value().signature_bytes ==
               std::min<std::size_t>(n, 65));
  }
  BOOST_TEST(refusal(compact_jws(header, payload, "")) == problem::malformed_token);
}

BOOST_AUTO_TEST_CASE(there_are_exactly_two_dots) {
  const auto good = token_of(plain_header(), plain_payload());
  BOOST_TEST(accepted(good));
  for (const auto& bad : {good + ".", "." + good, good + ".AA", good + "\n", good + "=", " " + good,
                          good.substr(0, good.rfind('.')), std::string{}, std::string{"."},
                          std::string{".."}, std::string{"..."}})
    BOOST_TEST(refusal(bad) == problem::malformed_token);
}

BOOST_AUTO_TEST_CASE(the_header_holds_exactly_three_members) {
  const std::pair<const char*, const char*> extras[] = {{R"("jku")", R"("https://x")"},
                                                        {R"("jwk")", "{}"},
                                                        {R"("x5c")", "[]"},
                                                        {R"("crit")", R"(["exp"])"},
                                                        {R"("b64")", "false"},
                                                        {R"("zip")", R"("DEF")"},
                                                        {R"("alg")", R"("ES256")"},
                                                        {R"("\u0061lg")", R"("ES256")"}};
  for (const auto& extra : extras) {
    auto header = plain_header();
    header.emplace_back(extra);
    BOOST_TEST(refusal(token_of(header, plain_payload())) == problem::malformed_token);
  }
  for (std::size_t i = 0; i < 3; ++i) {
    auto header = plain_header();
    header.erase(header.begin() + static_cast<std::ptrdiff_t>(i));
    BOOST_TEST(refusal(token_of(header, plain_payload())) == problem::malformed_token);
  }
}

BOOST_AUTO_TEST_CASE(algorithms_and_types_are_taken_literally) {
  BOOST_TEST(accepted(with_header("alg", R"("ES256")")));
  BOOST_TEST(accepted(with_header("alg", R"("EdDSA")")));
  BOOST_TEST(accepted(with_header("alg", R"("\u0045S256")")));
  for (const char* alg : {R"("none")", R"("es256")", R"("EDDSA")", R"("ES384")", R"("RS256")",
                          R"("HS512")", R"("")", "null", "1", R"("HS256")"})
    BOOST_TEST(!accepted(with_header("alg", alg)), alg);
  for (const char* typ :
       {R"("JWT")", R"("Engagement+JWT")", R"("application/engagement+jwt")", R"("")", "null"})
    BOOST_TEST(!accepted(with_header("typ", typ)), typ);
}

BOOST_AUTO_TEST_CASE(kid_is_a_canonical_thumbprint) {
  BOOST_TEST(!accepted(with_header("kid", R"("")")));
  BOOST_TEST(!accepted(with_header("kid", '"' + some_kid + "A\"")));
  BOOST_TEST(!accepted(with_header("kid", '"' + some_kid.substr(1) + '"')));
  BOOST_TEST(!accepted(with_header("kid", '"' + some_kid.substr(0, 42) + "t\"")));
  BOOST_TEST(!accepted(with_header("kid", '"' + some_kid + ".0f8fad5b-d9cb\"")));
}

BOOST_AUTO_TEST_CASE(with_hs256_kid_names_the_session_as_well) {
  const auto with_kid = [](const std::string& kid) {
    auto header = plain_header();
    header[0].second = R"("HS256")";
    header[1].second = '"' + kid + '"';
    return token_of(header, plain_payload());
  };
  const auto good = with_kid(some_kid + ".0f8fad5b-d9cb");
  const auto t = parse_engagement_token(good).value();
  BOOST_TEST(t.algorithm == signature_algorithm::hs256);
  BOOST_TEST(t.device.text() == some_kid);
  for (const auto& bad : {some_kid, some_kid + ".", some_kid + ".other", some_kid + "0f8fad5b-d9cb",
                          some_kid + ".0f8fad5b-d9cbx", some_kid.substr(1) + ".0f8fad5b-d9cb"})
    BOOST_TEST(!accepted(with_kid(bad)), bad);
}

BOOST_AUTO_TEST_CASE(a_member_given_twice_is_an_error_however_it_is_spelled) {
  const char* const pairs[][2] = {{R"("sub")", R"("sub")"},
                                  {R"("sub")", R"("\u0073ub")"},
                                  {R"("sub")", R"("s\u0075\u0062")"},
                                  {R"("exp")", R"("exp")"},
                                  {R"("unknown")", R"("unkno\u0077n")"},
                                  {R"("\/")", R"("/")"},
                                  {R"("\n")", R"("\u000A")"},
                                  {R"("\ud83d\ude00")", "\"\xf0\x9f\x98\x80\""}};
  for (const auto& [one, other] : pairs) {
    auto payload = plain_payload();
    if (std::string_view{one} != R"("sub")") payload.emplace_back(one, "1763812399");
    BOOST_TEST(accepted(token_of(plain_header(), payload)), one);
    payload.emplace_back(other,
                         std::string_view{one} == R"("sub")" ? R"("student-4711")" : "1763812399");
    BOOST_TEST(refusal(token_of(plain_header(), payload)) == problem::malformed_token, one);
  }
}

BOOST_AUTO_TEST_CASE(at_most_32_members) {
  auto payload = plain_payload();
  while (payload.size() < 32) payload.emplace_back('"' + std::to_string(payload.size()) + '"', "0");
  BOOST_TEST(accepted(token_of(plain_header(), payload)));
  payload.emplace_back(R"("z")", "0");
  BOOST_TEST(!accepted(token_of(plain_header(), payload)));
}

BOOST_AUTO_TEST_CASE(every_claim_but_pr_and_exp_is_required) {
  for (std::size_t i = 0; i < plain_payload().size(); ++i) {
    auto payload = plain_payload();
    payload.erase(payload.begin() + static_cast<std::ptrdiff_t>(i));
    BOOST_TEST(refusal(token_of(plain_header(), payload)) == problem::malformed_token);
  }
}

BOOST_AUTO_TEST_CASE(integers_are_integers_within_their_range) {
  for (const char* good : {"0", "2147483647"}) BOOST_TEST(accepted(with_claim("sn", good)), good);
  for (const char* bad :
       {"-1",  "-0",  "2147483648", "4294967296", "18446744073709551616",
        "1.0", "1e0", "01",         "+1",         "1.",
        ".5",  "0x1", "\"1\"",      "null",       "true",
        "[]",  "{}",  "",           "1 2",        "99999999999999999999999999999999999999999"})
    BOOST_TEST(!accepted(with_claim("sn", bad)), bad);
  BOOST_TEST(accepted(with_claim("to", "86400000")));
  BOOST_TEST(!accepted(with_claim("to", "86400001")));
  BOOST_TEST(!accepted(with_claim("to", "160000")));
  BOOST_TEST(!accepted(with_claim("to", "1000")));
  BOOST_TEST(accepted(with_claim("from", "0")));
  BOOST_TEST(!accepted(with_claim("from", "-0")));
}

BOOST_AUTO_TEST_CASE(rates_are_rounded_to_the_nearest_thousandth) {
  const std::pair<const char*, int> good[] = {{"0.25", 250},
                                              {"4", 4000},
                                              {"4.0", 4000},
                                              {"4.000", 4000},
                                              {"1", 1000},
                                              {"1e0", 1000},
                                              {"25e-2", 250},
                                              {"0.4E1", 4000},
                                              {"1.2344", 1234},
                                              {"1.2345", 1235},
                                              {"3.9996", 4000},
                                              {"0.2500001", 250},
                                              {"1.23449999999999999999999999999", 1234},
                                              {"0.000000000000000000000000000025e28", 250}};
  for (const auto& [text, permille] : good) {
    const auto token = with_claim("pr", text);
    const auto parsed = parse_engagement_token(token);
    BOOST_REQUIRE_MESSAGE(parsed.has_value(), text);
    BOOST_TEST(parsed->claims.playback_rate_permille == permille, text);
  }
  for (const char* bad : {"0.2499999999999999999999999", "4.00000000000000000000000001", "0", "-1",
                          "-0", "5", "1e1", "1e-1", "1e999999999999", "1e-999999999999", "\"1\"",
                          "null", "1.", "1.e1", "1e", "1e+", "00.5", "NaN", "Infinity"})
    BOOST_TEST(!accepted(with_claim("pr", bad)), bad);
}

BOOST_AUTO_TEST_CASE(dates_are_rounded_down_to_milliseconds) {
  const std::pair<const char*, std::int64_t> good[] = {
      {"0", 0},
      {"0.0009", 0},
      {"1763812345", 1'763'812'345'000},
      {"1763812345.1", 1'763'812'345'100},
      {"1763812345.1239999", 1'763'812'345'123},
      {"1.763812345e9", 1'763'812'345'000},
      {"17638123451239e-4", 1'763'812'345'123},
      {"253402300799", 253'402'300'799'000},
      {"253402300799.000000000000000000000", 253'402'300'799'000}};
  for (const auto& [text, ms] : good) {
    const auto token = with_claim("iat", text);
    const auto parsed = parse_engagement_token(token);
    BOOST_REQUIRE_MESSAGE(parsed.has_value(), text);
    BOOST_TEST(parsed->claims.issued_at_ms == wall_ms{ms}, text);
    BOOST_TEST(accepted(with_claim("exp", text)), text);
  }
  for (const char* bad : {"-1", "-0", "-0.0", "253402300799.0000000000000000000001", "253402300800",
                          "1e12", "1e300", "\"1763812345\"", "null"}) {
    BOOST_TEST(!accepted(with_claim("iat", bad)), bad);
    BOOST_TEST(!accepted(with_claim("exp", bad)), bad);
  }
}

BOOST_AUTO_TEST_CASE(strings_must_be_valid_json_and_utf_8) {
  for (const char* good : {"\"\xc3\xa9\"", "\"\xed\x9f\xbf\"", "\"\xf4\x8f\xbf\xbf\"",
                           R"("\ud83d\ude00")", R"("\u0000\b\f\n\r\t\/\\\"")", "\"\x7f\"", R"("")"})
    BOOST_TEST(accepted(with_claim("x", good)), good);
  for (const char* bad : {"\"\xc0\x80\"",
                          "\"\xc1\xbf\"",
                          "\"\xe0\x9f\xbf\"",
                          "\"\xed\xa0\x80\"",
                          "\"\xed\xbf\xbf\"",
                          "\"\xf0\x8f\xbf\xbf\"",
                          "\"\xf4\x90\x80\x80\"",
                          "\"\xf5\x80\x80\x80\"",
                          "\"\x80\"",
                          "\"\xff\"",
                          "\"\xc3\"",
                          "\"\xe2\x82\"",
                          "\"\xf0\x9f\x98\"",
                          "\"\xc3(\"",
                          R"("\ud83d")",
                          R"("\ude00")",
                          R"("\ude00\ud83d")",
                          R"("\ud83d\u0041")",
                          R"("\ud83dx")",
                          R"("\ud83d\n")",
                          R"("\u12g4")",
                          R"("\u123")",
                          R"("\x41")",
                          R"("\'")",
                          R"("\U0041")",
                          "\"\n\"",
                          "\"\x01\"",
                          "\"\x1f\"",
                          "'x'",
                          "\"",
                          "x"})
    BOOST_TEST(!accepted(with_claim("x", bad)), bad);
}

BOOST_AUTO_TEST_CASE(unknown_claims_are_skipped_but_must_be_json) {
  for (const char* good : {"null", "true", "false", "[]", "{}", "[1,[2,{\"a\":[]}]]", "1e400",
                           "{\"sub\":1,\"sub\":2}", " [ 1 , 2 ] ", "-0.0e-0", "[[[[[[[[]]]]]]]]",
                           "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}"})
    BOOST_TEST(accepted(with_claim("x", good)), good);
  for (const char* bad : {"nul",
                          "True",
                          "[1,]",
                          "[,1]",
                          "[1 2]",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{a:1}",
                          "{\"a\":1,}",
                          "[",
                          "{",
                          "]",
                          "}",
                          "[}",
                          "-",
                          "--1",
                          "1e",
                          "01",
                          "/* */1",
                          "[[[[[[[[[]]]]]]]]]",
                          "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}"})
    BOOST_TEST(!accepted(with_claim("x", bad)), bad);
}

BOOST_AUTO_TEST_CASE(whitespace_is_what_json_allows_and_nothing_follows) {
  const auto header = json_object(plain_header()), payload = json_object(plain_payload());
  const auto make = [&](const std::string& before, const std::string& after) {
    return compact_jws(before + header + after, before + payload + after, signature_text);
  };
  BOOST_TEST(accepted(make(" \t\r\n", " \t\r\n")));
  for (const char* bad : {"\v", "\f", "\xc2\xa0", "\xef\xbb\xbf", ",", "{}", "x"}) {
    BOOST_TEST(!accepted(make(bad, "")));
    BOOST_TEST(!accepted(make("", bad)));
  }
  BOOST_TEST(!accepted(make("", std::string(1, '\0'))));
  BOOST_TEST(!accepted(compact_jws(header, "[]", signature_text)));
  BOOST_TEST(!accepted(compact_jws(header, "", signature_text)));
  BOOST_TEST(!accepted(compact_jws("", payload, signature_text)));
}

BOOST_AUTO_TEST_CASE(an_id_that_paths_drop_is_rejected) {
  for (const char* claim : {"sub", "cid", "sid"}) {
    BOOST_TEST(!accepted(with_claim(claim, R"(".")")), claim);
    BOOST_TEST(!accepted(with_claim(claim, R"("..")")), claim);
    BOOST_TEST(accepted(with_claim(claim, R"("...")")), claim);
  }
}

BOOST_AUTO_TEST_CASE(parsing_allocates_nothing) {
  const auto good = with_claim("unknown", R"({"a":["\u00e9",1.5e3,null]})");
  const auto bad = with_claim("sub", R"("not allowed")");
  const auto before = allocations_of_this_thread();
  const bool first = parse_engagement_token(good).has_value();
  const bool second = parse_engagement_token(bad).has_value();
  const auto after = allocations_of_this_thread();
  BOOST_TEST(after == before);
  BOOST_TEST(first);
  BOOST_TEST(!second);
}

BOOST_AUTO_TEST_CASE(algorithm_names) {
  BOOST_TEST(name_of(signature_algorithm::es256) == "ES256");
  BOOST_TEST(name_of(signature_algorithm::eddsa) == "EdDSA");
  BOOST_TEST(name_of(signature_algorithm::hs256) == "HS256");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(token_rules)

BOOST_AUTO_TEST_CASE(times_have_exact_bounds) {
  const time_policy policy;
  constexpr wall_ms now{1'763'812'345'000};
  token_claims c;
  const auto at = [&](wall_ms issued) {
    c.issued_at_ms = issued;
    return check_time(c, now, policy);
  };
  BOOST_TEST(at(now) == problem::none);
  BOOST_TEST(at(now - 900'000) == problem::none);
  BOOST_TEST(at(now - 900'001) == problem::stale_token);
  BOOST_TEST(at(now + 30'000) == problem::none);
  BOOST_TEST(at(now + 30'001) == problem::future_token);
  c.expires_at_ms = now + 1;
  BOOST_TEST(at(now) == problem::none);
  c.expires_at_ms = now;
  BOOST_TEST(at(now) == problem::stale_token);
  BOOST_TEST(at(now + 30'001) == problem::stale_token);
}

BOOST_AUTO_TEST_CASE(intervals_are_clipped_or_implausible) {
  const auto check = [](media_interval i) { return plausible_interval(i, 600'000, 30'000); };
  BOOST_TEST((check({0, 30'000}).value() == media_interval{0, 30'000}));
  BOOST_TEST(check({0, 30'001}).error() == problem::implausible_interval);
  BOOST_TEST((check({590'000, 601'000}).value() == media_interval{590'000, 600'000}));
  BOOST_TEST((check({590'000, 620'000}).value() == media_interval{590'000, 600'000}));
  BOOST_TEST((check({599'999, 600'500}).value() == media_interval{599'999, 600'000}));
  BOOST_TEST(check({600'000, 600'500}).error() == problem::implausible_interval);
  BOOST_TEST(check({5, 5}).error() == problem::implausible_interval);
  // The length is that of the claim: clipping does not make a long interval plausible.
  BOOST_TEST(check({570'500, 601'000}).error() == problem::implausible_interval);
  constexpr auto highest = std::numeric_limits<media_ms>::max();
  BOOST_TEST((plausible_interval({highest - 10, highest}, highest, 30'000).value() ==
              media_interval{highest - 10, highest}));
}

BOOST_AUTO_TEST_SUITE_END()
