#include "actors/live/stream.hpp"
#include "actors/live/ended_lives.hpp"
#include "tests/actors/live/live_world.hpp"

/// The stream of one module: its events, its backlog and its pace.

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::live_testing;

BOOST_AUTO_TEST_SUITE(live)

BOOST_AUTO_TEST_CASE(events_beyond_the_backlog_become_a_reset) {
  live_stream stream(film);
  std::uint64_t events = 0;
  live_update update;
  update.student = named("amy");
  update.now.duration_ms = 60'000;
  update.last = {0, 1000};
  BOOST_TEST(stream.add(update, noon_ms));
  const auto first = stream.next_burst(mono_ms{0}, noon_ms, events);
  for (std::size_t i = 0; i < live_stream::backlog_events_max; ++i) {
    BOOST_TEST(stream.greeting(last_id(first), noon_ms, 1).find("reset") == std::string::npos);
    BOOST_TEST(stream.add(update, noon_ms));
    (void)stream.next_burst(mono_ms{0}, noon_ms, events);
  }
  BOOST_TEST(count_of(stream.greeting(last_id(first), noon_ms, 1), "event: progress") ==
             live_stream::backlog_events_max);
  BOOST_TEST(stream.add(update, noon_ms));
  (void)stream.next_burst(mono_ms{0}, noon_ms, events);
  BOOST_TEST(stream.greeting(last_id(first), noon_ms, 1).find("reset") != std::string::npos);
  BOOST_TEST(events == live_stream::backlog_events_max + 2);
}

BOOST_AUTO_TEST_CASE(an_event_has_an_end_and_the_rest_comes_next) {
  live_stream stream(film);
  std::size_t students = 0;
  std::uint64_t events = 0;
  live_update update;
  update.last = {0, 1000};
  for (int i = 0; i < 2000; ++i) {
    update.student = named("student-" + std::to_string(i));
    BOOST_TEST(stream.add(update, noon_ms));
  }
  while (stream.has_pending()) {
    const auto text = stream.next_burst(mono_ms{0}, noon_ms, events);
    BOOST_TEST(text.size() < live_stream::event_bytes_max + 1024);
    students += count_of(text, "\"student\"");
  }
  BOOST_TEST(students == 2000u);
  BOOST_TEST(events > 3u);
}

BOOST_AUTO_TEST_CASE(the_more_is_written_the_longer_is_the_pause) {
  live_stream stream(film);
  reader first;
  reader second;
  stream.subscribers = {{1, &first}, {2, &second}};
  BOOST_TEST(stream.write_out(100) == 0u);  // nothing to write, nothing spent
  const std::string events = "one event, then another";
  stream.outgoing = events;
  BOOST_TEST(stream.write_out(100) == 2 * (events.size() + 100));
  BOOST_TEST(first.text() == events);
  BOOST_TEST(second.text() == first.text());
  BOOST_TEST(stream.write_out(100) == 0u);

  using feed = live_feed;
  BOOST_TEST(feed::pause_ms(0) == feed::burst_ms);
  const auto quarter_bytes = feed::written_bytes_per_s_max / 4;
  BOOST_TEST(feed::pause_ms(quarter_bytes) == feed::burst_ms);
  BOOST_TEST(feed::pause_ms(3 * quarter_bytes) == 750);
  BOOST_TEST(feed::pause_ms(100 * quarter_bytes) == feed::burst_ms_max);
  // 500 who watch one module that is played without end still see it within a second.
  BOOST_TEST(feed::pause_ms(500 * (live_stream::event_bytes_max + feed::write_costs_bytes)) < 1000);
}

BOOST_AUTO_TEST_CASE(a_stream_has_room_for_so_many_students) {
  live_stream stream(film);
  live_update update;
  for (std::size_t i = 0; i < live_stream::pending_students_max; ++i) {
    update.student = named("s" + std::to_string(i));
    BOOST_REQUIRE(stream.add(update, noon_ms));
  }
  BOOST_TEST(stream.add(update, noon_ms));  // it waits already
  update.student = named("one-more");
  BOOST_TEST(!stream.add(update, noon_ms));
}

