#include <boost/test/unit_test.hpp>

#include <fstream>

#include "crypto/agreement_key.hpp"
#include "crypto/device_key.hpp"
#include "crypto/device_signer.hpp"
#include "crypto/hmac.hpp"
#include "crypto/signature_verifier.hpp"
#include "tests/crypto/vectors.hpp"

using namespace watchkeeper;
using namespace watchkeeper::crypto;
using namespace watchkeeper::test;

namespace {

template <std::size_t Size = 32>
std::array<std::uint8_t, Size> fixed(const nlohmann::json& text) {
  std::array<std::uint8_t, Size> out{};
  const auto bytes = from_base64url(text.get<std::string>());
  BOOST_REQUIRE(bytes.has_value());
  BOOST_REQUIRE(bytes->size() == Size);
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

std::array<std::uint8_t, 64> point_of(const nlohmann::json& jwk) {
  std::array<std::uint8_t, 64> point;
  const auto x = fixed(jwk["x"]);
  const auto y = fixed(jwk["y"]);
  std::copy(x.begin(), x.end(), point.begin());
  std::copy(y.begin(), y.end(), point.begin() + 32);
  return point;
}

nlohmann::json session_vectors() {
  std::ifstream file(std::string{WATCHKEEPER_SOURCE_DIR} + "/sdk/vectors/session-key.json");
  return nlohmann::json::parse(file);
}

/// What a gateway says that holds `key` for the session and `device` under its kid.
std::string result_of(const std::string& token, const device_public_key& device,
                      const hmac_sha256& key) {
  const auto parsed = parse_engagement_token(token);
  if (!parsed) return std::string(describe(parsed.error()).name);
  const std::span signature(parsed->signature.data(),
                            std::min<std::size_t>(parsed->signature_bytes, 64));
  if (parsed->signature_bytes != signature_size(parsed->algorithm)) return "bad-signature";
  const bool holds = parsed->algorithm == signature_algorithm::hs256
                         ? key.verify(parsed->signing_input, signature)
                         : parsed->algorithm == device.algorithm &&
                               signature_verifier(device).verify(parsed->signing_input, signature);
  return holds ? "accept" : "bad-signature";
}

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(session_key)

// RFC 4231, test cases 1, 2, 6 and 7 (the last two with keys longer than a block).
BOOST_AUTO_TEST_CASE(hmac_agrees_with_rfc_4231) {
  const auto mac = [](const bytes& key, std::string_view data) {
    return hex(hmac_sha256(key).mac(data));
  };
  BOOST_TEST(mac(bytes(20, 0x0b), "Hi There") ==
             "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  BOOST_TEST(hex(hmac_sha256(bytes_of("Jefe")).mac("what do ya want for nothing?")) ==
             "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  BOOST_TEST(mac(bytes(131, 0xaa), "Test Using Larger Than Block-Size Key - Hash Key First") ==
             "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  BOOST_TEST(mac(bytes(131, 0xaa),
                 "This is a test using a larger than block-size key and a larger than block-size "
                 "data. The key needs to be hashed before being used by the HMAC algorithm.") ==
             "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
  const hmac_sha256 key(bytes(20, 0x0b));
  auto right = key.mac("Hi There");
  BOOST_TEST(key.verify("Hi There", right));
  BOOST_TEST(!key.verify("Hi there", right));
  BOOST_TEST(!key.verify("Hi There", std::span(right).first(31)));
  for (auto& byte : right) {
    byte ^= 1;
    BOOST_TEST(!key.verify("Hi There", right));
    byte ^= 1;
  }
}

// RFC 5869, appendix A.1, whose first 32 bytes are one block of output.
BOOST_AUTO_TEST_CASE(hkdf_agrees_with_rfc_5869) {
  const auto info = from_hex("f0f1f2f3f4f5f6f7f8f9");
  BOOST_TEST(
      hex(hkdf_sha256(bytes(22, 0x0b), from_hex("000102030405060708090a0b0c"), as_text(info))) ==
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}

BOOST_AUTO_TEST_CASE(the_vectors_of_the_protocol_hold) {
  const auto file = session_vectors();
  BOOST_TEST(file["info"] == "watchkeeper session key v1");
  std::size_t accepted = 0, refused = 0;
  for (const auto& v : file["vectors"]) {
    BOOST_TEST_CONTEXT(v["name"].get<std::string>()) {
      const auto gateway = agreement_key::from_secret(fixed(v["gateway"]["d"]), wall_ms{0});
      BOOST_REQUIRE(gateway.has_value());
      BOOST_TEST(gateway->kid().text() == v["gateway_kid"].get<std::string>());
      BOOST_TEST(gateway->public_key().bytes == point_of(v["gateway"]));

      const auto first = v["first_token"].get<std::string>();
      const auto token = parse_engagement_token(first).value();
      BOOST_REQUIRE(token.claims.key_offer.has_value());
      BOOST_TEST(token.claims.key_offer->point == point_of(v["ephemeral"]));
      BOOST_TEST(token.claims.key_offer->gateway_key == gateway->kid());

      std::array<std::uint8_t, 32> shared;
      BOOST_REQUIRE(p256::agree(gateway->secret(), token.claims.key_offer->point, shared));
      BOOST_TEST(shared == fixed(v["z"]));
      BOOST_REQUIRE(p256::agree(fixed(v["ephemeral"]["d"]), gateway->public_key().bytes, shared));
      BOOST_TEST(shared == fixed(v["z"]));
      BOOST_TEST(sha256(token.signing_input) == fixed(v["salt"]));
      BOOST_TEST(
          (hkdf_sha256(shared, fixed(v["salt"]), "watchkeeper session key v1") == fixed(v["key"])));

      agreement_key_ring ring;
      ring.replace({agreement_key::generate(wall_ms{1}), *gateway});
      const auto key = ring.accept(*token.claims.key_offer, token.signing_input);
      BOOST_REQUIRE(key.has_value());
      BOOST_TEST(key->mac("x") == hmac_sha256(fixed(v["key"])).mac("x"));

      const auto& jwk = v["device"];
      const auto device = jwk["kty"] == "EC"
                              ? make_p256_key(fixed(jwk["x"]), fixed(jwk["y"])).value()
                              : make_ed25519_key(fixed(jwk["x"])).value();
      BOOST_TEST(thumbprint_of(device).text() == v["device_kid"].get<std::string>());
      BOOST_TEST(result_of(first, device, *key) == "accept");
      for (const auto& t : v["tokens"]) {
        const auto result = t["result"].get<std::string>();
        BOOST_TEST(result_of(t["token"].get<std::string>(), device, *key) == result,
                   t["name"].get<std::string>());
        ++(result == "accept" ? accepted : refused);
      }
    }
  }
  BOOST_TEST(accepted == 6u);
  BOOST_TEST(refused == 20u);
}

BOOST_AUTO_TEST_CASE(a_point_that_is_not_on_the_curve_is_refused) {
  agreement_key_ring ring;
  const auto key = agreement_key::generate(wall_ms{1});
  ring.replace({key});
  session_key_offer offer;
  offer.gateway_key = key.kid();
  offer.point = agreement_key::generate(wall_ms{1}).public_key().bytes;
  BOOST_TEST(ring.accept(offer, "x").has_value());
  auto bad = offer;
  const auto refused = [&](agreement_key_ring::failure why) {
    const auto answer = ring.accept(bad, "x");
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST(answer.error() == why);
  };
  using enum agreement_key_ring::failure;
  bad.point[63] ^= 1;
  refused(bad_point);
  bad.gateway_key.bytes[0] ^= 1;  // told even where the key is not known
  refused(bad_point);
  bad.point = offer.point;
  refused(unknown_key);
  bad.gateway_key = key.kid();
  bad.point.fill(0);  // what some encode infinity as
  refused(bad_point);
  bad.point.fill(0xff);  // coordinates beyond the prime
  refused(bad_point);
  // x + p, where it fits 32 bytes, is the same point spelled otherwise: x is below 2^256 - p.
  bad.point = offer.point;
  const auto p = from_hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
  std::copy(p.begin(), p.end(), bad.point.begin());  // x = p stands for x = 0
  refused(bad_point);
}

BOOST_AUTO_TEST_CASE(a_secret_is_a_scalar_of_the_group) {
  p256::private_key secret{};
  BOOST_TEST(!agreement_key::from_secret(secret, wall_ms{0}).has_value());
  const auto order = from_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  std::copy(order.begin(), order.end(), secret.begin());
  BOOST_TEST(!agreement_key::from_secret(secret, wall_ms{0}).has_value());
  secret[31] -= 1;
  BOOST_TEST(agreement_key::from_secret(secret, wall_ms{0}).has_value());
  const auto made = agreement_key::generate(wall_ms{7});
  const auto again = agreement_key::from_secret(made.secret(), wall_ms{7});
  BOOST_REQUIRE(again.has_value());
  BOOST_TEST(again->kid() == made.kid());
  BOOST_TEST(again->created_ms() == wall_ms{7});
}

BOOST_AUTO_TEST_CASE(the_signer_makes_both_kinds_of_token) {
  const auto gateway = agreement_key::generate(wall_ms{1});
  agreement_key_ring ring;
  ring.replace({gateway});
  const auto device = device_signer::generate(signature_algorithm::eddsa);
  p256::private_key ephemeral;
  session_key_offer offer;
  p256::generate(ephemeral, offer.point);
  offer.gateway_key = gateway.kid();
  token_claims claims;
  claims.student = *student_id::parse("ann");
  claims.module = *module_id::parse("m");
  claims.session = *session_id::parse("s.1");
  claims.interval = {0, 1000};
  claims.issued_at_ms = wall_ms{1'763'812'345'123};
  claims.key_offer = offer;
  const auto first = device.sign_token(claims);
  const auto parsed = parse_engagement_token(first).value();
  BOOST_REQUIRE(parsed.claims.key_offer.has_value());
  BOOST_TEST(*parsed.claims.key_offer == offer);
  const auto key = ring.accept(offer, parsed.signing_input).value();
  std::array<std::uint8_t, 32> shared;
  BOOST_REQUIRE(p256::agree(ephemeral, gateway.public_key().bytes, shared));
  claims.key_offer.reset();
  claims.sequence = 1;
  const auto token = device.mac_token(claims, session_key_of(shared, parsed.signing_input));
  BOOST_TEST(result_of(token, device.public_key(), key) == "accept");
}

BOOST_AUTO_TEST_SUITE_END()
