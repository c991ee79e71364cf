#include "sdk/c/engine.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

#include "crypto/signature_verifier.hpp"
#include "sdk/c/buffer_codec.hpp"
#include "tests/sdk/c/support.hpp"

/// The engine while all goes well, and one test of everything that can go wrong.

using namespace watchkeeper;
using namespace watchkeeper::sdk;
using namespace watchkeeper::sdk::testing;

BOOST_AUTO_TEST_SUITE(engine_suite)

BOOST_FIXTURE_TEST_CASE(a_heartbeat_goes_out_signed_and_its_response_is_reported, device) {
  start();
  BOOST_CHECK_EQUAL(on->next_due_ms(), -1);
  play();
  BOOST_CHECK_EQUAL(on->next_due_ms(), 0);
  BOOST_CHECK(network.requests.empty());  // a report sends nothing
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 1);
  std::string_view detail;
  const auto token = parse_engagement_token(sent[0], &detail);
  BOOST_REQUIRE_MESSAGE(token, detail);
  BOOST_CHECK((token->claims.interval == media_interval{0, 10'000}));
  BOOST_CHECK_EQUAL(token->claims.issued_at_ms, clock.at.wall);
  BOOST_CHECK(crypto::signature_verifier{key.key.public_key()}.verify(token->signing_input,
                                                                      token->signature));
  on->poll();
  BOOST_CHECK(network.requests.empty());  // one at a time
  respond(200, response_to(sent, credited, clock.at.wall));
  const auto received = events();
  BOOST_REQUIRE_EQUAL(received.size(), 1);
  BOOST_CHECK_EQUAL(received[0].progress.seconds_watched, 10);
  BOOST_CHECK_CLOSE(received[0].progress.completion_percentage, 1.66, 1e-6);
  BOOST_CHECK(!received[0].newly_mastered);
  BOOST_CHECK(on->buffer().empty());
  BOOST_CHECK_EQUAL(on->counts().acknowledged, 1);
  BOOST_CHECK_EQUAL(on->next_due_ms(), -1);
  BOOST_CHECK(storage.content.ends_with("ada\n"));
}

BOOST_FIXTURE_TEST_CASE(a_session_that_is_opened_again_goes_on_with_its_numbers, device) {
  start("s1");
  const auto sequence = [&] {
    play();
    on->poll();
    const auto sent = tokens();
    BOOST_REQUIRE_EQUAL(sent.size(), 1);
    respond(200, response_to(sent, credited, clock.at.wall));
    return parse_engagement_token(sent[0], nullptr)->claims.sequence;
  };
  BOOST_CHECK_EQUAL(sequence(), 0);
  open("s1");
  BOOST_CHECK_EQUAL(sequence(), 1);
  open("s2");
  BOOST_CHECK_EQUAL(sequence(), 0);
}

BOOST_FIXTURE_TEST_CASE(mastery_is_reported_as_new_once, device) {
  start();
  for (int i = 0; i < 2; ++i) {
    play();
    on->poll();
    respond(200, response_to(tokens(),
                             R"("status":"credited","credited_ms":10000,"seconds_watched":60,)"
                             R"("completion_percentage":100,"state":"MASTERED","resume_ms":1)"));
    const auto received = events();
    BOOST_REQUIRE_EQUAL(received.size(), 1);
    BOOST_CHECK(received[0].progress.mastered);
    BOOST_CHECK_EQUAL(received[0].newly_mastered, i == 0);
  }
}

BOOST_FIXTURE_TEST_CASE(a_transport_may_respond_within_send_and_may_refuse, device) {
  start();
  network.at_once = [](const test_transport::sent& request, transport_events& events) {
    http_response made;
    made.status = 200;
    made.body = response_to(lines_of(request.body), credited);
    const bool taken = events.on_response(request.id, std::move(made));
    BOOST_CHECK(taken);
    BOOST_CHECK(!events.on_failure(request.id, true, ""));  // one response a request
  };
  play();
  on->poll();
  BOOST_CHECK(on->buffer().empty());
  network.at_once = nullptr;
  network.refuses = true;
  play();
  random = 10;
  on->poll();
  BOOST_CHECK_EQUAL(on->buffer().size(), 1);
  BOOST_CHECK(!on->in_flight());
  BOOST_CHECK_EQUAL(on->cooldown_ms(), 10);
}

BOOST_FIXTURE_TEST_CASE(scrubbing_while_offline_pushes_no_real_heartbeat_out, device) {
  start();
  network.refuses = true;
  for (int i = 0; i < 5; ++i) play();
  for (int i = 0; i < 50; ++i) {
    clock.pass(20);
    on->player()->seeking(at + 20, clock.at.monotonic);
    on->collect();
    at += 7000;
    on->player()->sought(at, clock.at.monotonic);
    on->collect();
    on->poll();
  }
  for (int i = 0; i < 20; ++i) {  // and a list of sessions that are only looked at
    open(("look" + std::to_string(i)).c_str());
    clock.pass(20);
    at += 20;
    on->player()->position(at, clock.at.monotonic);
    on->collect();
  }
  BOOST_CHECK(drops().empty());
  BOOST_REQUIRE(!on->buffer().empty());
  media_ms buffered = 0;
  for (const auto& each : on->buffer().heartbeats()) buffered += each.interval.length_ms();
  BOOST_CHECK_GE(buffered, 50'000);
}

BOOST_FIXTURE_TEST_CASE(close_cuts_and_stores_what_was_played, device) {
  start();
  clock.pass(3000);
  on->player()->position(3000, clock.at.monotonic);
  on->collect();
  on->close();
  const auto stored = decode_buffer(storage.content, options.student);
  BOOST_REQUIRE_EQUAL(stored.heartbeats.size(), 1);
  BOOST_CHECK((stored.heartbeats[0].interval == media_interval{0, 3000}));
}

BOOST_AUTO_TEST_CASE(whatever_goes_wrong_each_played_second_is_credited_dropped_or_buffered) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random{seed};
    const auto pick = [&](int below) {
      return std::uniform_int_distribution<int>(0, below - 1)(random);
    };
    device d;
    d.start();
    std::vector<char> credited_s(4000), dropped_s(4000);
    const auto mark = [](std::vector<char>& in, media_interval of) {
      for (auto s = of.from_ms / 1000; s < of.to_ms / 1000; ++s)
        in[static_cast<std::size_t>(s)] = 1;
    };
    int session = 1;
    for (int step = 0; step < 200; ++step) {
      d.random = random();
      if (pick(3) == 0) d.play(1000 * (1 + pick(12)));
      d.clock.pass(pick(4000));
      d.on->player()->pause(d.at, d.clock.at.monotonic);
      d.on->collect();
      d.on->player()->play(d.at, d.clock.at.monotonic);
      d.on->poll();
      if (d.network.requests.empty()) continue;
      const auto sent = d.tokens();
      switch (pick(7)) {
        case 0:
          d.on->on_failure(d.last_id, false, "");
          break;
        case 1:  // the gateway credits, the response is lost
          for (const auto& token : sent) mark(credited_s, claims_of(token).interval);
          d.on->on_failure(d.last_id, true, "");
          break;
        case 2:
          d.respond(503, "");
          break;
        case 3:
          d.respond(200, "garbage");
          break;
        case 4: {  // killed and started again
          for (const auto& each : d.drops()) mark(dropped_s, each.what.interval);
          d.on.reset();
          d.start(("s" + std::to_string(++session)).c_str());
          break;
        }
        default:
          for (const auto& token : sent) mark(credited_s, claims_of(token).interval);
          d.respond(200, response_to(sent, credited, d.clock.at.wall));
      }
      for (const auto& each : d.drops()) mark(dropped_s, each.what.interval);
      BOOST_REQUIRE_LE(d.on->buffer().size(), sdk_limits::heartbeats_per_request_max);
    }
    d.on->player()->pause(d.at, d.clock.at.monotonic);
    d.on->collect();
    for (const auto& each : d.drops()) mark(dropped_s, each.what.interval);
    std::vector<char> buffered_s(4000);
    for (const auto& each : d.on->buffer().heartbeats()) mark(buffered_s, each.interval);
    for (std::size_t s = 0; s < static_cast<std::size_t>(d.at / 1000); ++s)
      BOOST_REQUIRE_MESSAGE(credited_s[s] || dropped_s[s] || buffered_s[s],
                            "seed " << seed << ": second " << s << " is nowhere");
  }
}

BOOST_AUTO_TEST_SUITE_END()
