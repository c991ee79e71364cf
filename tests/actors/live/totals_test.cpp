#include "actors/live/activity_tracker.hpp"
#include "tests/actors/live/live_world.hpp"

/// The event `totals`, and the activity of each module that it is made from.

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::live_testing;

BOOST_AUTO_TEST_SUITE(live)

BOOST_AUTO_TEST_CASE(totals_come_each_second_to_everybody) {
  feeding f;
  auto all = std::make_shared<reader>();
  auto one = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(all, std::nullopt, "", wall_ms{0}) != 0u);
  BOOST_TEST(f.feed.subscribe(one, film, "", wall_ms{0}) != 0u);
  {
    const std::lock_guard lock(f.mutex);
    f.counts.by_status = {7, 1, 2, 3};
    f.counts.by_problem[static_cast<std::size_t>(problem::bad_signature)] = 3;
    f.counts.sessions = 5;
    f.counts.connections = 6;
  }
  play(f.feed, film, "amy", 0, 1000);
  const auto text = all->wait_for(R"("credited":7,"limited":1,"duplicate":2,)"
                                  R"("rejected":{"bad-signature":3},"active":{"film":1},)"
                                  R"("sessions":5,"connections":6})");
  BOOST_TEST(text.find("amy") == std::string::npos);
  one->wait_for("event: totals");
  all->wait_for(R"("credited":0,)");
  f.clock.advance(live_feed::keep_alive_ms);
  all->wait_for("\n:\n\n");
}

BOOST_AUTO_TEST_CASE(totals_do_not_grow_with_the_number_of_modules) {
  feeding f;
  auto all = std::make_shared<reader>();
  auto one = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(all, std::nullopt, "", wall_ms{0}) != 0u);
  BOOST_TEST(f.feed.subscribe(one, film, "", wall_ms{0}) != 0u);
  constexpr std::size_t modules = 3 * live_feed::totals_modules_max;
  for (std::size_t i = 0; i < modules; ++i)
    play(f.feed, *module_id::parse("module-" + std::to_string(i)), "amy", 0, 1000);
  play(f.feed, film, "amy", 0, 1000);
  play(f.feed, film, "bob", 0, 1000);
  const auto count = std::to_string(modules + 1);
  const auto students = std::to_string(modules + 2);
  const auto head = "\"active_modules\":" + count + ",\"active_students\":" + students + ",";
  auto text = all->wait_for(head);
  auto event = text.substr(text.find(head));
  event.resize(event.find('\n'));
  // The busiest come first.
  BOOST_TEST(event.find(R"("active":{"film":2,"module-)") != std::string::npos, event);
  BOOST_TEST(count_of(event, "\"module-") == live_feed::totals_modules_max - 1);
  // A subscriber of one module gets only this module.
  text = one->wait_for(head);
  event = text.substr(text.find(head));
  event.resize(event.find('\n'));
  BOOST_TEST(event.find(R"("active":{"film":2},)") != std::string::npos, event);
}

BOOST_AUTO_TEST_CASE(announcements_to_other_gateways_have_a_limit) {
  activity_tracker board;
  const pair_key amy{named("amy"), film};
  board.count(amy, credit_status::credited, mono_ms(1000));
  BOOST_TEST(board.take_changes().empty());  // there is nobody to announce them to
  board.collect_changes(true);
  for (std::size_t i = 0; i <= activity_tracker::stripe_changes_max; ++i)
    board.count(amy, credit_status::credited, mono_ms(1000));
  board.count_elsewhere({named("bob"), film}, 1, mono_ms(1000));
  const auto changes = board.take_changes();
  BOOST_REQUIRE_EQUAL(changes.size(), 1u);
  BOOST_TEST(changes[0].credited == activity_tracker::stripe_changes_max);
  BOOST_TEST(board.changes_dropped() == 1u);
  BOOST_TEST(board.take_changes().empty());
}

BOOST_AUTO_TEST_CASE(the_board_counts_who_is_there_and_what_was_earned) {
  activity_tracker board;
  const pair_key amy{named("amy"), film};
  const pair_key bob{named("bob"), film};
  const mono_ms start(1'000'000'000);  // where a slot begins
  board.count(amy, credit_status::credited, start);
  board.count(amy, credit_status::limited, start);
  board.count(amy, credit_status::duplicate, start);
  board.count(bob, credit_status::credited, start);
  board.sweep(start + 1000);
  auto seen = board.read();
  BOOST_REQUIRE(seen.size() == 1u);
  BOOST_TEST(seen[0].module == film);
  BOOST_TEST(seen[0].active == 2u);
  BOOST_TEST(seen[0].credited.back() == 3u);
  board.count(bob, credit_status::credited, start + 29'000);
  board.sweep(start + activity_tracker::active_ms);
  seen = board.read();
  BOOST_TEST(seen[0].active == 1u);
  BOOST_TEST(seen[0].credited[module_activity::slots - 7] == 3u);
  BOOST_TEST(seen[0].credited.back() == 1u);
  board.sweep(start + 90'000);
  BOOST_TEST(board.read().size() == 1u);  // nobody is there, but somebody was
  board.sweep(start + 400'000);
  BOOST_TEST(board.read().empty());
}

BOOST_AUTO_TEST_SUITE_END()
