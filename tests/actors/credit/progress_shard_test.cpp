#include "actors/credit/progress_shard.hpp"

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

#include "storage/limits.hpp"
#include "tests/actors/support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

/// Stores what an observer is notified of.
struct watched final : watch_observer {
  struct event {
    credit_status status;
    media_interval played;
    std::vector<media_interval> fresh;
    bool fresh_is_exact;
    media_ms covered_ms;  // of the coverage that came along; -1: none came
  };
  void settled(const settled_heartbeat& heartbeat) noexcept override {
    events.push_back({heartbeat.outcome.status,
                      heartbeat.played,
                      {heartbeat.fresh.begin(), heartbeat.fresh.end()},
                      heartbeat.fresh_is_exact,
                      heartbeat.covered ? heartbeat.covered->covered_ms() : -1});
  }
  void rejected(const rejected_heartbeat& heartbeat) noexcept override {
    rejections.push_back({heartbeat.why, heartbeat.stale});
    BOOST_TEST(heartbeat.token != nullptr);
    BOOST_TEST(heartbeat.received_ms > 0);
  }
  std::vector<event> events;
  /// How many rejections came before each erasure.
  void student_erased(const student_id&) noexcept override {
    erased_after.push_back(rejections.size());
  }
  std::vector<std::size_t> erased_after;
  struct rejected_for {
    problem why;
    stale_cause stale;
  };
  std::vector<rejected_for> rejections;
};

struct shard_world {
  explicit shard_world(std::size_t pairs_max = 1000)
      : shard(std::make_unique<progress_shard_core>(
            shard_dependencies{.index = 3,
                               .services = services,
                               .probe = probe,
                               .hot = hot_probe,
                               .now = [this] { return clock.now_ms; },
                               .monotonic_us = [this] { return clock.monotonic_us; },
                               .pairs_max = pairs_max,
                               .idle_pair_ms = 60'000,
                               .observer = &watching})) {}

  void heartbeat(int who, std::uint32_t sequence, media_ms from_ms, media_ms to_ms,
                 media_ms duration_ms = 600'000) {
    shard->take(verified_job(listener, heartbeats, clock, student(who), sequence, from_ms, to_ms,
                             duration_ms, &watching));
  }
  /// Lets the oldest batch become durable.
  void finish_batch() {
    BOOST_REQUIRE(!services.batches.empty());
    auto batch = services.batches.front();
    services.batches.erase(services.batches.begin());
    store_batch(*batch, *hot);
    shard->stored(*batch);
  }
  std::optional<progress> ask(int who) {
    auto query = std::make_shared<progress_query>(pair_key{student(who), module_named("m1")});
    auto future = query->future();
    shard->look_up(query);
    if (!services.queries.empty()) return std::nullopt;
    auto found = future.get();
    BOOST_REQUIRE(found.has_value());
    return *found;
  }

