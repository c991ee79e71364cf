// Session keys: who may authenticate a heartbeat by a MAC, and from when to when.
#include <boost/test/unit_test.hpp>

#include "actors/shared/session_memory.hpp"
#include "tests/actors/credit/session_world.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

/// The device's side.
struct key_world : world {
  key_world() { keys.replace({gateway_key}); }

  /// A signed token that offers a key, and the key that both sides make of it.
  std::string offering(std::uint32_t sequence, crypto::hmac_sha256& key) {
    auto offering_claims = claims(sequence);
    offering_claims.key_offer = offer;
    auto token = signer.sign_token(offering_claims);
    std::array<std::uint8_t, 32> shared;
    BOOST_REQUIRE(crypto::p256::agree(ephemeral, gateway_key.public_key().bytes, shared));
    key = crypto::session_key_of(shared, token.substr(0, token.rfind('.')));
    return token;
  }
  std::string mac(std::uint32_t sequence, const crypto::hmac_sha256& key) {
    return signer.mac_token(claims(sequence), key);
  }
  /// Takes a token through screening and the session, and returns the job, which has no result yet.
  heartbeat_job_ptr passed(session_core& session, const std::string& token) {
    auto j = job(token);
    BOOST_REQUIRE(parse_job(*j, policy, clock.wall_now()).has_value());
    BOOST_REQUIRE(std::holds_alternative<ok_t>(
        screen_job(*j, policy, registry_cache, addresses, clock.monotonic_now())));
    return session.verify(*j) ? j : nullptr;
  }
  void report(const heartbeat_job_ptr& j, credit_status status) {
    BOOST_REQUIRE(j != nullptr);
    credit_outcome outcome;
    outcome.status = status;
    if (status == credit_status::rejected) outcome.why = problem::storage_unavailable;
    j->report(outcome);
  }
  /// The problem that the session finds in the token; `none` if it goes on to its shard.
  problem verified(session_core& session, const std::string& token) {
    auto j = passed(session, token);
    if (!j) return last_problem();
    report(j, credit_status::credited);
    return problem::none;
  }

