#include "tools/fleet/player.hpp"

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

#include "base/base64url.hpp"
#include "crypto/agreement_key.hpp"
#include "crypto/signature_verifier.hpp"

using namespace watchkeeper;
using namespace watchkeeper::fleet;
using namespace std::chrono_literals;

namespace {

struct fixture {
  std::vector<played_module> modules{{*module_id::parse("short"), 25'000},
                                     {*module_id::parse("long"), 600'000}};
  player::random source{7};
  playing_rules rules;
  player::time_point now{std::chrono::hours(1)};

  player make(unsigned sessions = 1, bool cheats = false, media_ms start_ms = 0) {
    return {sdk::software_key::generate(),
            *student_id::parse("ada"),
            0,
            modules,
            sessions,
            start_ms,
            cheats};
  }
  std::vector<std::uint32_t> take_sequences(player& who) {
    std::vector<std::uint32_t> numbers;
    for (const auto& beat : who.take(16, now)) numbers.push_back(beat.claims.sequence);
    return numbers;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(player_suite)

BOOST_FIXTURE_TEST_CASE(no_two_runs_with_one_seed_have_a_session_in_common, fixture) {
  std::set<std::string> sessions;
  constexpr int runs = 2, beats = 9;  // two modules of three and sixty: one ends
  for (int run = 0; run < runs; ++run) {
    auto who = make();
    player::random seeded{1};
    for (int i = 0; i < beats; ++i)
      sessions.insert(
          std::string(who.play(rules, wall_ms{1'763'812'345'123}, seeded).claims.session.view()));
  }
  BOOST_CHECK_EQUAL(sessions.size(), 2 * runs);
}

BOOST_FIXTURE_TEST_CASE(the_token_is_what_the_strict_parser_and_the_verifier_accept, fixture) {
  auto who = make(1, false, 5'000);
  rules.rate_permille = 1250;
  const auto beat = who.play(rules, wall_ms{1'763'812'345'123}, source);
  std::string_view detail;
  const auto parsed = parse_engagement_token(beat.token, &detail);
  BOOST_REQUIRE_MESSAGE(parsed, detail);
  BOOST_CHECK(parsed->algorithm == signature_algorithm::es256);
  BOOST_CHECK(parsed->device == who.key().kid());
  BOOST_CHECK(parsed->claims.student == who.student());
  BOOST_CHECK(parsed->claims.module == modules[0].id);
  BOOST_CHECK(parsed->claims.session == beat.claims.session);
  BOOST_CHECK_EQUAL(parsed->claims.sequence, 0);
  BOOST_CHECK((parsed->claims.interval == media_interval{5'000, 15'000}));
  BOOST_CHECK_EQUAL(parsed->claims.playback_rate_permille, 1250);
  BOOST_CHECK_EQUAL(parsed->claims.issued_at_ms, wall_ms{1'763'812'345'123});
  const crypto::signature_verifier verifier{who.key().public_key()};
  BOOST_CHECK(verifier.verify(parsed->signing_input, parsed->signature));
}

BOOST_FIXTURE_TEST_CASE(at_the_end_of_a_module_the_next_begins_in_a_new_session, fixture) {
  auto who = make();
  std::vector<heartbeat> beats;
  for (int i = 0; i < 5; ++i) beats.push_back(who.play(rules, wall_ms{1'000}, source));
  BOOST_CHECK((beats[2].claims.interval == media_interval{20'000, 25'000}));  // cut at the duration
  BOOST_CHECK(beats[2].claims.session == beats[0].claims.session);
  BOOST_CHECK(beats[3].claims.session != beats[0].claims.session);
  BOOST_CHECK(beats[3].claims.module == modules[1].id);
  BOOST_CHECK_EQUAL(beats[3].claims.sequence, 0);
  BOOST_CHECK((beats[4].claims.interval == media_interval{10'000, 20'000}));
}

BOOST_FIXTURE_TEST_CASE(sessions_take_turns_and_count_for_themselves, fixture) {
  auto who = make(3);
  std::set<std::string> sessions;
  for (int i = 0; i < 6; ++i) {
    const auto beat = who.play(rules, wall_ms{1'000}, source);
    sessions.insert(std::string{beat.claims.session.view()});
    BOOST_CHECK_EQUAL(beat.claims.sequence, i / 3);
  }
  BOOST_CHECK_EQUAL(sessions.size(), 3);
}

BOOST_FIXTURE_TEST_CASE(a_cheater_leaves_gaps, fixture) {
  auto who = make(1, true);
  modules = {modules[1]};
  int gaps = 0;
  auto last = who.play(rules, wall_ms{1'000}, source);
  for (int i = 0; i < 5; ++i) {
    const auto next = who.play(rules, wall_ms{1'000}, source);
    if (next.claims.session == last.claims.session &&
        next.claims.interval.from_ms > last.claims.interval.to_ms)
      ++gaps;
    last = next;
  }
  BOOST_CHECK_GT(gaps, 0);
}

BOOST_FIXTURE_TEST_CASE(with_session_keys_only_the_first_heartbeat_is_signed_by_the_device,
                        fixture) {
  const auto pair = crypto::agreement_key::generate(wall_ms{0});
  crypto::agreement_key_ring ring;
  ring.replace({pair});
  const sdk::gateway_key gateway{pair.kid().text(), pair.public_key().bytes};
  rules.gateway = &gateway;
  modules = {modules[1]};
  auto who = make();
  const auto first = who.play(rules, wall_ms{1'000}, source);
  const auto second = who.play(rules, wall_ms{1'000}, source);

  const auto offer = parse_engagement_token(first.token, nullptr);
  BOOST_REQUIRE(offer && offer->claims.key_offer);
  BOOST_CHECK(offer->algorithm == signature_algorithm::es256);
  BOOST_CHECK(crypto::signature_verifier{who.key().public_key()}.verify(offer->signing_input,
                                                                        offer->signature));
  const auto key = ring.accept(*offer->claims.key_offer, offer->signing_input);
  BOOST_REQUIRE(key);
  const auto by_key = parse_engagement_token(second.token, nullptr);
  BOOST_REQUIRE(by_key);
  BOOST_CHECK(by_key->algorithm == signature_algorithm::hs256);
  BOOST_CHECK(by_key->device == who.key().kid());
  BOOST_CHECK(!by_key->claims.key_offer);
  BOOST_CHECK_EQUAL(by_key->claims.sequence, 1);
  BOOST_CHECK(key->verify(by_key->signing_input, std::span{by_key->signature}.first<32>()));
}

BOOST_FIXTURE_TEST_CASE(a_gateway_that_lost_the_key_gets_the_same_heartbeat_with_a_new_offer,
                        fixture) {
  const auto pair = crypto::agreement_key::generate(wall_ms{0});
  const sdk::gateway_key gateway{pair.kid().text(), pair.public_key().bytes};
  rules.gateway = &gateway;
  modules = {modules[1]};
  auto who = make();
  for (int i = 0; i < 2; ++i) (void)who.add(who.play(rules, wall_ms{1'000}, source), 5);
  (void)who.take(16, now);
  who.sign_again(1, rules);
  BOOST_CHECK_EQUAL(who.complete({false, true}, 0s, now, 5, source), 0);
  const auto beats = who.take(16, now + 1h);
  BOOST_REQUIRE_EQUAL(beats.size(), 1);
  const auto again = parse_engagement_token(beats[0].token, nullptr);
  BOOST_REQUIRE(again);
  BOOST_CHECK(again->algorithm == signature_algorithm::es256);
  BOOST_CHECK(again->claims.key_offer.has_value());
  BOOST_CHECK_EQUAL(again->claims.sequence, 1);
  BOOST_CHECK((again->claims.interval == media_interval{10'000, 20'000}));
}

BOOST_FIXTURE_TEST_CASE(the_sixth_undelivered_heartbeat_pushes_the_oldest_out, fixture) {
  auto who = make();
  modules = {modules[1]};
  for (int i = 0; i < 5; ++i)
    BOOST_CHECK_EQUAL(who.add(who.play(rules, wall_ms{1'000}, source), 5), 0);
  BOOST_CHECK_EQUAL(who.add(who.play(rules, wall_ms{1'000}, source), 5), 1);
  BOOST_CHECK((take_sequences(who) == std::vector<std::uint32_t>{1, 2, 3, 4, 5}));
  // Two more fall due while the five are on their way; the transport fails.
  BOOST_CHECK_EQUAL(who.add(who.play(rules, wall_ms{1'000}, source), 5), 0);
  BOOST_CHECK_EQUAL(who.add(who.play(rules, wall_ms{1'000}, source), 5), 0);
  BOOST_CHECK(!who.ready(now + 1h));
  BOOST_CHECK_EQUAL(who.complete(std::vector<bool>(5, true), 0s, now, 5, source), 2);
  now += 1h;
  BOOST_CHECK((take_sequences(who) == std::vector<std::uint32_t>{3, 4, 5, 6, 7}));
  for (const auto& beat : who.in_flight())
    BOOST_CHECK_EQUAL(beat.attempts, beat.claims.sequence <= 5 ? 2 : 1);
}

BOOST_FIXTURE_TEST_CASE(only_what_was_not_acknowledged_is_sent_again_in_order, fixture) {
  auto who = make();
  modules = {modules[1]};
  for (int i = 0; i < 4; ++i) (void)who.add(who.play(rules, wall_ms{1'000}, source), 5);
  (void)who.take(16, now);
  BOOST_CHECK_EQUAL(who.complete({false, true, false, true}, 0s, now, 5, source), 0);
  now += 1h;
  BOOST_CHECK((take_sequences(who) == std::vector<std::uint32_t>{1, 3}));
}

BOOST_FIXTURE_TEST_CASE(a_retry_waits_for_retry_after_and_a_doubling_jitter, fixture) {
  auto who = make();
  (void)who.add(who.play(rules, wall_ms{1'000}, source), 5);
  std::chrono::milliseconds ceiling = fleet_limits::retry_base;
  auto longest = 0ms;
  for (int failure = 0; failure < 9; ++failure) {
    (void)who.take(16, now);
    (void)who.complete({true}, 3s, now, 5, source);
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(who.not_before() - now);
    BOOST_CHECK_GE(wait.count(), 3000);
    BOOST_CHECK_LE(wait.count(), 3000 + ceiling.count());
    BOOST_CHECK(!who.ready(who.not_before() - 1ms));
    BOOST_CHECK(who.ready(who.not_before()));
    longest = std::max(longest, wait);
    ceiling = std::min(ceiling * 2, fleet_limits::retry_cap);
    now = who.not_before();
  }
  BOOST_CHECK_GT(longest.count(), 3000 + fleet_limits::retry_base.count());  // it did grow
  // Success begins anew.
  (void)who.take(16, now);
  (void)who.complete({false}, 0s, now, 5, source);
  (void)who.add(who.play(rules, wall_ms{1'000}, source), 5);
  (void)who.take(16, now);
  (void)who.complete({true}, 0s, now, 5, source);
  BOOST_CHECK_LE((who.not_before() - now).count(),
                 std::chrono::nanoseconds(fleet_limits::retry_base).count());
}

BOOST_FIXTURE_TEST_CASE(latency_counts_from_the_due_time_over_all_attempts, fixture) {
  auto who = make();
  (void)who.add(who.play(rules, wall_ms{1'000}, source), 5);
  who.stamp(now);
  BOOST_CHECK(who.take(1, now + 5s)[0].due == now);
  (void)who.complete({true}, 0s, now + 6s, 5, source);
  who.stamp(now + 7s);
  BOOST_CHECK(who.take(1, now + 1h)[0].due == now);
}

BOOST_AUTO_TEST_SUITE_END()