  manual_clock clock;
  watched watching;
  heartbeat_probe heartbeats;
  shard_probe probe;
  hot_store_probe hot_probe;
  scripted_services services;
  std::unique_ptr<storage::hot_store> hot = storage::make_memory_store();
  std::shared_ptr<result_recorder> listener = std::make_shared<result_recorder>();
  std::unique_ptr<progress_shard_core> shard;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(progress_shards)

BOOST_AUTO_TEST_CASE(no_result_comes_before_the_batch_is_durable) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  BOOST_TEST(w.services.batches.size() == 1u);
  BOOST_TEST(w.listener->results.empty());
  BOOST_TEST(w.heartbeats.in_flight() == 1u);
  w.finish_batch();
  BOOST_REQUIRE(w.listener->results.size() == 1u);
  const auto& result = w.listener->results[0];
  BOOST_TEST(result.outcome.status == credit_status::credited);
  BOOST_TEST(result.outcome.credited_ms == 10'000);
  BOOST_TEST(w.heartbeats.in_flight() == 0u);
}

BOOST_AUTO_TEST_CASE(heartbeats_that_come_together_are_one_batch) {
  shard_world w;
  const auto three = [&](int first) {
    std::vector<heartbeat_job_ptr> jobs;
    for (int who = first; who < first + 3; ++who)
      jobs.push_back(verified_job(w.listener, w.heartbeats, w.clock, student(who), 0, 0, 10'000,
                                  600'000, &w.watching));
    w.shard->take(jobs);
  };
  three(1);
  BOOST_REQUIRE_EQUAL(w.services.batches.size(), 1u);
  BOOST_TEST(w.services.batches[0]->count == 3u);
  w.services.batches[0]->open();  // as the writer does
  three(4);
  BOOST_TEST(w.services.batches.size() == 1u);
  BOOST_TEST(w.services.batches[0]->waiting() == 6u);
  BOOST_TEST(w.services.batches[0]->close() == 6u);
  three(7);  // of these none is with the writer
  BOOST_TEST(w.services.batches[0]->waiting() == 6u);
  BOOST_TEST(w.probe.queued == 3u);
  w.finish_batch();
  BOOST_TEST(w.listener->results.size() == 6u);
  BOOST_REQUIRE_EQUAL(w.services.batches.size(), 1u);
  BOOST_TEST(w.services.batches[0]->count == 3u);
  w.finish_batch();
  BOOST_REQUIRE_EQUAL(w.listener->results.size(), 9u);
  for (const auto& result : w.listener->results)
    BOOST_TEST(result.outcome.status == credit_status::credited);
}

BOOST_AUTO_TEST_CASE(a_batch_that_waits_for_the_writer_is_added_to) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  auto& batch = *w.services.batches.at(0);
  batch.open();  // as the writer does
  w.heartbeat(2, 0, 0, 10'000);
  w.heartbeat(1, 1, 10'000, 20'000);
  BOOST_TEST(batch.waiting() == 3u);
  BOOST_TEST(w.probe.parked == 3u);
  BOOST_TEST(w.probe.queued == 0u);
  BOOST_TEST(batch.close() == 3u);
  w.heartbeat(3, 0, 0, 10'000);
  BOOST_TEST(batch.waiting() == 3u);
  BOOST_TEST(w.probe.queued == 1u);
  w.finish_batch();
  BOOST_REQUIRE_EQUAL(w.listener->results.size(), 3u);
  for (const auto& result : w.listener->results)
    BOOST_TEST(result.outcome.status == credit_status::credited);
  BOOST_TEST(w.ask(1)->covered.covered_ms() == 20'000);
  w.finish_batch();
  BOOST_TEST(w.listener->results.size() == 4u);
}

BOOST_AUTO_TEST_CASE(a_batch_that_waits_is_added_to_up_to_its_limit) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.services.batches.at(0)->open();
  const auto most = static_cast<int>(storage_limits::batch_heartbeats_max);
  for (int i = 2; i <= most + 2; ++i) w.heartbeat(i, 0, 0, 10'000);
  BOOST_TEST(w.services.batches.at(0)->close() == storage_limits::batch_heartbeats_max);
  BOOST_TEST(w.probe.queued == 2u);
  w.finish_batch();
  w.finish_batch();
  BOOST_TEST(w.listener->results.size() == storage_limits::batch_heartbeats_max + 2);
}

BOOST_AUTO_TEST_CASE(one_batch_is_in_flight_while_the_next_fills) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  for (int i = 2; i < 40; ++i) w.heartbeat(i, 0, 0, 10'000);
  BOOST_TEST(w.services.batches.size() == 1u);
  BOOST_TEST(w.probe.queued == 38u);
  BOOST_TEST(w.probe.parked == 1u);
  w.finish_batch();
  BOOST_REQUIRE(w.services.batches.size() == 1u);
  BOOST_TEST(w.services.batches[0]->requests.size() == 38u);
  w.finish_batch();
  BOOST_TEST(w.services.batches.empty());
  BOOST_TEST(w.listener->results.size() == 39u);
  BOOST_TEST(w.probe.batch_size_max == 38u);
}

BOOST_AUTO_TEST_CASE(a_batch_holds_no_more_than_its_limit) {
  shard_world w;
  const auto count = static_cast<int>(storage_limits::batch_heartbeats_max) + 7;
  for (int i = 0; i <= count; ++i) w.heartbeat(i, 0, 0, 1'000);
  w.finish_batch();  // the one that went alone
  BOOST_TEST(w.services.batches[0]->requests.size() == storage_limits::batch_heartbeats_max);
  w.finish_batch();
  BOOST_TEST(w.services.batches[0]->requests.size() == 7u);
  w.finish_batch();
  BOOST_TEST(w.listener->results.size() == static_cast<std::size_t>(count) + 1);
}

BOOST_AUTO_TEST_CASE(what_could_not_be_stored_is_refused_and_not_remembered) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  auto batch = w.services.batches.front();
  w.services.batches.clear();
  batch->results.assign(1, {});
  w.shard->stored(*batch);
  BOOST_REQUIRE(w.listener->results.size() == 1u);
  BOOST_TEST(w.listener->results[0].outcome.status == credit_status::rejected);
  BOOST_TEST(w.listener->results[0].outcome.why == problem::storage_unavailable);
  BOOST_TEST(w.shard->pairs() == 0u);
  // Sent again, it is credited: the number did not count as seen.
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  BOOST_TEST(w.listener->results[1].outcome.status == credit_status::credited);
}

BOOST_AUTO_TEST_CASE(memory_follows_the_store) {
  shard_world w;
  for (std::uint32_t i = 0; i < 5; ++i) {
    w.heartbeat(1, i, static_cast<media_ms>(i) * 10'000, static_cast<media_ms>(i + 1) * 10'000);
    w.finish_batch();
    w.clock.now_ms += 10'000;
  }
  const auto in_memory = w.ask(1);
  BOOST_REQUIRE(in_memory.has_value());
  const pair_key keys[] = {{student(1), module_named("m1")}};
  const auto stored_state = w.hot->read(keys);
  BOOST_TEST(in_memory == (*stored_state)[0]);
  BOOST_TEST(in_memory->covered.covered_ms() == 50'000);
}

BOOST_AUTO_TEST_CASE(a_pair_that_another_gateway_changed_is_read_anew) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  storage::pair_progress elsewhere{{student(1), module_named("m1")}, {}};
  elsewhere.state.covered.add({100'000, 120'000});
  BOOST_REQUIRE(w.hot->merge({&elsewhere, 1}, true).has_value());
  w.heartbeat(1, 1, 10'000, 20'000);
  w.finish_batch();
  BOOST_TEST(w.listener->results[1].outcome.now.covered_ms == 40'000);
  // A query gets what the reader finds, united with what memory has.
  auto query = std::make_shared<progress_query>(elsewhere.key);
  auto reply = query->future();
  w.shard->look_up(query);
  BOOST_REQUIRE(w.services.queries.size() == 1u);
  w.services.queries.clear();
  storage::stored<std::optional<progress>> found{std::optional(elsewhere.state)};
  w.shard->found(*query, found);
  BOOST_TEST(reply.get()->value().covered.covered_ms() == 40'000);
  // The next heartbeat brings the rest.
  w.heartbeat(1, 2, 20'000, 30'000);
  w.finish_batch();
  BOOST_TEST(w.ask(1).value().covered.covered_ms() == 50'000);
}

BOOST_AUTO_TEST_CASE(a_partial_pair_that_another_gateway_changed_too_is_handed_over) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  storage::pair_progress elsewhere{{student(1), module_named("m1")}, {}};
  elsewhere.state.covered.add({100'000, 120'000});
  BOOST_REQUIRE(w.hot->merge({&elsewhere, 1}, true).has_value());
  w.heartbeat(1, 1, 10'000, 20'000);
  w.finish_batch();
  BOOST_TEST(w.probe.dirty == 1u);
  w.hot_probe.refill_epoch = 1;  // emptied before any checkpoint
  w.shard->tick();
  BOOST_REQUIRE(w.services.refilled.size() == 1u);
  BOOST_TEST(w.services.refilled[0][0].state.covered.covered_ms() == 20'000);
  // The next heartbeat reads all that the store has, which is less than what memory has.
  w.hot = storage::make_memory_store();
  w.heartbeat(1, 2, 20'000, 30'000);
  w.finish_batch();
  BOOST_TEST(w.listener->results[2].outcome.now.covered_ms == 10'000);
  BOOST_TEST(w.ask(1).value().covered.covered_ms() == 30'000);
  BOOST_REQUIRE(w.services.refilled.size() == 2u);
  BOOST_TEST(w.services.refilled[1][0].state.covered.covered_ms() == 30'000);
}

BOOST_AUTO_TEST_CASE(a_store_that_lost_a_part_meanwhile_takes_nothing_from_memory) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  storage::pair_progress elsewhere{{student(1), module_named("m1")}, {}};
  elsewhere.state.covered.add({100'000, 120'000});
  BOOST_REQUIRE(w.hot->merge({&elsewhere, 1}, true).has_value());
  w.heartbeat(1, 1, 10'000, 20'000);
  w.finish_batch();
  // Emptied; then another gateway plays the pair, so that it is not missing.
  w.hot = storage::make_memory_store();
  BOOST_REQUIRE(w.hot->merge({&elsewhere, 1}, true).has_value());
  w.heartbeat(1, 2, 20'000, 30'000);
  w.finish_batch();
  BOOST_TEST(w.ask(1).value().covered.covered_ms() == 50'000);
  BOOST_REQUIRE(w.services.refilled.size() == 1u);
  BOOST_TEST(w.services.refilled[0][0].state.covered.covered_ms() == 50'000);
  BOOST_TEST(w.probe.dirty == 1u);
}

BOOST_AUTO_TEST_CASE(a_student_erased_while_a_batch_is_in_flight_leaves_nothing_behind) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.heartbeat(1, 1, 10'000, 20'000);  // waits
  w.shard->forget(student(1));
  BOOST_REQUIRE(w.listener->results.size() == 1u);
  BOOST_TEST(w.listener->results[0].outcome.why == problem::unknown_device);
  // After the rejection, so that an observer that stores rejections forgets this one as well.
  BOOST_REQUIRE(w.watching.erased_after.size() == 1u);
  BOOST_TEST(w.watching.erased_after[0] == 1u);
  w.finish_batch();
  BOOST_TEST(w.shard->pairs() == 0u);
  BOOST_TEST(w.probe.dirty == 0u);
}

BOOST_AUTO_TEST_CASE(dirty_pairs_are_handed_over_when_the_hot_store_may_have_lost_them) {
  shard_world w;
  for (int i = 0; i < 3; ++i) {
    w.heartbeat(i, 0, 0, 10'000);
    w.finish_batch();
  }
  BOOST_TEST(w.probe.dirty == 3u);
  w.clock.now_ms += 1;
  w.shard->checkpointed(w.clock.now_ms, w.clock.now_ms);
  BOOST_TEST(w.probe.dirty == 0u);
  w.heartbeat(1, 1, 10'000, 20'000);
  w.finish_batch();
  w.hot_probe.refill_epoch = 1;
  w.services.refuse_refills = true;  // too many wait: nothing is forgotten
  w.shard->tick();
  BOOST_TEST(w.services.refilled.empty());
  w.services.refuse_refills = false;
  w.shard->tick();
  BOOST_REQUIRE(w.services.refilled.size() == 1u);
  BOOST_REQUIRE(w.services.refilled[0].size() == 1u);
  BOOST_TEST(w.services.refilled[0][0].state.covered.covered_ms() == 20'000);
  w.shard->tick();  // the same epoch: nothing more
  BOOST_TEST(w.services.refilled.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_hand_over_for_which_there_is_little_room_goes_on_where_it_was) {
  constexpr int students = 3 * static_cast<int>(storage_limits::checkpoint_batch_pairs_max) - 100;
  shard_world w(students);
  for (int i = 0; i < students; ++i) {
    w.heartbeat(i, 0, 0, 10'000);
    w.finish_batch();
  }
  w.hot_probe.refill_epoch = 1;
  std::set<std::string> handed;
  for (std::size_t i = 1; i <= 3; ++i) {
    w.services.refills_max = i;
    w.shard->tick();
    BOOST_REQUIRE(w.services.refilled.size() == i);
    for (const auto& pair : w.services.refilled.back())
      BOOST_TEST(handed.insert(std::string(pair.key.student.view())).second);
  }
  BOOST_TEST(handed.size() == static_cast<std::size_t>(students));
  w.services.refills_max = SIZE_MAX;
  w.heartbeat(7, 1, 10'000, 20'000);  // is in the store already
  w.finish_batch();
  w.shard->tick();
  BOOST_TEST(w.services.refilled.size() == 3u);
  w.hot_probe.refill_epoch = 2;  // lost again, or a hand-over failed: all of them
  w.shard->tick();
  std::size_t again = 0;
  for (std::size_t i = 3; i < w.services.refilled.size(); ++i)
    again += w.services.refilled[i].size();
  BOOST_TEST(again == static_cast<std::size_t>(students));
}

BOOST_AUTO_TEST_CASE(a_checkpoint_cleans_no_pair_that_the_hot_store_lost_before) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  w.hot_probe.refill_epoch = 1;  // emptied, and no tick has come since
  w.clock.now_ms += 5;
  const auto started_ms = w.clock.now_ms;
  w.clock.now_ms += 5;
  w.shard->checkpointed(started_ms, w.clock.now_ms);
  BOOST_REQUIRE(w.services.refilled.size() == 1u);
  BOOST_TEST(w.probe.dirty == 1u);  // until a round that began after the hand-over
  w.clock.now_ms += 1;
  w.shard->checkpointed(w.clock.now_ms, w.clock.now_ms);
  BOOST_TEST(w.probe.dirty == 0u);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_cleans_no_pair_whose_batch_was_in_flight_when_it_began) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);  // its batch goes out now
  w.clock.now_ms += 5;
  const auto started_ms = w.clock.now_ms;
  w.clock.now_ms += 5;
  w.finish_batch();
  w.shard->checkpointed(started_ms, w.clock.now_ms);
  BOOST_TEST(w.probe.dirty == 1u);
}

BOOST_AUTO_TEST_CASE(
    results_that_were_on_their_way_when_the_hot_store_was_emptied_are_handed_over) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.hot_probe.refill_epoch = 1;
  w.shard->tick();  // there is no pair yet
  BOOST_TEST(w.services.refilled.empty());
  w.finish_batch();
  BOOST_REQUIRE(w.services.refilled.size() == 1u);
  BOOST_TEST(w.services.refilled[0][0].state.covered.covered_ms() == 10'000);
}

BOOST_AUTO_TEST_CASE(nothing_is_clean_while_a_hand_over_is_not_done) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  w.clock.now_ms += 1;
  w.services.unsaved_refills = true;
  w.shard->checkpointed(w.clock.now_ms, w.clock.now_ms);
  BOOST_TEST(w.probe.dirty == 1u);
  w.services.unsaved_refills = false;
  w.shard->checkpointed(w.clock.now_ms, w.clock.now_ms);
  BOOST_TEST(w.probe.dirty == 0u);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_cleans_no_pair_that_was_handed_over_during_it) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  w.hot_probe.refill_epoch = 1;
  w.shard->tick();  // handed over, and it waits
  w.clock.now_ms += 5;
  const auto started_ms = w.clock.now_ms;  // the round passes the pair by
  w.clock.now_ms += 5;
  w.hot_probe.refilled_ms = w.clock.now_ms;  // only now it is in the hot store
  w.shard->checkpointed(started_ms, w.clock.now_ms);
  BOOST_TEST(w.probe.dirty == 1u);
  w.clock.now_ms += 1;
  w.shard->checkpointed(w.clock.now_ms, w.clock.now_ms);
  BOOST_TEST(w.probe.dirty == 0u);
}

BOOST_AUTO_TEST_CASE(a_hand_over_that_fails_while_a_checkpoint_is_taken_leaves_its_pairs_dirty) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  w.hot_probe.refill_epoch = 1;
  w.shard->tick();
  BOOST_REQUIRE(w.services.refilled.size() == 1u);
  w.clock.now_ms += 5'000;
  // The writer fails and requests it again: first it moves the epoch, then there is nothing
  // unsaved, and the shard has looked at the epoch before.
  w.services.on_unsaved_query = [&] { w.hot_probe.refill_epoch = 2; };
  w.shard->checkpointed(w.clock.now_ms, w.clock.now_ms);
  BOOST_TEST(w.probe.dirty == 1u);
  w.services.on_unsaved_query = {};
  w.shard->tick();
  BOOST_TEST(w.services.refilled.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_hand_over_that_is_done_while_the_word_of_a_checkpoint_is_on_its_way_counts) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  const auto started_ms = w.clock.now_ms + 1, ended_ms = started_ms + 5;
  w.hot_probe.refilled_ms = ended_ms + 1;
  w.clock.now_ms = ended_ms + 2;  // now the shard comes to it
  w.shard->checkpointed(started_ms, ended_ms);
  BOOST_TEST(w.probe.dirty == 1u);
}

BOOST_AUTO_TEST_CASE(a_hand_over_before_the_clock_was_set_back_keeps_nothing_dirty) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  w.hot_probe.refilled_ms = w.clock.now_ms + 3'600'000;
  w.clock.now_ms += 1;
  w.shard->checkpointed(w.clock.now_ms, w.clock.now_ms);
  BOOST_TEST(w.probe.dirty == 0u);
}

BOOST_AUTO_TEST_CASE(what_a_duplicate_brought_is_handed_over_too) {
  shard_world w;
  // Another gateway stored it, and died before it reported the result.
  auto elsewhere =
      verified_job(w.listener, w.heartbeats, w.clock, student(1), 0, 0, 10'000, 600'000);
  auto credit = elsewhere->credit;
  credit.now_ms = w.clock.now_ms;
  const storage::pair_progress blank{credit.pair(), {}};
  BOOST_REQUIRE(w.hot->merge({&blank, 1}, false).has_value());
  const storage::hot_request first{credit, false};
  BOOST_REQUIRE((*w.hot->apply({&first, 1}))[0].outcome.status == credit_status::credited);
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  BOOST_REQUIRE(w.listener->results.size() == 1u);
  BOOST_TEST(w.listener->results[0].outcome.status == credit_status::duplicate);
  w.hot_probe.refill_epoch = 1;
  w.shard->tick();
  BOOST_REQUIRE(w.services.refilled.size() == 1u);
  BOOST_TEST(w.services.refilled[0][0].state.covered.covered_ms() == 10'000);
}

BOOST_AUTO_TEST_CASE(memory_is_bounded_and_idle_pairs_are_evicted) {
  shard_world w(10);
  for (int i = 0; i < 25; ++i) {
    w.heartbeat(i, 0, 0, 10'000);
    w.finish_batch();
    w.clock.now_ms += 1;
  }
  BOOST_TEST(w.shard->pairs() == 10u);
  w.clock.now_ms += 60'001;
  w.shard->checkpointed(w.clock.now_ms, w.clock.now_ms);
  BOOST_TEST(w.shard->pairs() == 0u);
  BOOST_TEST(w.probe.dirty == 0u);
}

BOOST_AUTO_TEST_CASE(mastery_goes_to_the_ledger_at_once_and_once) {
  shard_world w;
  for (std::uint32_t i = 0; i < 2; ++i) {
    w.heartbeat(1, i, static_cast<media_ms>(i) * 10'000, static_cast<media_ms>(i + 1) * 10'000,
                20'000);
    w.finish_batch();
  }
  BOOST_REQUIRE(w.services.mastered.size() == 1u);
  BOOST_TEST(w.services.mastered[0][0].state.mastered_ms == w.clock.now_ms);
  w.heartbeat(1, 2, 0, 10'000, 20'000);
  w.finish_batch();
  BOOST_TEST(w.services.mastered.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_job_that_is_dropped_reports_overloaded) {
  heartbeat_probe probe;
  manual_clock clock;
  auto listener = std::make_shared<result_recorder>();
  { auto job = verified_job(listener, probe, clock, student(1), 0, 0, 1000); }
  BOOST_REQUIRE(listener->results.size() == 1u);
  BOOST_TEST(listener->results[0].outcome.why == problem::overloaded);
  BOOST_TEST(probe.in_flight() == 0u);
}

BOOST_AUTO_TEST_CASE(a_shard_that_ends_reports_a_result_for_all_its_jobs) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.heartbeat(2, 0, 0, 10'000);
  BOOST_TEST(w.heartbeats.in_flight() == 2u);
  w.shard.reset();
  BOOST_TEST(w.listener->results.size() == 2u);
  BOOST_TEST(w.heartbeats.in_flight() == 0u);
}

BOOST_AUTO_TEST_CASE(an_observer_learns_what_is_new) {
  shard_world w;
  const auto next = [&](std::uint32_t sequence, media_ms from_ms, media_ms to_ms) {
    w.heartbeat(1, sequence, from_ms, to_ms);
    w.finish_batch();
    return w.watching.events.back();
  };
  const auto first = next(0, 0, 10'000);
  BOOST_TEST(first.fresh_is_exact);
  BOOST_TEST((first.fresh == std::vector<media_interval>{{0, 10'000}}));
  BOOST_TEST(first.covered_ms == 10'000);
  // Half of it again, and the gap of 200 ms that is closed.
  BOOST_TEST((next(1, 20'000, 25'000).fresh == std::vector<media_interval>{{20'000, 25'000}}));
  const auto bridge = next(2, 5'000, 19'800);
  BOOST_TEST((bridge.played == media_interval{5'000, 19'800}));
  BOOST_TEST((bridge.fresh == std::vector<media_interval>{{10'000, 20'000}}));
  BOOST_TEST(bridge.covered_ms == 25'000);
  const auto rewatched = next(3, 1'000, 9'000);
  BOOST_TEST(rewatched.fresh_is_exact);
  BOOST_TEST(rewatched.fresh.empty());
  const auto again = next(3, 1'000, 9'000);
  BOOST_TEST(again.status == credit_status::duplicate);
  BOOST_TEST(again.played.length_ms() == 0);
  BOOST_TEST(again.fresh_is_exact);
  BOOST_TEST(again.fresh.empty());
  // 60 s of reserve, most of it spent: what is cut off was not played.
  const auto limited = next(4, 100'000, 130'000);
  BOOST_TEST(limited.status == credit_status::limited);
  BOOST_TEST(limited.played.to_ms < 130'000);
  BOOST_TEST((limited.fresh == std::vector<media_interval>{limited.played}));
  BOOST_TEST(w.watching.rejections.empty());
}

BOOST_AUTO_TEST_CASE(what_was_covered_before_the_shard_knew_the_pair_is_not_guessed) {
  shard_world w;
  progress earlier;
  earlier.covered.add({0, 15'000});
  earlier.playtime_ms = 15'000;
  const storage::pair_progress stored{{student(1), module_named("m1")}, earlier};
  BOOST_TEST(w.hot->merge({&stored, 1}, false).has_value());
  w.heartbeat(1, 0, 10'000, 20'000);
  w.heartbeat(1, 1, 20'000, 30'000);
  w.heartbeat(1, 2, 25'000, 35'000);
  w.finish_batch();
  BOOST_REQUIRE(w.watching.events.size() == 1u);
  BOOST_TEST(!w.watching.events[0].fresh_is_exact);
  BOOST_TEST(w.watching.events[0].fresh.empty());
  BOOST_TEST(w.watching.events[0].covered_ms == 20'000);
  w.finish_batch();
  BOOST_REQUIRE(w.watching.events.size() == 3u);
  BOOST_TEST((w.watching.events[1].fresh == std::vector<media_interval>{{20'000, 30'000}}));
  BOOST_TEST((w.watching.events[2].fresh == std::vector<media_interval>{{30'000, 35'000}}));
}

BOOST_AUTO_TEST_CASE(two_first_heartbeats_in_one_batch_are_both_exact) {
  shard_world w;
  w.heartbeat(2, 0, 0, 1'000);  // keeps the next two together
  w.heartbeat(1, 0, 0, 10'000);
  w.heartbeat(1, 1, 10'000, 20'000);
  w.finish_batch();
  w.finish_batch();
  BOOST_REQUIRE(w.watching.events.size() == 3u);
  BOOST_TEST((w.watching.events[1].fresh == std::vector<media_interval>{{0, 10'000}}));
  BOOST_TEST((w.watching.events[2].fresh == std::vector<media_interval>{{10'000, 20'000}}));
}

BOOST_AUTO_TEST_CASE(fresh_is_not_exact_while_another_gateway_credits_the_pair) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  progress elsewhere;
  elsewhere.covered.add({10'000, 20'000});
  const storage::pair_progress stored{{student(1), module_named("m1")}, elsewhere};
  BOOST_TEST(w.hot->merge({&stored, 1}, true).has_value());
  w.heartbeat(1, 1, 20'000, 30'000);
  w.finish_batch();
  BOOST_TEST(!w.watching.events.back().fresh_is_exact);
  BOOST_TEST(w.watching.events.back().fresh.empty());
  BOOST_TEST((w.watching.events.back().played == media_interval{20'000, 30'000}));
}

BOOST_AUTO_TEST_CASE(a_rejection_by_the_store_is_announced_once) {
  shard_world w;
  w.heartbeat(1, 70, 0, 10'000);
  w.finish_batch();
  w.heartbeat(1, 1, 0, 10'000);
  w.finish_batch();
  BOOST_TEST(w.watching.events.size() == 1u);
  BOOST_REQUIRE(w.watching.rejections.size() == 1u);
  BOOST_TEST(w.watching.rejections[0].why == problem::stale_token);
  BOOST_TEST(w.watching.rejections[0].stale == stale_cause::sequence_number);
}

BOOST_AUTO_TEST_SUITE_END()
