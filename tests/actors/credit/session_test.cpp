#include "actors/credit/session.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/credit/session_directory.hpp"
#include "tests/actors/credit/session_world.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

BOOST_AUTO_TEST_SUITE(session)

BOOST_AUTO_TEST_CASE(screening_names_each_problem) {
  world w;
  BOOST_TEST(w.screened(w.signer.sign_token(w.claims())) == problem::none);
  BOOST_TEST(w.screened("not a token") == problem::malformed_token);
  BOOST_TEST(w.screened(std::string(1024, 'a')) == problem::token_too_large);

  auto stale = w.claims();
  stale.issued_at_ms -= 900'001;
  BOOST_TEST(w.screened(w.signer.sign_token(stale)) == problem::stale_token);
  BOOST_TEST(std::get<rejection>(w.last).stale == stale_cause::time);
  auto expired = w.claims();
  expired.expires_at_ms = w.clock.wall_now() - 1;
  BOOST_TEST(w.screened(w.signer.sign_token(expired)) == problem::stale_token);
  auto future = w.claims();
  future.issued_at_ms += 30'001;
  BOOST_TEST(w.screened(w.signer.sign_token(future)) == problem::future_token);

  auto other = w.claims();
  other.student = student(2);
  BOOST_TEST(w.screened(w.signer.sign_token(other)) == problem::subject_mismatch);
  auto too_long = w.claims();
  too_long.interval = {0, 30'001};
  BOOST_TEST(w.screened(w.signer.sign_token(too_long)) == problem::implausible_interval);
  auto beyond = w.claims();
  beyond.interval = {600'000, 601'000};
  BOOST_TEST(w.screened(w.signer.sign_token(beyond)) == problem::implausible_interval);

  auto elsewhere = w.claims();
  elsewhere.module = module_named("nowhere");
  BOOST_TEST(w.screened(w.signer.sign_token(elsewhere)) == problem::none);
  BOOST_TEST(w.last == screening_result(registry_record::module));
  w.registry_cache.put_module(elsewhere.module, std::nullopt,
                              w.registry_cache.generation(elsewhere.module),
                              w.clock.monotonic_now());
  BOOST_TEST(w.screened(w.signer.sign_token(elsewhere)) == problem::unknown_module);

  const auto stranger = crypto::device_signer::generate(signature_algorithm::es256);
  BOOST_TEST(w.screened(stranger.sign_token(w.claims())) == problem::none);
  BOOST_TEST(w.last == screening_result(registry_record::device));
  w.registry_cache.put_device(stranger.kid(), std::nullopt,
                              w.registry_cache.generation(stranger.kid()), w.clock.monotonic_now());
  BOOST_TEST(w.screened(stranger.sign_token(w.claims())) == problem::unknown_device);
  w.registry_cache.forget_device(stranger.kid());
  w.enrol(stranger, student(1), true);
  BOOST_TEST(w.screened(stranger.sign_token(w.claims())) == problem::revoked_device);

  w.policy.require_assignment = true;
  BOOST_TEST(w.screened(w.signer.sign_token(w.claims())) == problem::none);
  BOOST_TEST(w.last == screening_result(registry_record::assignment));
  const pair_key pair{student(1), module_named("m1")};
  const auto assign = [&](bool assigned, std::uint32_t epoch) {
    w.registry_cache.forget_assignment(pair);
    w.registry_cache.put_assignment(pair, assigned, epoch, w.registry_cache.generation(pair),
                                    w.clock.monotonic_now());
  };
  const auto epoch =
      w.registry_cache.find_device(w.signer.kid(), w.clock.monotonic_now()).entry->record.epoch;
  assign(false, epoch);
  BOOST_TEST(w.screened(w.signer.sign_token(w.claims())) == problem::not_assigned);
  assign(true, epoch + 1);  // of before or after an erasure: it has to be read again
  BOOST_TEST(w.screened(w.signer.sign_token(w.claims())) == problem::none);
  BOOST_TEST(w.last == screening_result(registry_record::assignment));
  assign(true, epoch);
  BOOST_TEST(w.screened(w.signer.sign_token(w.claims())) == problem::none);
  BOOST_TEST(w.last == screening_result(ok));
}

BOOST_AUTO_TEST_CASE(an_overshoot_of_the_end_is_clipped) {
  world w;
  auto claims = w.claims();
  claims.interval = {595'000, 601'000};
  auto j = w.job(w.signer.sign_token(claims));
  BOOST_REQUIRE(parse_job(*j, w.policy, w.clock.wall_now()).has_value());
  BOOST_REQUIRE(std::holds_alternative<ok_t>(
      screen_job(*j, w.policy, w.registry_cache, w.addresses, w.clock.monotonic_now())));
  BOOST_TEST(j->credit.interval.to_ms == 600'000);
}

BOOST_AUTO_TEST_CASE(a_signature_decides) {
  world w;
  session_core session(w.deps);
  BOOST_TEST(!session.has_verified());
  BOOST_TEST(w.passes(session, w.signer.sign_token(w.claims())));
  BOOST_TEST(session.has_verified());
  auto token = w.signer.sign_token(w.claims(1));
  auto& c = token[token.size() - 10];
  c = c == 'A' ? 'B' : 'A';
  BOOST_TEST(!w.passes(session, token));
  BOOST_TEST(w.last_problem() == problem::bad_signature);
  BOOST_TEST(w.verifications.failures[0] == 1u);
  BOOST_TEST(w.verifications.latency[0].count() == 2u);
}

BOOST_AUTO_TEST_CASE(a_session_stays_with_its_module) {
  world w;
  module_record second;
  second.id = module_named("m2");
  second.rules.duration_ms = 600'000;
  w.registry_cache.put_module(second.id, second, w.registry_cache.generation(second.id),
                              w.clock.monotonic_now());
  session_core session(w.deps);
  BOOST_TEST(w.passes(session, w.signer.sign_token(w.claims())));
  auto claims = w.claims(1);
  claims.module = second.id;
  BOOST_TEST(!w.passes(session, w.signer.sign_token(claims)));
  BOOST_TEST(w.last_problem() == problem::session_mismatch);
}

BOOST_AUTO_TEST_CASE(only_tokens_that_verify_count_against_the_device) {
  world w;
  w.policy.device_rate = {1'000'000, 3};
  session_core session(w.deps);
  const auto forged = [&](std::uint32_t sequence) {
    auto token = w.signer.sign_token(w.claims(sequence));
    auto& c = token[token.size() - 10];
    c = c == 'A' ? 'B' : 'A';
    return token;
  };
  for (std::uint32_t i = 0; i < 4; ++i) BOOST_TEST(!w.passes(session, forged(i)));
  for (std::uint32_t i = 0; i < 3; ++i)
    BOOST_TEST(w.passes(session, w.signer.sign_token(w.claims(i))));
  BOOST_TEST(w.screened(w.signer.sign_token(w.claims(9))) == problem::rate_limited);
  BOOST_TEST(std::get<rejection>(w.last).retry_after_ms > 0);
  w.clock.advance(1000);
  BOOST_TEST(w.screened(w.signer.sign_token(w.claims(9))) == problem::none);
}

BOOST_AUTO_TEST_CASE(of_heartbeats_that_wait_together_no_more_are_verified_than_may_fail) {
  world w;  // an address may fail five times at once, and once each 10 ms
  session_core session(w.deps);
  std::vector<heartbeat_job_ptr> waiting;
  for (std::uint32_t i = 0; i < 50; ++i) {
    auto token = w.signer.sign_token(w.claims(i));
    auto& c = token[token.size() - 10];
    c = c == 'A' ? 'B' : 'A';
    waiting.push_back(w.job(token));
    auto& j = *waiting.back();
    BOOST_REQUIRE(parse_job(j, w.policy, w.clock.wall_now()).has_value());
    BOOST_REQUIRE(std::holds_alternative<ok_t>(
        screen_job(j, w.policy, w.registry_cache, w.addresses, w.clock.monotonic_now())));
  }
  // Verified 20 ms later: the time of the verification counts, not that of the arrival.
  w.clock.advance(20);
  for (auto& each : waiting) BOOST_TEST(!session.verify(*each));
  BOOST_TEST(w.verifications.failures[0] == 5u);
  BOOST_TEST(w.last_problem() == problem::rate_limited);
  BOOST_TEST(w.listener->results.back().retry_after_ms == 10);
}

BOOST_AUTO_TEST_CASE(tokens_that_do_not_verify_count_against_their_address) {
  world w;
  session_core session(w.deps);
  for (std::uint32_t i = 0; i < 5; ++i) {
    auto token = w.signer.sign_token(w.claims(i));
    auto& c = token[token.size() - 10];
    c = c == 'A' ? 'B' : 'A';
    BOOST_TEST(!w.passes(session, token));
  }
  BOOST_TEST(w.screened(w.signer.sign_token(w.claims(9))) == problem::rate_limited);
  // Before any look-up: made-up devices from there cost no read of the ledger.
  const auto stranger = crypto::device_signer::generate(signature_algorithm::es256);
  BOOST_TEST(w.screened(stranger.sign_token(w.claims())) == problem::rate_limited);
}

BOOST_AUTO_TEST_CASE(the_directory_is_bounded_and_forgets_the_idle) {
  session_directory directory(640);
  const auto key = [](int i) {
    session_key_id k;
    // Spread over the stripes, which take the high bits of the hash.
    for (std::size_t b = 0; b < 8; ++b)
      k.device.bytes[b] = static_cast<std::uint8_t>((i * 2654435761u) >> (8 * (b % 4)));
    k.session = *session_id::parse("s" + std::to_string(i));
    return k;
  };
  for (int i = 0; i < 5000; ++i) directory.put(key(i), session_handle{}, mono_ms(1000 + i));
  BOOST_TEST(directory.size() <= 640u + session_directory::stripe_count());
  BOOST_TEST(directory.size() > 300u);
  for (std::size_t i = 0; i < session_directory::stripe_count(); ++i)
    directory.sweep(mono_ms(100'000));
  BOOST_TEST(directory.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_read_that_was_overtaken_is_not_stored) {
  registry registry_cache;
  const auto id = module_named("m1");
  constexpr mono_ms now(1000);
  const auto generation = registry_cache.generation(id);
  registry_cache.forget_module(id);  // somebody changed it while it was being read
  registry_cache.put_module(id, module_record{id, "old", {}, wall_ms{0}}, generation, now);
  BOOST_TEST(!registry_cache.find_module(id, now).is_cached);
  registry_cache.put_module(id, std::nullopt, registry_cache.generation(id), now);
  BOOST_TEST(registry_cache.find_module(id, now + registry::absence_ttl_ms).is_cached);
  BOOST_TEST(!registry_cache.find_module(id, now + 1 + registry::absence_ttl_ms).is_cached);
}

BOOST_AUTO_TEST_SUITE_END()
