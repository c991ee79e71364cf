#include <boost/test/unit_test.hpp>

#include "crypto/device_key.hpp"
#include "crypto/signature_verifier.hpp"
#include "domain/engagement_token.hpp"
#include "tests/crypto/vectors.hpp"

using namespace watchkeeper;
using namespace watchkeeper::crypto;
using namespace watchkeeper::test;

namespace {

/// The key of a group, by the same checks that enrolment makes.
signature_verifier verifier_of(const nlohmann::json& jwk) {
  const auto x = from_base64url(jwk.at("x").get<std::string>()).value();
  if (jwk.at("kty") == "OKP") return signature_verifier{make_ed25519_key(x).value()};
  const auto y = from_base64url(jwk.at("y").get<std::string>()).value();
  return signature_verifier{make_p256_key(x, y).value()};
}

nlohmann::json jwk_of(const nlohmann::json& group) {
  if (group.contains("publicKeyJwk")) return group.at("publicKeyJwk");
  // A few groups have no JWK: the uncompressed point, 04 x y, or the 32 bytes of RFC 8032.
  const auto& key = group.at("publicKey");
  if (!key.contains("uncompressed"))
    return {{"kty", "OKP"}, {"x", base64url::encode(from_hex(key.at("pk")))}};
  const auto point = from_hex(key.at("uncompressed"));
  return {{"kty", "EC"},
          {"x", base64url::encode(std::span{point}.subspan(1, 32))},
          {"y", base64url::encode(std::span{point}.subspan(33, 32))}};
}

std::size_t check_raw_signatures(const std::string& file) {
  const auto vectors = wycheproof(file);
  std::size_t agreed = 0, all = 0;
  for (const auto& group : vectors.at("testGroups")) {
    const auto verifier = verifier_of(jwk_of(group));
    for (const auto& test : group.at("tests")) {
      ++all;
      const bool valid =
          verifier.verify(as_text(from_hex(test.at("msg"))), from_hex(test.at("sig")));
      const bool wanted = test.at("result") == "valid";
      BOOST_TEST(valid == wanted, file << " tcId " << test.at("tcId") << " " << test.at("comment"));
      agreed += valid == wanted ? 1 : 0;
    }
  }
  BOOST_TEST(all == vectors.at("numberOfTests").get<std::size_t>());
  BOOST_TEST_MESSAGE(file << ": " << agreed << "/" << all);
  return agreed;
}

/// What a verifier of compact JWS does around the signature: three parts, an `alg` that is the
/// key's.
bool verify_jws(const signature_verifier& verifier, const nlohmann::json& jwk,
                const std::string& jws) {
  const auto first = jws.find('.'), last = jws.rfind('.');
  if (first == std::string::npos || last == first || jws.find('.', first + 1) != last) return false;
  const auto header = from_base64url(jws.substr(0, first));
  const auto payload = from_base64url(jws.substr(first + 1, last - first - 1));
  const auto signature = from_base64url(jws.substr(last + 1));
  if (!header || !payload || !signature) return false;
  const auto members = nlohmann::json::parse(*header, nullptr, false);
  if (!members.is_object() || members.value("alg", "") != "ES256") return false;
  if (jwk.value("use", "sig") != "sig" || jwk.contains("key_ops")) return false;
  return verifier.verify(std::string_view{jws}.substr(0, last), *signature);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(wycheproof_vectors)

BOOST_AUTO_TEST_CASE(es256_with_raw_signatures) {
  BOOST_TEST(check_raw_signatures("ecdsa_secp256r1_sha256_p1363_test.json") == 262u);
}

BOOST_AUTO_TEST_CASE(ed25519) {
  BOOST_TEST(check_raw_signatures("ed25519_test.json") == 151u);
}

BOOST_AUTO_TEST_CASE(a_der_signature_is_never_right) {
  const auto vectors = wycheproof("ecdsa_secp256r1_sha256_test.json");
  std::size_t all = 0, valid_as_der = 0;
  for (const auto& group : vectors.at("testGroups")) {
    const auto verifier = verifier_of(jwk_of(group));
    for (const auto& test : group.at("tests")) {
      ++all;
      valid_as_der += test.at("result") == "valid" ? 1 : 0;
      BOOST_TEST(!verifier.verify(as_text(from_hex(test.at("msg"))), from_hex(test.at("sig"))),
                 "tcId " << test.at("tcId"));
    }
  }
  BOOST_TEST(all == vectors.at("numberOfTests").get<std::size_t>());
  BOOST_TEST(valid_as_der > 100u);
  BOOST_TEST_MESSAGE("DER signatures refused: " << all);
}

BOOST_AUTO_TEST_CASE(json_web_signatures_by_p256_keys) {
  const auto vectors = wycheproof("json_web_signature_test.json");
  std::size_t all = 0, valid = 0;
  for (const auto& group : vectors.at("testGroups")) {
    const auto& jwk = group.contains("public") ? group.at("public") : group.at("private");
    if (jwk.at("kty") != "EC" || jwk.at("crv") != "P-256") continue;
    const auto verifier = verifier_of(jwk);
    for (const auto& test : group.at("tests")) {
      ++all;
      const bool got = verify_jws(verifier, jwk, test.at("jws"));
      valid += got ? 1 : 0;
      BOOST_TEST(got == (test.at("result") == "valid"),
                 "tcId " << test.at("tcId") << " " << test.at("comment"));
    }
  }
  BOOST_TEST(all == 41u);
  BOOST_TEST(valid > 0u);
  BOOST_TEST_MESSAGE("JWS by P-256 keys: " << all << "/" << all << ", valid " << valid);
}

// None of them is an engagement token, however valid as a JWS.
BOOST_AUTO_TEST_CASE(the_token_parser_takes_no_foreign_jws) {
  const auto vectors = wycheproof("json_web_signature_test.json");
  std::size_t all = 0;
  for (const auto& group : vectors.at("testGroups"))
    for (const auto& test : group.at("tests")) {
      ++all;
      BOOST_TEST(!parse_engagement_token(test.at("jws").get<std::string>()).has_value());
    }
  BOOST_TEST(all == 401u);
}

BOOST_AUTO_TEST_SUITE_END()