  crypto::agreement_key gateway_key = crypto::agreement_key::generate(wall_ms{1});
  crypto::p256::private_key ephemeral{};
  session_key_offer offer = [this] {
    session_key_offer made;
    crypto::p256::generate(ephemeral, made.point);
    made.gateway_key = gateway_key.kid();
    return made;
  }();
  const crypto::hmac_sha256 no_key{std::array<std::uint8_t, 32>{}};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(session_keys)

BOOST_AUTO_TEST_CASE(a_key_is_agreed_on_and_authenticates_what_follows) {
  key_world w;
  session_core session(w.deps);
  auto key = w.no_key;
  BOOST_TEST(w.verified(session, w.mac(1, w.no_key)) == problem::session_key_unknown);
  BOOST_TEST(w.verified(session, w.offering(0, key)) == problem::none);
  BOOST_TEST(w.verified(session, w.mac(1, key)) == problem::none);
  BOOST_TEST(w.verified(session, w.mac(2, key)) == problem::none);
  BOOST_TEST(w.verified(session, w.signer.sign_token(w.claims(3))) == problem::none);
  constexpr auto hs256 = static_cast<std::size_t>(signature_algorithm::hs256);
  BOOST_TEST(w.verifications.latency[hs256].count() == 2u);
  BOOST_TEST(w.verifications.failures[hs256] == 0u);
}

BOOST_AUTO_TEST_CASE(a_mac_that_is_wrong_is_a_bad_signature_and_counts_against_the_address) {
  key_world w;
  session_core session(w.deps);
  auto key = w.no_key;
  BOOST_TEST(w.verified(session, w.offering(0, key)) == problem::none);
  for (std::uint32_t i = 1; i <= 5; ++i)
    BOOST_TEST(w.verified(session, w.mac(i, w.no_key)) == problem::bad_signature);
  constexpr auto hs256 = static_cast<std::size_t>(signature_algorithm::hs256);
  BOOST_TEST(w.verifications.failures[hs256] == 5u);
  BOOST_TEST(w.screened(w.mac(9, key)) == problem::rate_limited);
}

BOOST_AUTO_TEST_CASE(a_missing_key_counts_against_nobody) {
  key_world w;
  session_core session(w.deps);
  for (std::uint32_t i = 1; i <= 20; ++i)
    BOOST_TEST(w.verified(session, w.mac(i, w.no_key)) == problem::session_key_unknown);
  BOOST_TEST(w.screened(w.signer.sign_token(w.claims(0))) == problem::none);
}

BOOST_AUTO_TEST_CASE(every_accepted_offer_replaces_the_key_even_a_duplicate) {
  key_world w;
  session_core session(w.deps);
  auto first = w.no_key, second = w.no_key;
  w.report(w.passed(session, w.offering(0, first)), credit_status::credited);
  w.clock.advance(1);  // another iat: another salt
  w.report(w.passed(session, w.offering(0, second)), credit_status::duplicate);
  BOOST_TEST(w.verified(session, w.mac(1, second)) == problem::none);
  BOOST_TEST(w.verified(session, w.mac(2, first)) == problem::bad_signature);
}

BOOST_AUTO_TEST_CASE(an_offer_that_was_not_accepted_leaves_the_key_as_it_was) {
  key_world w;
  session_core session(w.deps);
  auto first = w.no_key, second = w.no_key;
  w.report(w.passed(session, w.offering(0, first)), credit_status::credited);
  w.clock.advance(1);
  auto waiting = w.passed(session, w.offering(1, second));
  // After an offer in flight both keys are valid: a device sends its buffer in one go.
  BOOST_TEST(w.verified(session, w.mac(2, first)) == problem::none);
  BOOST_TEST(w.verified(session, w.mac(3, second)) == problem::none);
  w.report(waiting, credit_status::rejected);
  BOOST_TEST(w.verified(session, w.mac(4, first)) == problem::none);
  BOOST_TEST(w.verified(session, w.mac(5, second)) == problem::bad_signature);
}

BOOST_AUTO_TEST_CASE(an_offer_whose_job_is_lost_is_not_accepted) {
  key_world w;
  session_core session(w.deps);
  auto key = w.no_key;
  w.passed(session, w.offering(0, key)).reset();  // gets `overloaded` from its destructor
  BOOST_TEST(w.last_problem() == problem::overloaded);
  BOOST_TEST(w.verified(session, w.mac(1, key)) == problem::session_key_unknown);
}

BOOST_AUTO_TEST_CASE(an_offer_to_another_gateway_key_is_credited_without_a_session_key) {
  key_world w;
  session_core session(w.deps);
  auto key = w.no_key, lost = w.no_key;
  BOOST_TEST(w.verified(session, w.offering(0, key)) == problem::none);
  w.offer.gateway_key.bytes[5] ^= 1;
  BOOST_TEST(w.verified(session, w.offering(1, lost)) == problem::none);
  // The device has a new key now; the old one must not make its MAC look forged.
  BOOST_TEST(w.verified(session, w.mac(2, lost)) == problem::session_key_unknown);
  BOOST_TEST(w.verified(session, w.mac(2, key)) == problem::session_key_unknown);
}

BOOST_AUTO_TEST_CASE(keys_that_are_no_longer_announced_still_do) {
  key_world w;
  session_core session(w.deps);
  w.keys.replace({crypto::agreement_key::generate(wall_ms{2}), w.gateway_key});
  auto key = w.no_key;
  BOOST_TEST(w.verified(session, w.offering(0, key)) == problem::none);
  BOOST_TEST(w.verified(session, w.mac(1, key)) == problem::none);
  w.keys.replace({crypto::agreement_key::generate(wall_ms{3})});
  BOOST_TEST(w.verified(session, w.mac(2, key)) == problem::none);  // the session has its key
  BOOST_TEST(w.verified(session, w.offering(3, key)) == problem::none);
  BOOST_TEST(w.verified(session, w.mac(4, key)) == problem::session_key_unknown);
}

BOOST_AUTO_TEST_CASE(a_point_off_the_curve_is_malformed_and_a_forged_offer_sets_nothing) {
  key_world w;
  session_core session(w.deps);
  auto key = w.no_key;
  const auto good = w.offer;
  w.offer.point[63] ^= 1;
  auto claims = w.claims(0);
  claims.key_offer = w.offer;
  BOOST_TEST(w.verified(session, w.signer.sign_token(claims)) == problem::malformed_token);
  w.offer = good;
  auto forged = w.offering(0, key);
  auto& c = forged[forged.size() - 10];
  c = c == 'A' ? 'B' : 'A';
  BOOST_TEST(w.verified(session, forged) == problem::bad_signature);
  BOOST_TEST(w.verified(session, w.mac(1, key)) == problem::session_key_unknown);
}

BOOST_AUTO_TEST_CASE(the_algorithm_is_the_keys) {
  key_world w;
  session_core session(w.deps);
  auto key = w.no_key;
  BOOST_TEST(w.verified(session, w.offering(0, key)) == problem::none);
  const auto with = [&](const std::string& header, const std::string& token) {
    const auto encoded = base64url::encode(
        std::span(reinterpret_cast<const std::uint8_t*>(header.data()), header.size()));
    return encoded + token.substr(token.find('.'));
  };
  const auto kid = w.signer.kid().text();
  const auto typ = std::string(R"(,"typ":"engagement+jwt"})");
  const auto mac = w.mac(1, key);
  // A MAC under the name of the device's algorithm, and the other way round.
  BOOST_TEST(w.screened(with(R"({"alg":"ES256","kid":")" + kid + '"' + typ, mac)) ==
             problem::bad_signature);
  BOOST_TEST(w.screened(with(R"({"alg":"HS256","kid":")" + kid + '"' + typ, mac)) ==
             problem::malformed_token);
  const auto signed_token = w.signer.sign_token(w.claims(1));
  BOOST_TEST(w.screened(with(R"({"alg":"HS256","kid":")" + kid + R"(.s1")" + typ, signed_token)) ==
             problem::bad_signature);  // 64 bytes are no MAC
  BOOST_TEST(w.screened(with(R"({"alg":"EdDSA","kid":")" + kid + '"' + typ, signed_token)) ==
             problem::bad_signature);
  // Anybody may have the device's public key: it must be no key for a MAC.
  for (const std::size_t size : {32u, 64u}) {
    const crypto::hmac_sha256 of_public(std::span(w.signer.public_key().bytes).first(size));
    BOOST_TEST(w.verified(session, w.mac(1, of_public)) == problem::bad_signature);
  }
  BOOST_TEST(w.verified(session, mac) == problem::none);
}

BOOST_AUTO_TEST_CASE(a_policy_of_every_requires_signatures_and_loses_nothing) {
  key_world w;
  w.policy.session_keys_allowed = false;
  session_core session(w.deps);
  auto key = w.no_key;
  BOOST_TEST(w.verified(session, w.offering(0, key)) == problem::none);
  BOOST_TEST(w.screened(w.mac(1, key)) == problem::session_key_unknown);
  BOOST_TEST(w.verified(session, w.signer.sign_token(w.claims(1))) == problem::none);
}

BOOST_AUTO_TEST_CASE(macs_obey_the_rules_of_signatures) {
  key_world w;
  w.policy.device_rate = {1'000'000, 2};
  session_core session(w.deps);
  auto key = w.no_key;
  BOOST_TEST(w.verified(session, w.offering(0, key)) == problem::none);
  auto other = w.claims(1);
  other.student = student(2);
  BOOST_TEST(w.screened(w.signer.mac_token(other, key)) == problem::subject_mismatch);
  module_record second;
  second.id = module_named("m2");
  second.rules.duration_ms = 600'000;
  w.registry_cache.put_module(second.id, second, w.registry_cache.generation(second.id),
                              w.clock.monotonic_now());
  auto elsewhere = w.claims(1);
  elsewhere.module = second.id;
  BOOST_TEST(w.verified(session, w.signer.mac_token(elsewhere, key)) == problem::session_mismatch);
  // Both were authentic, and charged to the device.
  BOOST_TEST(w.screened(w.mac(1, key)) == problem::rate_limited);
  w.registry_cache.forget_device(w.signer.kid());
  w.enrol(w.signer, student(1), true);
  BOOST_TEST(w.screened(w.mac(1, key)) == problem::revoked_device);
}

BOOST_AUTO_TEST_CASE(a_mac_is_checked_without_the_sessions_actor) {
  key_world w;
  w.policy.device_rate = {1'000'000, 3};
  session_core session(w.deps);
  auto key = w.no_key;
  const auto check = [&](const std::string& token) {
    auto j = w.job(token);
    BOOST_REQUIRE(parse_job(*j, w.policy, w.clock.wall_now()).has_value());
    BOOST_REQUIRE(std::holds_alternative<ok_t>(
        screen_job(*j, w.policy, w.registry_cache, w.addresses, w.clock.monotonic_now())));
    return verify_mac(*j, *session.memory(), w.deps);
  };
  BOOST_TEST(check(w.mac(1, key)) == mac_check::undecided);
  BOOST_TEST(w.verified(session, w.offering(0, key)) == problem::none);
  BOOST_TEST(check(w.mac(1, key)) == mac_check::valid);
  BOOST_TEST(check(w.mac(2, w.no_key)) == mac_check::undecided);
  BOOST_TEST(check(w.mac(2, key)) == mac_check::valid);
  auto j = w.job(w.mac(3, key));
  BOOST_REQUIRE(parse_job(*j, w.policy, w.clock.wall_now()).has_value());
  j->device = w.registry_cache.find_device(w.signer.kid(), w.clock.monotonic_now()).entry;
  BOOST_TEST(verify_mac(*j, *session.memory(), w.deps) == mac_check::rejected);
  BOOST_TEST(w.last_problem() == problem::rate_limited);
}

BOOST_AUTO_TEST_SUITE_END()
