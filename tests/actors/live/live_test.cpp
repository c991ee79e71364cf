#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>

#include "actors/live/feed.hpp"
#include "actors/live/refusal_log.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;

namespace {

constexpr unix_ms noon_ms = 1'763'812'345'123;
const module_id film = *module_id::parse("film");
const module_id other = *module_id::parse("other");

student_id named(const std::string& name) {
  return *student_id::parse(name);
}

/// Notifies the observer of one heartbeat.
void play(watch_observer& observer, const module_id& module, const std::string& who, media_ms from,
          media_ms to, credit_status status = credit_status::credited, media_ms duration = 60'000,
          unix_ms at_ms = noon_ms) {
  credit_request request;
  request.student = named(who);
  request.module = module;
  request.session = *session_id::parse("s");
  request.interval = {from, to};
  request.now_ms = at_ms;
  credit_outcome outcome;
  outcome.status = status;
  outcome.now = {to, duration, to, to, at_ms, 0};
  const media_interval played{from, to};
  const bool counts = status != credit_status::duplicate;
  observer.settled({.request = request,
                    .outcome = outcome,
                    .played = counts ? played : media_interval{},
                    .fresh = counts ? std::span(&played, 1) : std::span<const media_interval>{},
                    .fresh_is_exact = true});
}

class reader final : public live_subscriber {
 public:
  void write(std::string_view events) noexcept override {
    const std::lock_guard lock(mutex_);
    text_ += events;
    changed_.notify_all();
  }
  void end() noexcept override {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  /// Waits until the text contains `expected`, and returns all of it.
  std::string wait_for(const std::string& expected) {
    std::unique_lock lock(mutex_);
    const bool found = changed_.wait_for(lock, std::chrono::seconds(20),
                                         [&] { return text_.find(expected) != std::string::npos; });
    BOOST_REQUIRE_MESSAGE(found, "no " << expected << " in " << text_);
    return text_;
  }
  bool wait_for_end() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return ended_; });
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  bool ended_ = false;
};

std::string last_id(const std::string& text) {
  const auto at = text.rfind("id: ");
  return text.substr(at + 4, text.find('\n', at) - at - 4);
}
std::string id_of(const std::string& text, const std::string& kind) {
  const auto at = text.find("event: " + kind);
  BOOST_REQUIRE(at != std::string::npos);
  return last_id(text.substr(0, at));
}
std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

/// Two gateways that hear each other.
class wire {
 public:
  class end_point final : public storage::live_channel {
   public:
    explicit end_point(wire& all) : all_(all) {}
    void start(receiver to) override {
      const std::lock_guard lock(all_.mutex);
      all_.receivers.push_back(std::move(to));
    }
    void stop() override {
      const std::lock_guard lock(all_.mutex);
      all_.receivers.clear();
    }
    void publish(std::string&& message) noexcept override {
      const std::lock_guard lock(all_.mutex);
      ++all_.published;
      for (const auto& to : all_.receivers) to.message(message);
    }
    [[nodiscard]] statistics state() const override { return {.shared = true, .up = true}; }

   private:
    wire& all_;
  };
  std::mutex mutex;
  std::vector<storage::live_channel::receiver> receivers;
  std::size_t published = 0;
};

struct feeding {
  explicit feeding(
      std::unique_ptr<storage::live_channel> channel = storage::make_null_live_channel())
      : feed({.now = [this] { return now_ms.load(); },
              .channel = std::move(channel),
              .log = [](log_level, const std::string&, const std::string&) {}}) {
    feed.start([this] {
      const std::lock_guard lock(mutex);
      return counts;
    });
  }
  ~feeding() { feed.stop(); }
  std::atomic<unix_ms> now_ms{noon_ms};
  std::mutex mutex;
  live_counts counts;
  live_feed feed;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(live)

BOOST_AUTO_TEST_CASE(a_watcher_gets_events_of_its_module_only) {
  feeding f;
  auto who = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(who, film, "", 0) != 0u);
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
          R"("seconds_watched":5,"completion_percentage":8.33,"state":"IN_PROGRESS",)"
          R"("resume_ms":5000,"from_ms":0,"to_ms":5000,"status":"credited",)"
          R"("new":[[0,5000]],"played":[[0,5000]]}]})") != std::string::npos,
      text);
  BOOST_TEST(text.find(R"(data: {"module":"film","bins":[[0,1,1],[1,1,1],)") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(many_heartbeats_are_one_item_a_student) {
  feeding f;
  auto who = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(who, film, "", 0) != 0u);
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
  const auto number = f.feed.subscribe(who, film, "", 0);
  play(f.feed, film, "amy", 0, 5000);
  const auto seen = who->wait_for("event: progress");
  f.feed.unsubscribe(number);
  auto witness = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(witness, film, "", 0) != 0u);
  play(f.feed, film, "bob", 0, 5000);
  witness->wait_for("bob");

  auto again = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(again, film, id_of(seen, "progress"), 0) != 0u);
  const auto text = again->text();
  BOOST_TEST(text.find("event: hello") < text.find("bob"));
  BOOST_TEST(text.find("amy") == std::string::npos);  // the progress it had seen; the heatmap not
  BOOST_TEST(text.find("event: reset") == std::string::npos);

  // Of another stream, of nothing, and from the future.
  const auto serial = last_id(seen).substr(0, 17);
  for (const auto& id : {std::string("0123456789abcdef-1"), std::string("x"), serial + "99", serial,
                         serial + "-1"}) {
    auto lost = std::make_shared<reader>();
    BOOST_TEST(f.feed.subscribe(lost, film, id, 0) != 0u);
    BOOST_TEST(lost->text().find("event: reset") != std::string::npos, id);
  }
}

