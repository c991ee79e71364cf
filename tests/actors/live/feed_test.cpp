#include <thread>

#include "tests/actors/live/live_world.hpp"

/// The live feed: what the watchers of a module get, what who comes back gets, and how
/// subscriptions begin and end.

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::live_testing;

BOOST_AUTO_TEST_SUITE(live)

BOOST_AUTO_TEST_CASE(a_watcher_gets_events_of_its_module_only) {
  feeding f;
  auto who = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(who, film, "", wall_ms{0}) != 0u);
  BOOST_TEST(who->text().starts_with("retry: 2000\nid: "));
  BOOST_TEST(
      who->text().find(R"(data: {"server_time":"2025-11-22T11:52:25.123Z","retry_ms":2000})") !=
      std::string::npos);
  play(f.feed, other, "stranger", 0, 1000);
  play(f.feed, film, "amy", 0, 5000);
  const auto text = who->wait_for("event: heatmap");
  BOOST_TEST(text.find("stranger") == std::string::npos);
  BOOST_TEST(
      text.find(
          R"(data: {"module":"film","at":"2025-11-22T11:52:25.123Z","items":[{"student":"amy",)"
          R"("attempt":1,"seconds_watched":5,"completion_percentage":8.33,"state":"IN_PROGRESS",)"
          R"("resume_ms":5000,"from_ms":0,"to_ms":5000,"status":"credited",)"
          R"("new":[[0,5000]],"played":[[0,5000]]}]})") != std::string::npos,
      text);
  BOOST_TEST(text.find(R"(data: {"module":"film","bins":[[0,1,1],[1,1,1],)") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(many_heartbeats_are_one_item_a_student) {
  feeding f;
  auto who = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(who, film, "", wall_ms{0}) != 0u);
  play(f.feed, film, "first", 0, 1000);
  who->wait_for("first");  // from here on a burst is due only after burst_ms
  for (int i = 0; i < 20; ++i) play(f.feed, film, "amy", i * 1000, (i + 1) * 1000);
  play(f.feed, film, "amy", 3000, 4000, credit_status::duplicate);
  play(f.feed, film, "bob", 9000, 9500);
  const auto text = who->wait_for("bob");
  BOOST_TEST(count_of(text, R"("student":"amy")") == 1u);
  BOOST_TEST(text.find(R"("status":"duplicate","new":[[0,20000]],"played":[[0,20000]])") !=
                 std::string::npos,
             text);
}

BOOST_AUTO_TEST_CASE(who_comes_back_gets_what_it_missed) {
  feeding f;
  auto who = std::make_shared<reader>();
  const auto number = f.feed.subscribe(who, film, "", wall_ms{0});
  play(f.feed, film, "amy", 0, 5000);
  const auto seen = who->wait_for("event: progress");
  f.feed.unsubscribe(number);
  auto witness = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(witness, film, "", wall_ms{0}) != 0u);
  play(f.feed, film, "bob", 0, 5000);
  witness->wait_for("bob");

  auto again = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(again, film, id_of(seen, "progress"), wall_ms{0}) != 0u);
  const auto text = again->text();
  BOOST_TEST(text.find("event: hello") < text.find("bob"));
  BOOST_TEST(text.find("amy") == std::string::npos);  // the progress it had seen; the heatmap not
  BOOST_TEST(text.find("event: reset") == std::string::npos);

  // Of another stream, of nothing, and from the future.
  const auto serial = last_id(seen).substr(0, 17);
  for (const auto& id : {std::string("0123456789abcdef-1"), std::string("x"), serial + "99", serial,
                         serial + "-1"}) {
    auto lost = std::make_shared<reader>();
    BOOST_TEST(f.feed.subscribe(lost, film, id, wall_ms{0}) != 0u);
    BOOST_TEST(lost->text().find("event: reset") != std::string::npos, id);
  }
}

