#include <fmt/format.h>

#include <array>
#include <future>
#include <thread>

#include "actors/live/message.hpp"
#include "tests/actors/live/live_world.hpp"

/// Gateways that hear each other: updates, totals and seconds that cross a live channel.

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::live_testing;

BOOST_AUTO_TEST_SUITE(live)

BOOST_AUTO_TEST_CASE(gateways_exchange_updates_of_watched_modules) {
  wire between;
  feeding here(std::make_unique<wire::end_point>(between));
  feeding there(std::make_unique<wire::end_point>(between));
  auto who = std::make_shared<reader>();
  BOOST_TEST(here.feed.subscribe(who, film, "", wall_ms{0}) != 0u);
  // The other gateway learns of it soon; from then on what it credits is seen here.
  for (int i = 0; i < 200 && who->text().find("amy") == std::string::npos; ++i) {
    play(there.feed, film, "amy", 0, 5000);
    play(there.feed, other, "stranger", 0, 5000);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  const auto text = who->wait_for("amy");
  BOOST_TEST(text.find("stranger") == std::string::npos);
  play(here.feed, film, "bob", 0, 5000);
  who->wait_for("bob");
  here.feed.stop();
  there.feed.stop();
  BOOST_TEST(count_of(who->text(), "\"bob\"") == 1u);  // not once more by the wire
}

BOOST_AUTO_TEST_CASE(totals_are_those_of_all_gateways) {
  wire between;
  feeding here(std::make_unique<wire::end_point>(between));
  feeding there(std::make_unique<wire::end_point>(between));
  auto who = std::make_shared<reader>();
  BOOST_TEST(here.feed.subscribe(who, std::nullopt, "", wall_ms{0}) != 0u);
  {
    const std::lock_guard lock(there.mutex);
    there.counts.by_status = {7, 1, 2, 3};
    there.counts.by_problem[static_cast<std::size_t>(problem::bad_signature)] = 3;
    there.counts.sessions = 5;
    there.counts.connections = 6;
  }
  {
    const std::lock_guard lock(here.mutex);
    here.counts.sessions = 10;
  }
  // One student at both gateways is one; nobody watches the module anywhere.
  play(here.feed, film, "amy", 0, 1000);
  play(there.feed, film, "amy", 1000, 2000);
  play(there.feed, film, "bob", 0, 1000);
  who->wait_for(R"("credited":7,"limited":1,"duplicate":2,"rejected":{"bad-signature":3})");
  who->wait_for(R"({"gateways":2,)");
  who->wait_for(R"("active":{"film":2},"sessions":15,"connections":6})");
  const auto seen = here.feed.activity();
  BOOST_REQUIRE_EQUAL(seen.size(), 1u);
  BOOST_TEST(seen[0].credited.back() == 3u);
  // Who says nothing any more has gone.
  there.feed.stop();
  here.clock.advance(live_feed::gateway_ms);
  who->wait_for(R"({"gateways":1,)");
  here.feed.stop();
}

BOOST_AUTO_TEST_CASE(a_wall_clock_that_is_set_back_does_not_delay_what_is_repeated) {
  wire between;
  feeding here(std::make_unique<wire::end_point>(between));
  wire::end_point there(between);
  std::array<std::promise<void>, 2> announced;
  std::size_t count = 0;  // the thread's
  there.start({.message =
                   [&](std::string_view text) {
                     const auto message = decode_live_message(text);
                     if (message && std::holds_alternative<live_interest>(message->what) &&
                         count < announced.size())
                       announced[count++].set_value();
                   },
               .gap = [] {}});
  const auto comes = [&](std::size_t which) {
    return announced[which].get_future().wait_for(std::chrono::seconds(20)) ==
           std::future_status::ready;
  };
  BOOST_TEST(here.feed.subscribe(std::make_shared<reader>(), film, "", wall_ms{0}) != 0u);
  BOOST_TEST(comes(0));
  here.clock.step_wall(-3'600'000);
  here.clock.advance(live_feed::interest_interval_ms);
  BOOST_TEST(comes(1));
  here.feed.stop();
}

BOOST_AUTO_TEST_CASE(seconds_of_other_gateways_that_come_together_count_once_each) {
  wire between;
  feeding here(std::make_unique<wire::end_point>(between));
  auto who = std::make_shared<reader>();
  BOOST_TEST(here.feed.subscribe(who, std::nullopt, "", wall_ms{0}) != 0u);
  wire::end_point there(between);
  constexpr int seconds = live_feed::waiting_seconds_max + 3;
  for (int i = 1; i <= seconds; ++i) {
    live_second second{1000, {}};
    second.grown.by_status = {10, 0, 0, 0};
    second.grown.connections = static_cast<std::uint64_t>(i);
    there.publish(encode({4711, second}));
  }
  // The first by itself, the others as one; and of what there is now the latest.
  who->wait_for(R"("credited":10,)");
  who->wait_for(fmt::format(R"("credited":{},)", 10 * (seconds - 1)));
  const auto text = who->wait_for(R"("connections":5})");
  BOOST_TEST(count_of(text, R"("credited":10,)") == 1u);
  here.feed.stop();
}

BOOST_AUTO_TEST_SUITE_END()