BOOST_AUTO_TEST_CASE(events_beyond_the_backlog_become_a_reset) {
  live_stream stream(film);
  std::uint64_t events = 0;
  live_update update;
  update.student = named("amy");
  update.now.duration_ms = 60'000;
  update.last = {0, 1000};
  BOOST_TEST(stream.add(update, noon_ms));
  const auto first = stream.next_burst(noon_ms, events);
  for (std::size_t i = 0; i < live_stream::backlog_events_max; ++i) {
    BOOST_TEST(stream.greeting(last_id(first), noon_ms, 1).find("reset") == std::string::npos);
    BOOST_TEST(stream.add(update, noon_ms));
    (void)stream.next_burst(noon_ms, events);
  }
  BOOST_TEST(count_of(stream.greeting(last_id(first), noon_ms, 1), "event: progress") ==
             live_stream::backlog_events_max);
  BOOST_TEST(stream.add(update, noon_ms));
  (void)stream.next_burst(noon_ms, events);
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
    const auto text = stream.next_burst(noon_ms, events);
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

BOOST_AUTO_TEST_CASE(totals_come_each_second_to_everybody) {
  feeding f;
  auto all = std::make_shared<reader>();
  auto one = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(all, std::nullopt, "", 0) != 0u);
  BOOST_TEST(f.feed.subscribe(one, film, "", 0) != 0u);
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
  f.now_ms += live_feed::keep_alive_ms;
  all->wait_for("\n:\n\n");
}

BOOST_AUTO_TEST_CASE(totals_do_not_grow_with_the_number_of_modules) {
  feeding f;
  auto all = std::make_shared<reader>();
  auto one = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(all, std::nullopt, "", 0) != 0u);
  BOOST_TEST(f.feed.subscribe(one, film, "", 0) != 0u);
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

BOOST_AUTO_TEST_CASE(what_begins_anew_forgets_what_was_to_come) {
  live_stream stream(film);
  std::uint64_t events = 0;
  live_update update;
  update.student = named("amy");
  update.now.duration_ms = 60'000;
  update.last = {0, 1000};
  update.fresh.add({0, 1000});
  BOOST_TEST(stream.add(update, noon_ms));
  (void)stream.reset();  // a client that fetches everything now finds that second in it
  BOOST_TEST(!stream.has_pending());
  update.student = named("bob");
  update.fresh = {};
  update.fresh.add({5000, 6000});
  BOOST_TEST(stream.add(update, noon_ms + 7));
  BOOST_TEST(stream.add(update, noon_ms + 9));
  const auto text = stream.next_burst(noon_ms + 250, events);
  BOOST_TEST(text.find("amy") == std::string::npos);
  BOOST_TEST(
      text.find(R"("bins":[[5,2,0]],"since":"2025-11-22T11:52:25.130Z"})") != std::string::npos,
      text);
}

