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

/// As the API says it of the progress.
BOOST_AUTO_TEST_CASE(an_attempt_is_in_progress_from_its_beginning) {
  const auto shows = [](const progress_summary& now, const std::string& state) {
    live_update update;
    update.status = credit_status::limited;
    update.now = now;
    std::string text;
    json_writer out(text);
    write_item(out, update);
    return text.find("\"state\":\"" + state + '"') != std::string::npos;
  };
  progress_summary nothing{.duration_ms = 60'000, .life = {.epoch = 1, .attempt = 1}};
  BOOST_TEST(shows(nothing, "NOT_STARTED"));
  nothing.life.attempt = 2;
  BOOST_TEST(shows(nothing, "IN_PROGRESS"));
  nothing.updated_ms = nothing.mastered_ms = noon_ms;
  BOOST_TEST(shows(nothing, "MASTERED"));
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

/// Two watchers, of two modules.
struct watched : feeding {
  watched() {
    BOOST_TEST(feed.subscribe(watching, film, "", wall_ms{0}) != 0u);
    BOOST_TEST(feed.subscribe(elsewhere, other, "", wall_ms{0}) != 0u);
  }
  /// A heartbeat of the film in a later life.
  void play_in(life_number life, const std::string& who, media_ms to_ms) {
    play(feed, film, who, 0, to_ms, credit_status::credited, 60'000, noon_ms, life);
  }
  static std::size_t resets_of(reader& who, std::size_t count) {
    return who.wait_for_count("event: reset", count);
  }
  /// What a client gets that comes back to the film.
  std::string back_from(const std::string& last_event_id) {
    auto again = std::make_shared<reader>();
    BOOST_TEST(feed.subscribe(again, film, last_event_id, wall_ms{0}) != 0u);
    return again->text();
  }
  std::shared_ptr<reader> watching = std::make_shared<reader>();
  std::shared_ptr<reader> elsewhere = std::make_shared<reader>();
};

BOOST_FIXTURE_TEST_CASE(an_erased_student_is_in_no_stream, watched) {
  play(feed, film, "amy", 0, 5000);
  const auto seen = watching->wait_for("amy");
  feed.student_erased(named("amy"), 2);
  BOOST_TEST(resets_of(*watching, 1) == 1u);
  // A list that was fetched can show the student in a module of which no event named them.
  BOOST_TEST(resets_of(*elsewhere, 1) == 1u);
  // A client that comes back with an id from before does not get the student again.
  const auto again = back_from(id_of(seen, "hello"));
  BOOST_TEST(again.find("amy") == std::string::npos);
  BOOST_TEST(again.find("event: reset") != std::string::npos);
  // Once more, when the ledger has forgotten the student too: what a client fetched meanwhile is
  // from before.
  feed.student_erased(named("amy"), 2);
  clock.advance(live_stream::reset_ms);
  BOOST_TEST(resets_of(*watching, 2) == 2u);
}

BOOST_FIXTURE_TEST_CASE(what_is_in_the_queue_of_an_ended_life_is_in_no_event, watched) {
  const auto held = std::make_shared<gate>();
  BOOST_TEST(feed.subscribe(held, film, "", wall_ms{0}) != 0u);
  play(feed, film, "dan", 0, 5000);
  held->wait_until_held();
  // Acknowledged just before, and late from another thread; those of the next epoch are shown.
  play(feed, film, "cid", 0, 5000);
  feed.student_erased(named("cid"), 2);
  play(feed, film, "cid", 5000, 9000);
  play_in({.epoch = 2, .attempt = 1}, "cid", 1000);
  held->open();
  const auto text = watching->wait_for("cid");
  BOOST_TEST(text.find(R"({"student":"cid","attempt":1,"seconds_watched":1,)") !=
             std::string::npos);
  play(feed, film, "cid", 9000, 12'000);
  play(feed, film, "eve", 0, 5000);
  BOOST_TEST(count_of(watching->wait_for("eve"), R"("student":"cid")") == 1u);
}

BOOST_FIXTURE_TEST_CASE(an_erasure_that_the_ledger_has_forgotten_hides_no_later_epoch, watched) {
  feed.student_erased(named("amy"), all_epochs);
  BOOST_TEST(resets_of(*watching, 1) == 1u);
  play_in({.epoch = 2, .attempt = 1}, "amy", 5000);
  watching->wait_for("amy");
}

BOOST_FIXTURE_TEST_CASE(a_reset_of_a_progress_resets_the_stream_of_its_module, watched) {
  play(feed, film, "amy", 0, 50'000);
  const auto seen = watching->wait_for("amy");
  feed.progress_reset({named("amy"), film}, {.epoch = 1, .attempt = 2});
  play(feed, film, "amy", 50'000, 51'000);  // late, of the attempt that ended
  play(feed, other, "amy", 0, 2000);        // another module, another progress
  elsewhere->wait_for("amy");
  BOOST_TEST(resets_of(*watching, 1) == 1u);
  BOOST_TEST(resets_of(*elsewhere, 0) == 0u);
  play_in({.epoch = 1, .attempt = 2}, "amy", 3000);
  const auto text = watching->wait_for(R"({"student":"amy","attempt":2,"seconds_watched":3,)");
  BOOST_TEST(count_of(text, R"("student":"amy")") == 2u);
  BOOST_TEST(back_from(id_of(seen, "hello")).find("event: reset") != std::string::npos);
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
