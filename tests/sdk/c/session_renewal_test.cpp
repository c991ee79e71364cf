// `sequence-reused`: another run used the numbers of a session. The heartbeats move to a new one.

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "tests/sdk/c/support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::sdk;
using namespace watchkeeper::sdk::testing;

namespace {

/// What this run never plays.
constexpr media_interval elsewhere{5'000'000, 5'001'000};

/// A device, and a gateway that knows which interval each number of a session stands for.
struct used_device : device {
  std::map<std::pair<std::string, std::uint32_t>, media_interval> known;
  std::vector<media_interval> credited_intervals;
  std::vector<std::string> credited_sessions;
  std::uint64_t drawn = 0;

  void start_used(std::uint32_t used_numbers, const char* session = "s1") {
    start(session, [this] { return ++drawn << 32; });
    for (std::uint32_t i = 0; i < used_numbers; ++i) known[{session, i}] = elsewhere;
  }
  /// The result of one token.
  std::string judge(const std::string& token) {
    const auto claims = claims_of(token);
    const auto session = std::string{claims.session.view()};
    const auto [at, fresh] = known.try_emplace({session, claims.sequence}, claims.interval);
    if (!fresh && at->second != claims.interval)
      return R"("status":"rejected","problem":"sequence-reused")";
    if (fresh) {
      credited_intervals.push_back(claims.interval);
      credited_sessions.push_back(session);
    }
    return credited;
  }
  /// One request with its response; false if nothing was sent.
  bool turn(bool lost = false) {
    on->poll();
    const auto sent = tokens();
    if (sent.empty()) return false;
    std::vector<std::string> results;
    for (const auto& token : sent) results.push_back(judge(token));
    if (lost) {
      on->on_failure(last_id, true, "lost");
    } else if (sent.size() == 1 && results[0] != credited) {
      respond(409, problem_text("sequence-reused"));
    } else {
      std::string body;
      for (std::size_t i = 0; i < sent.size(); ++i)
        body += (i == 0 ? "" : ",") + result_of(sent[i], results[i]);
      respond(200, R"({"results":[)" + body + "]}");
    }
    return true;
  }
  void deliver_all() {
    for (int i = 0; i < 200 && !on->buffer().empty(); ++i) {
      turn();
      clock.pass(61'000);
    }
    BOOST_CHECK(on->buffer().empty());
  }
  std::size_t sessions_credited() const {
    return std::set<std::string>(credited_sessions.begin(), credited_sessions.end()).size();
  }
  /// Everything played was credited once, in order.
  void check_all_credited() {
    BOOST_CHECK(drops().empty());
    media_ms end = 0;
    for (const auto& each : credited_intervals) {
      BOOST_CHECK_EQUAL(each.from_ms, end);
      end = each.to_ms;
    }
    BOOST_CHECK_EQUAL(end, at);
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(session_renewal_suite)

BOOST_FIXTURE_TEST_CASE(a_used_number_renews_the_session_at_once, used_device) {
  start_used(100);
  play();
  BOOST_CHECK(turn());
  BOOST_CHECK_EQUAL(on->cooldown_ms(), 0);
  BOOST_CHECK(turn());
  play();
  BOOST_CHECK(turn());
  check_all_credited();
  BOOST_CHECK_EQUAL(sessions_credited(), 1);
  BOOST_CHECK_EQUAL(on->counts().requests, 3);
}

BOOST_FIXTURE_TEST_CASE(all_that_waits_moves_with_one_renewal, used_device) {
  start_used(100);
  for (int i = 0; i < 5; ++i) play();
  BOOST_CHECK(turn());  // all five are rejected …
  BOOST_CHECK(turn());  // … and credited
  check_all_credited();
  BOOST_CHECK_EQUAL(sessions_credited(), 1);
  BOOST_CHECK_EQUAL(credited_intervals.size(), 5);
  BOOST_CHECK_EQUAL(on->counts().requests, 2);
}

BOOST_FIXTURE_TEST_CASE(what_was_made_meanwhile_moves_too, used_device) {
  start_used(100);
  play();
  on->poll();
  const auto sent = tokens();
  BOOST_REQUIRE_EQUAL(sent.size(), 1);
  play();
  play();
  respond(409, problem_text("sequence-reused"));
  BOOST_CHECK(turn());
  check_all_credited();
  BOOST_CHECK_EQUAL(sessions_credited(), 1);
  play();
  BOOST_CHECK(turn());
  check_all_credited();
  BOOST_CHECK_EQUAL(sessions_credited(), 1);
}

BOOST_FIXTURE_TEST_CASE(only_what_was_rejected_moves, used_device) {
  start_used(0);
  known[{"s1", 1}] = elsewhere;
  for (int i = 0; i < 3; ++i) play();
  BOOST_CHECK(turn());
  BOOST_CHECK_EQUAL(credited_intervals.size(), 2);
  BOOST_CHECK(turn());
  BOOST_REQUIRE_EQUAL(credited_intervals.size(), 3);
  BOOST_CHECK_EQUAL(credited_intervals.back().from_ms, 10'000);
  BOOST_CHECK_EQUAL(sessions_credited(), 2);
  BOOST_CHECK(on->buffer().empty());
}

BOOST_FIXTURE_TEST_CASE(what_is_in_doubt_is_not_sent_twice, used_device) {
  start_used(0);
  known[{"s1", 2}] = elsewhere;
  for (int i = 0; i < 3; ++i) play();
  BOOST_CHECK(turn(true));  // the first two are credited, but the device does not know
  deliver_all();
  check_all_credited();
}

BOOST_FIXTURE_TEST_CASE(a_second_time_drops_the_heartbeat, used_device) {
  start_used(0);
  play();
  for (int i = 0; i < 2; ++i) {
    on->poll();
    const auto sent = tokens();
    BOOST_REQUIRE_EQUAL(sent.size(), 1);
    BOOST_CHECK_EQUAL(claims_of(sent[0]).session.view() == "s1", i == 0);
    respond(409, problem_text("sequence-reused"));
  }
  BOOST_CHECK(on->buffer().empty());
  const auto dropped = drops();
  BOOST_REQUIRE_EQUAL(dropped.size(), 1);
  BOOST_CHECK(dropped[0].why == drop_reason::rejected);
  BOOST_CHECK_EQUAL(dropped[0].problem, "sequence-reused");
  BOOST_CHECK(!turn());
}

BOOST_FIXTURE_TEST_CASE(heartbeats_of_an_earlier_run_keep_clear_of_those_of_this_one, used_device) {
  start_used(100);
  for (int i = 0; i < 2; ++i) play();
  on->close();
  // The same session again, so two heartbeats have each number.
  start("s1", [this] { return ++drawn << 32; });
  for (int i = 0; i < 2; ++i) play();
  deliver_all();
  check_all_credited();
  BOOST_CHECK_EQUAL(sessions_credited(), 1);
}

BOOST_FIXTURE_TEST_CASE(a_renewed_session_that_is_opened_again_goes_on, used_device) {
  start_used(100);
  play();
  deliver_all();
  open("s1");
  play();
  const auto requests = on->counts().requests;
  BOOST_CHECK(turn());
  BOOST_CHECK_EQUAL(on->counts().requests, requests + 1);
  check_all_credited();
  BOOST_CHECK_EQUAL(sessions_credited(), 1);
}

BOOST_AUTO_TEST_CASE(whatever_happens_everything_is_delivered_once_and_in_order) {
  for (unsigned seed = 0; seed < 200; ++seed) BOOST_TEST_CONTEXT("seed " << seed) {
      std::mt19937 random{seed};
      used_device of;
      of.start_used(100);
      // Never more than the buffer holds, so nothing is joined or pushed out.
      for (int i = 0; i < 30; ++i) {
        if (of.on->buffer().size() < 5) of.play();
        if (random() % 2 == 0) of.turn(random() % 3 == 0);
        if (random() % 4 == 0) of.clock.pass(61'000);
      }
      of.deliver_all();
      BOOST_CHECK(of.drops().empty());
      auto all = of.credited_intervals;
      std::sort(all.begin(), all.end(),
                [](const auto& a, const auto& b) { return a.from_ms < b.from_ms; });
      media_ms end = 0;
      for (const auto& each : all) {
        BOOST_CHECK_EQUAL(each.from_ms, end);
        end = each.to_ms;
      }
      BOOST_CHECK_EQUAL(end, of.at);
    }
}

BOOST_AUTO_TEST_SUITE_END()