BOOST_AUTO_TEST_CASE(an_erased_student_is_in_no_stream) {
  feeding f;
  auto watching = std::make_shared<reader>();
  auto elsewhere = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(watching, film, "", 0) != 0u);
  BOOST_TEST(f.feed.subscribe(elsewhere, other, "", 0) != 0u);
  play(f.feed, film, "amy", 0, 5000);
  play(f.feed, other, "bob", 0, 5000);
  const auto seen = watching->wait_for("amy");
  elsewhere->wait_for("bob");
  f.feed.student_erased(named("amy"));
  watching->wait_for("event: reset");
  // A client that comes back with an id from before does not get the student again.
  auto again = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(again, film, id_of(seen, "hello"), 0) != 0u);
  BOOST_TEST(again->text().find("amy") == std::string::npos);
  BOOST_TEST(again->text().find("event: reset") != std::string::npos);
  BOOST_TEST(elsewhere->text().find("event: reset") == std::string::npos);
  // Once more, when the ledger has forgotten the student too: what a client fetched meanwhile is
  // from before.
  const auto resets = [&] { return count_of(watching->text(), "event: reset"); };
  const auto wait_for_resets = [&](std::size_t count) {
    for (int i = 0; i < 2000 && resets() < count; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    BOOST_TEST(resets() == count);
  };
  f.feed.student_erased(named("amy"));
  wait_for_resets(2);
  // A heartbeat that was settled just before, and is in no event yet, appears in none.
  play(f.feed, film, "cid", 0, 5000);
  f.feed.student_erased(named("cid"));
  wait_for_resets(3);
  play(f.feed, film, "dan", 0, 5000);
  watching->wait_for("dan");
  auto late = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(late, film, id_of(seen, "hello"), 0) != 0u);
  BOOST_TEST(late->text().find("cid") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(more_erasures_than_fit_the_queue_reset_every_stream) {
  feeding f;
  auto who = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(who, film, "", 0) != 0u);
  for (std::size_t i = 0; i < 20 * live_feed::queued_erasures_max; ++i)
    f.feed.student_erased(named("s" + std::to_string(i)));
  who->wait_for("event: reset");
}

BOOST_AUTO_TEST_CASE(one_subscription_ends) {
  feeding f;
  auto first = std::make_shared<reader>();
  auto second = std::make_shared<reader>();
  const auto number = f.feed.subscribe(first, film, "", 0);
  BOOST_TEST(f.feed.subscribe(second, film, "", 0) != 0u);
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
  f.now_ms += 1000;
  BOOST_TEST(until->wait_for_end());
  auto all = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(all, film, "", 0) != 0u);
  f.feed.end_all();
  BOOST_TEST(all->wait_for_end());
  f.feed.stop();
  BOOST_TEST(f.feed.subscribe(all, film, "", 0) == 0u);
}

BOOST_AUTO_TEST_CASE(there_is_room_for_so_many_watchers) {
  feeding f;
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < live_feed::subscribers_max; ++i) {
    last = f.feed.subscribe(std::make_shared<reader>(), film, "", 0);
    BOOST_REQUIRE(last != 0u);
  }
  auto late = std::make_shared<reader>();
  BOOST_TEST(f.feed.subscribe(late, film, "", 0) == 0u);
  BOOST_TEST(late->text().empty());
  BOOST_TEST(f.feed.statistics().subscribers_refused == 1u);
  f.feed.unsubscribe(last);
  BOOST_TEST(f.feed.subscribe(late, film, "", 0) != 0u);
}

BOOST_AUTO_TEST_CASE(gateways_exchange_updates_of_watched_modules) {
  wire between;
  feeding here(std::make_unique<wire::end_point>(between));
  feeding there(std::make_unique<wire::end_point>(between));
  auto who = std::make_shared<reader>();
  BOOST_TEST(here.feed.subscribe(who, film, "", 0) != 0u);
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
  BOOST_TEST(here.feed.subscribe(who, std::nullopt, "", 0) != 0u);
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
  here.now_ms += live_feed::gateway_ms;
  who->wait_for(R"({"gateways":1,)");
  here.feed.stop();
}