/// Waits until the watcher got `count` resets, and expects that there are no more.
void wait_for_resets(reader& who, std::size_t count) {
  const auto resets = [&] { return count_of(who.text(), "event: reset"); };
  for (int i = 0; i < 2000 && resets() < count; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  BOOST_TEST(resets() == count);
}

BOOST_AUTO_TEST_CASE(an_erased_student_is_in_no_stream) {
  feeding f;
  auto watching = std::make_shared<reader>();
  auto elsewhere = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(watching, film, "", wall_ms{0}) != 0u);
  BOOST_TEST(f.feed.subscribe(elsewhere, other, "", wall_ms{0}) != 0u);
  play(f.feed, film, "amy", 0, 5000);
  const auto seen = watching->wait_for("amy");
  f.feed.student_erased(named("amy"), 2);
  wait_for_resets(*watching, 1);
  // A list that was fetched can show the student in a module of which no event named them.
  wait_for_resets(*elsewhere, 1);
  // A client that comes back with an id from before does not get the student again.
  auto again = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(again, film, id_of(seen, "hello"), wall_ms{0}) != 0u);
  BOOST_TEST(again->text().find("amy") == std::string::npos);
  BOOST_TEST(again->text().find("event: reset") != std::string::npos);
  // Once more, when the ledger has forgotten the student too: what a client fetched meanwhile is
  // from before.
  f.feed.student_erased(named("amy"), 2);
  f.clock.advance(live_stream::reset_ms);
  wait_for_resets(*watching, 2);
  // A heartbeat that was acknowledged just before, or comes late from another thread, appears in no
  // event; those of the next epoch do.
  play(f.feed, film, "cid", 0, 5000);
  f.feed.student_erased(named("cid"), 2);
  play(f.feed, film, "cid", 5000, 9000);
  f.clock.advance(live_stream::reset_ms);
  wait_for_resets(*watching, 3);
  play(f.feed, film, "cid", 9000, 12'000);
  play(f.feed, film, "cid", 0, 1000, credit_status::credited, 60'000, noon_ms,
       {.epoch = 2, .attempt = 1});
  play(f.feed, film, "dan", 0, 5000);
  const auto text = watching->wait_for("dan");
  BOOST_TEST(count_of(text, R"("student":"cid")") == 1u);
  BOOST_TEST(text.find(R"({"student":"cid","attempt":1,"seconds_watched":1,)") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_erasure_that_the_ledger_has_forgotten_hides_no_later_epoch) {
  feeding f;
  auto watching = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(watching, film, "", wall_ms{0}) != 0u);
  f.feed.student_erased(named("amy"), UINT32_MAX);
  wait_for_resets(*watching, 1);
  play(f.feed, film, "amy", 0, 5000, credit_status::credited, 60'000, noon_ms,
       {.epoch = 2, .attempt = 1});
  watching->wait_for("amy");
}

BOOST_AUTO_TEST_CASE(a_reset_of_a_progress_resets_the_stream_of_its_module) {
  feeding f;
  auto watching = std::make_shared<reader>();
  auto elsewhere = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(watching, film, "", wall_ms{0}) != 0u);
  BOOST_TEST(f.feed.subscribe(elsewhere, other, "", wall_ms{0}) != 0u);
  play(f.feed, film, "amy", 0, 50'000);
  const auto seen = watching->wait_for("amy");
  f.feed.progress_reset({named("amy"), film}, {.epoch = 1, .attempt = 2});
  play(f.feed, film, "amy", 50'000, 51'000);  // late, of the attempt that ended
  play(f.feed, other, "amy", 0, 2000);        // another module, another progress
  elsewhere->wait_for("amy");
  wait_for_resets(*watching, 1);
  wait_for_resets(*elsewhere, 0);
  play(f.feed, film, "amy", 0, 3000, credit_status::credited, 60'000, noon_ms,
       {.epoch = 1, .attempt = 2});
  const auto text = watching->wait_for(R"({"student":"amy","attempt":2,"seconds_watched":3,)");
  BOOST_TEST(count_of(text, R"("student":"amy")") == 2u);
  auto again = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(again, film, id_of(seen, "hello"), wall_ms{0}) != 0u);
  BOOST_TEST(again->text().find("event: reset") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(more_erasures_than_fit_the_queue_reset_every_stream) {
  feeding f;
  auto who = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(who, film, "", wall_ms{0}) != 0u);
  for (std::size_t i = 0; i < 20 * live_feed::queued_ended_max; ++i)
    f.feed.student_erased(named("s" + std::to_string(i)), 2);
  who->wait_for("event: reset");
}

BOOST_AUTO_TEST_CASE(one_subscription_ends) {
  feeding f;
  auto first = std::make_shared<reader>();
  auto second = std::make_shared<reader>();
  const auto number = f.feed.subscribe(first, film, "", wall_ms{0});
  BOOST_TEST(f.feed.subscribe(second, film, "", wall_ms{0}) != 0u);
  f.feed.end(number);
  BOOST_TEST(first->wait_for_end());
  f.feed.end(number);  // once more: nothing
  play(f.feed, film, "amy", 0, 1000);
  second->wait_for("amy");
  BOOST_TEST(first->text().find("amy") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(subscriptions_end) {
  feeding f;
  auto until = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(until, film, "", noon_ms + 1000) != 0u);
  f.clock.advance(1000);
  BOOST_TEST(until->wait_for_end());
  auto all = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(all, film, "", wall_ms{0}) != 0u);
  f.feed.end_all();
  BOOST_TEST(all->wait_for_end());
  f.feed.stop();
  BOOST_TEST(f.feed.subscribe(all, film, "", wall_ms{0}) == 0u);
}

BOOST_AUTO_TEST_CASE(there_is_room_for_so_many_watchers) {
  feeding f;
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < live_feed::subscribers_max; ++i) {
    last = f.feed.subscribe(std::make_shared<reader>(), film, "", wall_ms{0});
    BOOST_REQUIRE(last != 0u);
  }
  auto late = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(late, film, "", wall_ms{0}) == 0u);
  BOOST_TEST(late->text().empty());
  BOOST_TEST(f.feed.statistics().subscribers_refused == 1u);
  f.feed.unsubscribe(last);
  BOOST_TEST(f.feed.subscribe(late, film, "", wall_ms{0}) != 0u);
}

BOOST_AUTO_TEST_SUITE_END()
