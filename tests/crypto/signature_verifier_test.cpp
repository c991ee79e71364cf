#include <boost/test/unit_test.hpp>

#include <openssl/err.h>

#include <atomic>
#include <thread>

#include "crypto/device_key.hpp"
#include "crypto/device_signer.hpp"
#include "crypto/signature_verifier.hpp"
#include "tests/crypto/vectors.hpp"

using namespace watchkeeper;
using namespace watchkeeper::crypto;
using namespace watchkeeper::test;

namespace {

const bytes p256_order =
    from_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");

token_claims some_claims() {
  token_claims c;
  c.student = *student_id::parse("student-4711");
  c.module = *module_id::parse("module:7@x~y");
  c.session = *session_id::parse("0f8fad5b-d9cb-469f-a165-70867728950e");
  c.sequence = 0x7fff'ffff;
  c.interval = {0, 10'000};
  c.issued_at_ms = wall_ms{1'763'812'345'007};
  return c;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(signatures)

BOOST_AUTO_TEST_CASE(a_signed_token_parses_and_verifies) {
  for (const auto algorithm : {signature_algorithm::es256, signature_algorithm::eddsa})
    for (int i = 0; i < 30; ++i) {
      const auto signer = device_signer::generate(algorithm);
      const signature_verifier verifier{signer.public_key()};
      auto claims = some_claims();
      if (i % 2 == 1) {
        claims.playback_rate_permille = 250 + 125 * i;
        claims.expires_at_ms = wall_ms{1'763'812'999'000 + i};
      }
      const auto text = signer.sign_token(claims);
      const auto token = parse_engagement_token(text).value();
      BOOST_TEST(token.algorithm == algorithm);
      BOOST_TEST(token.device == signer.kid());
      BOOST_TEST(token.device == thumbprint_of(signer.public_key()));
      BOOST_TEST(token.claims.student == claims.student);
      BOOST_TEST(token.claims.module == claims.module);
      BOOST_TEST(token.claims.session == claims.session);
      BOOST_TEST(token.claims.sequence == claims.sequence);
      BOOST_TEST(token.claims.interval == claims.interval);
      BOOST_TEST(token.claims.playback_rate_permille == claims.playback_rate_permille);
      BOOST_TEST(token.claims.issued_at_ms == claims.issued_at_ms);
      BOOST_TEST(token.claims.expires_at_ms == claims.expires_at_ms);
      BOOST_TEST(token.signature_bytes == 64);
      BOOST_TEST(verifier.verify(token.signing_input, token.signature));
      BOOST_TEST(text.size() < 600u);
    }
}

BOOST_AUTO_TEST_CASE(the_payload_is_as_documented) {
  const auto signer = device_signer::generate(signature_algorithm::es256);
  const auto text = signer.sign_token(some_claims());
  const auto first = text.find('.'), last = text.rfind('.');
  const auto header = from_base64url(std::string_view{text}.substr(0, first)).value();
  const auto payload =
      from_base64url(std::string_view{text}.substr(first + 1, last - first - 1)).value();
  BOOST_TEST(as_text(header) ==
             R"({"alg":"ES256","kid":")" + signer.kid().text() + R"(","typ":"engagement+jwt"})");
  BOOST_TEST(as_text(payload) ==
             R"({"sub":"student-4711","cid":"module:7@x~y",)"
             R"("sid":"0f8fad5b-d9cb-469f-a165-70867728950e","sn":2147483647,"from":0,"to":10000,)"
             R"("iat":1763812345.007})");
}

BOOST_AUTO_TEST_CASE(any_changed_bit_is_noticed) {
  for (const auto algorithm : {signature_algorithm::es256, signature_algorithm::eddsa}) {
    const auto signer = device_signer::generate(algorithm);
    const signature_verifier verifier{signer.public_key()};
    const std::string message = "header.payload";
    const auto signature = signer.sign(message);
    BOOST_TEST(verifier.verify(message, signature));
    for (std::size_t bit = 0; bit < 512; ++bit) {
      auto changed = signature;
      changed[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
      BOOST_TEST(!verifier.verify(message, changed));
    }
    for (std::size_t i = 0; i < message.size(); ++i) {
      auto changed = message;
      changed[i] ^= 1;
      BOOST_TEST(!verifier.verify(changed, signature));
    }
    const auto other = device_signer::generate(algorithm);
    BOOST_TEST(!signature_verifier{other.public_key()}.verify(message, signature));
  }
}

BOOST_AUTO_TEST_CASE(signatures_are_64_bytes) {
  for (const auto algorithm : {signature_algorithm::es256, signature_algorithm::eddsa}) {
    const auto signer = device_signer::generate(algorithm);
    const signature_verifier verifier{signer.public_key()};
    const auto good = signer.sign("m");
    bytes b(good.begin(), good.end());
    BOOST_TEST(verifier.verify("m", b));
    b.push_back(0);
    BOOST_TEST(!verifier.verify("m", b));
    b.resize(63);
    BOOST_TEST(!verifier.verify("m", b));
    BOOST_TEST(!verifier.verify("m", {}));
  }
}

BOOST_AUTO_TEST_CASE(r_and_s_lie_between_zero_and_the_order) {
  const auto signer = device_signer::generate(signature_algorithm::es256);
  const signature_verifier verifier{signer.public_key()};
  const auto good = signer.sign("m");
  const bytes zero(32, 0), high(32, 0xff);
  for (const auto& value : {zero, p256_order, high})
    for (const std::ptrdiff_t half : {0, 32}) {
      auto bad = good;
      std::copy(value.begin(), value.end(), bad.begin() + half);
      BOOST_TEST(!verifier.verify("m", bad));
    }
  bytes both(64, 0);
  BOOST_TEST(!verifier.verify("m", both));
  // The error queue of the thread belongs to TLS as well.
  BOOST_TEST(ERR_peek_error() == 0u);
}

BOOST_AUTO_TEST_CASE(a_key_that_enrolment_would_refuse_verifies_nothing) {
  const auto signer = device_signer::generate(signature_algorithm::es256);
  const auto signature = signer.sign("m");
  device_public_key nowhere;
  BOOST_TEST(!signature_verifier{nowhere}.verify("m", signature));
  nowhere.algorithm = signature_algorithm::hs256;
  BOOST_TEST(!signature_verifier{nowhere}.verify("m", signature));
  // With the point of order one as key, S = 0 and R = that point would verify anything.
  device_public_key one;
  one.algorithm = signature_algorithm::eddsa;
  one.bytes[0] = 1;
  bytes forged(64, 0);
  forged[0] = 1;
  BOOST_TEST(!signature_verifier{one}.verify("m", forged));
}

// Keys are lent to one OpenSSL object a thread: what one call leaves must not reach into the next.
BOOST_AUTO_TEST_CASE(keys_do_not_leak_into_each_other) {
  std::vector<device_signer> signers;
  for (int i = 0; i < 8; ++i)
    signers.push_back(device_signer::generate(signature_algorithm::es256));
  for (const auto& signer : signers)
    for (const auto& other : signers) {
      const auto signature = signer.sign("m");
      const signature_verifier verifier{other.public_key()};
      BOOST_TEST(verifier.verify("m", signature) == (&signer == &other));
      BOOST_TEST(!signature_verifier{device_public_key{}}.verify("m", signature));
      BOOST_TEST(signature_verifier{signer.public_key()}.verify("m", signature));
    }
}

BOOST_AUTO_TEST_CASE(threads_do_not_disturb_each_other) {
  const auto signer = device_signer::generate(signature_algorithm::es256);
  const signature_verifier verifier{signer.public_key()};
  const auto signature = signer.sign("m");
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      const auto mine = device_signer::generate(signature_algorithm::es256);
      const signature_verifier mine_verifier{mine.public_key()};
      for (int i = 0; i < 100; ++i) {
        const auto mine_signature = mine.sign("m");
        if (!verifier.verify("m", signature)) ++wrong;
        if (!mine_verifier.verify("m", mine_signature)) ++wrong;
        if (verifier.verify("m", mine_signature)) ++wrong;
      }
    });
  for (auto& t : threads) t.join();
  BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(signers_and_verifiers_move) {
  auto signer = device_signer::generate(signature_algorithm::eddsa);
  auto moved = std::move(signer);
  signature_verifier verifier{moved.public_key()};
  signer = device_signer::generate(signature_algorithm::es256);
  const auto other = verifier;
  BOOST_TEST(other.verify("m", moved.sign("m")));
  BOOST_TEST(!other.verify("m", signer.sign("m")));
  BOOST_CHECK_THROW((void)device_signer::generate(signature_algorithm::hs256),
                    std::invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