BOOST_AUTO_TEST_CASE(seconds_of_other_gateways_that_come_together_count_once_each) {
  wire between;
  feeding here(std::make_unique<wire::end_point>(between));
  auto who = std::make_shared<reader>();
  BOOST_TEST(here.feed.subscribe(who, std::nullopt, "", 0) != 0u);
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

BOOST_AUTO_TEST_CASE(announcements_to_other_gateways_have_a_limit) {
  activity_tracker board;
  const pair_key amy{named("amy"), film};
  board.count(amy, credit_status::credited, noon_ms);
  BOOST_TEST(board.take_changes().empty());  // there is nobody to announce them to
  board.collect_changes(true);
  for (std::size_t i = 0; i <= activity_tracker::stripe_changes_max; ++i)
    board.count(amy, credit_status::credited, noon_ms);
  board.count_elsewhere({named("bob"), film}, 1, noon_ms);
  const auto changes = board.take_changes();
  BOOST_REQUIRE_EQUAL(changes.size(), 1u);
  BOOST_TEST(changes[0].credited == activity_tracker::stripe_changes_max);
  BOOST_TEST(board.changes_dropped() == 1u);
  BOOST_TEST(board.take_changes().empty());
}

BOOST_AUTO_TEST_CASE(messages_between_gateways_come_back_as_they_were) {
  live_update update;
  update.student = named("a:b@c");
  update.status = credit_status::limited;
  update.now = {1000, 60'000, 123'456'789'012, 2000, noon_ms, noon_ms + 1};
  update.last = {0, 2500};
  update.fresh.add({0, 500});
  update.fresh.add({1000, 1500});
  update.played = {{0, 2000}, {500, 700}};
  live_updates updates{film, {update, update}};
  const auto text = encode({0xfeedfacecafebeef, updates});
  BOOST_TEST(text ==
             "wk1 feedfacecafebeef updates film\n"
             "a:b@c 1 1000 60000 123456789012 2000 1763812345123 1763812345124 0 2500 "
             "2 0 500 1000 1500 2 0 2000 500 700\n"
             "a:b@c 1 1000 60000 123456789012 2000 1763812345123 1763812345124 0 2500 "
             "2 0 500 1000 1500 2 0 2000 500 700\n");
  const auto back = decode_live_message(text);
  BOOST_REQUIRE(back);
  BOOST_TEST(back->gateway == 0xfeedfacecafebeef);
  BOOST_TEST(encode(*back) == text);
  BOOST_TEST(encode(*decode_live_message("wk1 1 interest\nfilm\nother\n")) ==
             "wk1 1 interest\nfilm\nother\n");
  BOOST_TEST(std::holds_alternative<live_gap>(decode_live_message("wk1 1 gap\n")->what));
  // Cut anywhere, or with any byte changed, it is invalid or another message, but never a crash.
  for (std::size_t i = 0; i < text.size(); ++i) {
    (void)decode_live_message(text.substr(0, i));
    auto changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 0x15);
    (void)decode_live_message(changed);
  }
  const std::string seen = "wk1 2a seen film\namy 3\nbob 0\n";
  BOOST_TEST(encode(*decode_live_message(seen)) == seen);
  const std::string second = "wk1 2a second 1004 5 6 1 2 3 4\nstale-token 1\nbad-signature 3\n";
  const auto decoded = decode_live_message(second);
  BOOST_REQUIRE(decoded);
  const auto& grown = std::get<live_second>(decoded->what).grown;
  BOOST_TEST(grown.by_problem[static_cast<std::size_t>(problem::bad_signature)] == 3u);
  BOOST_TEST(encode(*decode_live_message(encode(*decoded))) == encode(*decoded));
  // A problem of a newer version does not make the rest unreadable.
  BOOST_TEST(decode_live_message("wk1 2a second 1 0 0 0 0 0 0\nnew-thing 1\n").has_value());
  std::string crowd = "wk1 1 seen film\n";
  for (std::size_t i = 0; i < live_message::students_max; ++i) crowd += "amy 1\n";
  BOOST_TEST(decode_live_message(crowd).has_value());
  BOOST_TEST(!decode_live_message(crowd + "amy 1\n"));
  for (const auto* bad : {"wk1 1 seen film\namy\n",
                          "wk1 1 seen film\namy -1\n",
                          "wk1 1 seen\n",
                          "wk1 1 second 0 0 0 0 0 0 0\n",
                          "wk1 1 second 1 0 0 0 0 0\n",
                          "wk1 1 second 1 0 0 0 0 0 0 0\n",
                          "wk1 1 second 1 0 0 0 0 0 0\nstale-token x\n",
                          "",
                          "\n",
                          "wk2 1 gap\n",
                          "wk1 1 gap",
                          "wk1 1 gap\nfilm\n",
                          "wk1 g gap\n",
                          "wk1 1 what\n",
                          "wk1 1 interest\na b\n",
                          "wk1 1 updates\n",
                          "wk1 1 updates film\namy\n",
                          "wk1 1 updates film\namy 3 0 0 0 0 0 0 0 1 0 0\n",
                          "wk1 1 updates film\namy 0 0 0 0 0 0 0 1 1 0 0\n",
                          "wk1 1 updates film\namy 0 0 0 0 0 0 0 0 1 0 65\n",
                          "wk1 1 updates film\namy 0 0 0 0 0 0 0 0 1 0 0 7\n"})
    BOOST_TEST(!decode_live_message(bad), bad);
}