BOOST_AUTO_TEST_CASE(what_begins_anew_forgets_what_was_to_come) {
  live_stream stream(film);
  std::uint64_t events = 0;
  live_update update;
  update.student = named("amy");
  update.now.duration_ms = 60'000;
  update.last = {0, 1000};
  update.fresh.add({0, 1000});
  BOOST_TEST(stream.add(update, noon_ms));
  stream.begin_anew();  // a client that fetches everything now finds that second in it
  BOOST_TEST(stream.has_pending());
  update.student = named("bob");
  update.fresh = {};
  update.fresh.add({5000, 6000});
  BOOST_TEST(stream.add(update, noon_ms + 7));
  BOOST_TEST(stream.add(update, noon_ms + 9));
  const auto text = stream.next_burst(mono_ms{250}, noon_ms + 250, events);
  BOOST_TEST(text.find("event: reset") < text.find("bob"));
  BOOST_TEST(text.find("amy") == std::string::npos);
  BOOST_TEST(
      text.find(R"("bins":[[5,2,0]],"since":"2025-11-22T11:52:25.130Z"})") != std::string::npos,
      text);
}

BOOST_AUTO_TEST_CASE(resets_have_a_distance) {
  live_stream stream(film);
  std::uint64_t events = 0;
  live_update update;
  update.student = named("amy");
  mono_ms now{1000};
  const auto burst = [&] { return stream.next_burst(now, noon_ms, events); };
  stream.begin_anew();
  const auto first = burst();
  BOOST_TEST(count_of(first, "event: reset") == 1u);
  BOOST_TEST(!stream.has_pending());
  // The next one is owed until it is due; the events go on meanwhile.
  stream.begin_anew();
  now += live_stream::reset_ms - 1;
  BOOST_TEST(stream.add(update, noon_ms));
  const auto between = burst();
  BOOST_TEST(count_of(between, "event: progress") == 1u);
  BOOST_TEST(count_of(between, "event: reset") == 0u);
  BOOST_TEST(stream.has_pending());
  // Who comes back now missed nothing and is owed the reset like everybody else; afterwards an id
  // from before it leads to one.
  BOOST_TEST(count_of(stream.greeting(last_id(between), noon_ms, 1), "event: reset") == 0u);
  now += 1;
  const auto second = burst();
  BOOST_TEST(count_of(second, "event: reset") == 1u);
  BOOST_TEST(!stream.has_pending());
  BOOST_TEST(count_of(stream.greeting(last_id(between), noon_ms, 1), "event: reset") == 1u);
  BOOST_TEST(count_of(stream.greeting(last_id(second), noon_ms, 1), "event: reset") == 0u);
  BOOST_TEST(events == 3u);
}

BOOST_AUTO_TEST_CASE(of_two_attempts_within_one_event_the_later_one_counts) {
  live_update first;
  first.student = named("amy");
  first.now = {
      .measured_ms = 50'000, .updated_ms = noon_ms + 9, .life = {.epoch = 1, .attempt = 1}};
  first.fresh.add({0, 50'000});
  first.played = {{0, 50'000}};
  auto second = first;
  second.now = {.measured_ms = 1000, .updated_ms = noon_ms, .life = {.epoch = 1, .attempt = 2}};
  second.fresh = {};
  second.fresh.add({7000, 8000});
  second.played = {{7000, 8000}};
  const auto is_second = [&](const live_update& each) {
    return each.now == second.now && each.fresh == second.fresh && each.played == second.played;
  };
  auto either = first;
  either.append(second);
  BOOST_TEST(is_second(either));
  either.append(first);
  BOOST_TEST(is_second(either));
}

BOOST_AUTO_TEST_CASE(so_many_ended_lives_are_remembered) {
  ended_lives ended;
  live_update update;
  update.student = named("amy");
  update.now.life = {.epoch = 5, .attempt = 3};
  BOOST_TEST(!ended.contains(film, update));
  ended.add({named("amy"), std::nullopt, {.epoch = 5, .attempt = 0}});
  BOOST_TEST(!ended.contains(film, update));
  ended.add({named("amy"), film, {.epoch = 5, .attempt = 4}});
  ended.add({named("amy"), film, {.epoch = 5, .attempt = 2}});  // an older one changes nothing
  BOOST_TEST(ended.contains(film, update));
  BOOST_TEST(!ended.contains(other, update));
  for (std::size_t i = 0; i < ended_lives::entries_max; ++i)
    ended.add({named("s" + std::to_string(i)), std::nullopt, {.epoch = 2, .attempt = 0}});
  BOOST_TEST(!ended.contains(film, update));
}

BOOST_AUTO_TEST_SUITE_END()