BOOST_AUTO_TEST_CASE(the_board_counts_who_is_there_and_what_was_earned) {
  activity_tracker board;
  const pair_key amy{named("amy"), film};
  const pair_key bob{named("bob"), film};
  const unix_ms start = 1'000'000'000'000;  // where a slot begins
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

BOOST_AUTO_TEST_CASE(refusals_are_classified) {
  using enum refusal_kind;
  BOOST_TEST(classify(credit_status::limited, problem::none, stale_cause::none) == skipping);
  BOOST_TEST(classify(credit_status::duplicate, problem::none, stale_cause::none) == replay);
  const auto rejected = [](problem why, stale_cause stale = stale_cause::none) {
    return classify(credit_status::rejected, why, stale);
  };
  BOOST_TEST(rejected(problem::implausible_interval) == skipping);
  BOOST_TEST(rejected(problem::bad_signature) == spoofing);
  BOOST_TEST(rejected(problem::subject_mismatch) == spoofing);
  BOOST_TEST(rejected(problem::stale_token, stale_cause::time) == clock);
  BOOST_TEST(rejected(problem::future_token) == clock);
  BOOST_TEST(rejected(problem::stale_token, stale_cause::sequence_number) == replay);
  BOOST_TEST(rejected(problem::overloaded) == other);
}

BOOST_AUTO_TEST_CASE(refusals_are_listed_newest_first_and_bounded) {
  refusal_log log;
  play(log, film, "amy", 0, 1000);
  BOOST_TEST(log.of(named("amy"), 10).empty());  // it was credited
  for (std::size_t i = 0; i <= refusal_log::per_student_max; ++i)
    play(log, film, "amy", 0, 1000, credit_status::limited, 60'000,
         noon_ms + static_cast<unix_ms>(i));
  auto found = log.of(named("amy"), 1000);
  BOOST_TEST(found.size() == refusal_log::per_student_max);
  BOOST_TEST(found.front().at_ms == noon_ms + static_cast<unix_ms>(refusal_log::per_student_max));
  BOOST_TEST(found.back().at_ms == noon_ms + 1);
  BOOST_TEST(log.of(named("amy"), 3).size() == 3u);
  engagement_token token;
  token.claims.student = named("bob");
  token.claims.module = film;
  token.claims.sequence = 9;
  log.rejected(
      {.why = problem::bad_signature, .detail = "why", .received_ms = noon_ms, .token = &token});
  log.rejected({.why = problem::malformed_token, .detail = "no token", .received_ms = noon_ms});
  found = log.of(named("bob"), 10);
  BOOST_REQUIRE(found.size() == 1u);
  BOOST_TEST(found[0].sequence == 9u);
  BOOST_TEST(found[0].why == problem::bad_signature);
  log.student_erased(named("bob"));
  BOOST_TEST(log.of(named("bob"), 10).empty());
}

BOOST_AUTO_TEST_CASE(refusals_of_an_erased_student_are_not_stored_until_a_new_enrolment) {
  using ownership = rejected_heartbeat::ownership;
  refusal_log log;
  engagement_token token;
  token.claims.student = named("amy");
  const auto reject = [&](ownership device) {
    log.rejected({.why = problem::stale_token,
                  .detail = "why",
                  .received_ms = noon_ms,
                  .token = &token,
                  .device = device});
    return log.of(named("amy"), 10).size();
  };
  BOOST_TEST(reject(ownership::of_nobody_or_another) == 0u);  // anybody may write a name
  BOOST_TEST(reject(ownership::unknown) == 1u);
  BOOST_TEST(reject(ownership::of_student) == 2u);
  log.student_erased(named("amy"));
  BOOST_TEST(log.of(named("amy"), 10).empty());
  BOOST_TEST(reject(ownership::unknown) == 0u);  // the device goes on
  BOOST_TEST(reject(ownership::of_nobody_or_another) == 0u);
  BOOST_TEST(reject(ownership::of_student) == 1u);  // enrolled again
  // It remembers a limited number of erased students.
  for (std::size_t i = 0; i < 2 * refusal_log::erased_max; ++i)
    log.student_erased(named("s" + std::to_string(i)));
  BOOST_TEST(reject(ownership::unknown) == 2u);
}

BOOST_AUTO_TEST_CASE(the_log_evicts_the_student_with_the_oldest_refusal) {
  constexpr std::size_t all = 16 * 4;  // four of each stripe
  refusal_log log(all);
  constexpr int students = 400;
  for (int i = 0; i < students; ++i)
    play(log, film, "s" + std::to_string(i), 0, 1000, credit_status::limited);
  std::size_t stored = 0;
  for (int i = 0; i < students; ++i) stored += log.of(named("s" + std::to_string(i)), 10).size();
  BOOST_TEST(stored == all);
  BOOST_TEST(log.of(named("s0"), 10).empty());
  BOOST_TEST(log.of(named("s" + std::to_string(students - 1)), 10).size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
