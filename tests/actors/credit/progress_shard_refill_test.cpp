#include <set>
#include <string>

#include "storage/limits.hpp"
#include "tests/actors/credit/shard_world.hpp"

/// What a shard of progress hands over when the hot store may have lost it, and which pairs a
/// checkpoint makes clean meanwhile.

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

BOOST_AUTO_TEST_SUITE(progress_shards)

BOOST_AUTO_TEST_CASE(a_partial_pair_that_another_gateway_changed_too_is_handed_over) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  storage::pair_progress elsewhere{{student(1), module_named("m1")}, blank()};
  elsewhere.state.covered.add({100'000, 120'000});
  BOOST_REQUIRE(
      w.hot->merge({&elsewhere, 1}, storage::merge_origin::ledger_and_memory).has_value());
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
  storage::pair_progress elsewhere{{student(1), module_named("m1")}, blank()};
  elsewhere.state.covered.add({100'000, 120'000});
  BOOST_REQUIRE(
      w.hot->merge({&elsewhere, 1}, storage::merge_origin::ledger_and_memory).has_value());
  w.heartbeat(1, 1, 10'000, 20'000);
  w.finish_batch();
  // Emptied; then another gateway plays the pair, so that it is not missing.
  w.hot = storage::make_memory_store();
  BOOST_REQUIRE(
      w.hot->merge({&elsewhere, 1}, storage::merge_origin::ledger_and_memory).has_value());
  w.heartbeat(1, 2, 20'000, 30'000);
  w.finish_batch();
  BOOST_TEST(w.ask(1).value().covered.covered_ms() == 50'000);
  BOOST_REQUIRE(w.services.refilled.size() == 1u);
  BOOST_TEST(w.services.refilled[0][0].state.covered.covered_ms() == 50'000);
  BOOST_TEST(w.probe.dirty == 1u);
}

BOOST_AUTO_TEST_CASE(dirty_pairs_are_handed_over_when_the_hot_store_may_have_lost_them) {
  shard_world w;
  for (int i = 0; i < 3; ++i) {
    w.heartbeat(i, 0, 0, 10'000);
    w.finish_batch();
  }
  BOOST_TEST(w.probe.dirty == 3u);
  w.clock.advance(1);
  w.shard->checkpointed(w.clock.monotonic_now(), w.clock.monotonic_now());
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
  w.clock.advance(5);
  const auto started = w.clock.monotonic_now();
  w.clock.advance(5);
  w.shard->checkpointed(started, w.clock.monotonic_now());
  BOOST_REQUIRE(w.services.refilled.size() == 1u);
  BOOST_TEST(w.probe.dirty == 1u);  // until a round that began after the hand-over
  w.clock.advance(1);
  w.shard->checkpointed(w.clock.monotonic_now(), w.clock.monotonic_now());
  BOOST_TEST(w.probe.dirty == 0u);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_cleans_no_pair_whose_batch_was_in_flight_when_it_began) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);  // its batch goes out now
  w.clock.advance(5);
  const auto started = w.clock.monotonic_now();
  w.clock.advance(5);
  w.finish_batch();
  w.shard->checkpointed(started, w.clock.monotonic_now());
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
  w.clock.advance(1);
  w.services.unsaved_refills = true;
  w.shard->checkpointed(w.clock.monotonic_now(), w.clock.monotonic_now());
  BOOST_TEST(w.probe.dirty == 1u);
  w.services.unsaved_refills = false;
  w.shard->checkpointed(w.clock.monotonic_now(), w.clock.monotonic_now());
  BOOST_TEST(w.probe.dirty == 0u);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_cleans_no_pair_that_was_handed_over_during_it) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  w.hot_probe.refill_epoch = 1;
  w.shard->tick();  // handed over, and it waits
  w.clock.advance(5);
  const auto started = w.clock.monotonic_now();  // the round passes the pair by
  w.clock.advance(5);
  w.hot_probe.refilled_at = w.clock.monotonic_now();  // only now it is in the hot store
  w.shard->checkpointed(started, w.clock.monotonic_now());
  BOOST_TEST(w.probe.dirty == 1u);
  w.clock.advance(1);
  w.shard->checkpointed(w.clock.monotonic_now(), w.clock.monotonic_now());
  BOOST_TEST(w.probe.dirty == 0u);
}

BOOST_AUTO_TEST_CASE(a_hand_over_that_fails_while_a_checkpoint_is_taken_leaves_its_pairs_dirty) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  w.hot_probe.refill_epoch = 1;
  w.shard->tick();
  BOOST_REQUIRE(w.services.refilled.size() == 1u);
  w.clock.advance(5'000);
  // The writer fails and requests it again: first it moves the epoch, then there is nothing
  // unsaved, and the shard has looked at the epoch before.
  w.services.on_unsaved_query = [&] { w.hot_probe.refill_epoch = 2; };
  w.shard->checkpointed(w.clock.monotonic_now(), w.clock.monotonic_now());
  BOOST_TEST(w.probe.dirty == 1u);
  w.services.on_unsaved_query = {};
  w.shard->tick();
  BOOST_TEST(w.services.refilled.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_hand_over_that_is_done_while_the_word_of_a_checkpoint_is_on_its_way_counts) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  const auto started = w.clock.monotonic_now() + 1, ended = started + 5;
  w.hot_probe.refilled_at = ended + 1;
  w.clock.advance(8);  // now the shard comes to it
  w.shard->checkpointed(started, ended);
  BOOST_TEST(w.probe.dirty == 1u);
}

BOOST_AUTO_TEST_CASE(a_wall_clock_that_is_set_back_keeps_nothing_dirty) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  w.hot_probe.refilled_at = w.clock.monotonic_now();
  w.clock.step_wall(-3'600'000);
  w.clock.advance(1);
  w.shard->checkpointed(w.clock.monotonic_now(), w.clock.monotonic_now());
  BOOST_TEST(w.probe.dirty == 0u);
}

BOOST_AUTO_TEST_CASE(what_a_duplicate_brought_is_handed_over_too) {
  shard_world w;
  // Another gateway stored it, and died before it reported the result.
  auto elsewhere =
      verified_job(w.listener, w.heartbeats, w.clock, student(1), 0, 0, 10'000, 600'000);
  auto credit = elsewhere->credit;
  credit.now_ms = w.clock.wall_now();
  const storage::pair_progress begun{credit.pair(), blank()};
  BOOST_REQUIRE(w.hot->merge({&begun, 1}, storage::merge_origin::ledger).has_value());
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

BOOST_AUTO_TEST_CASE(no_pair_counts_as_clean_after_the_ledger_went_back) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  w.clock.advance(10);
  w.shard->checkpointed(w.clock.monotonic_now(), w.clock.monotonic_now());
  BOOST_TEST(w.probe.dirty == 0u);
  const auto begun = w.clock.monotonic_now();
  w.clock.advance(10);
  w.hot_probe.checkpoints_lost = 1;
  w.hot_probe.refill_epoch = 1;
  // The round had begun before: it does not make it clean.
  w.shard->checkpointed(begun, w.clock.monotonic_now());
  BOOST_TEST(w.probe.dirty == 1u);
  BOOST_REQUIRE(w.services.refilled.size() == 1u);
  BOOST_TEST(w.services.refilled[0][0].state.covered.covered_ms() == 10'000);
  w.clock.advance(10);
  w.shard->checkpointed(w.clock.monotonic_now(), w.clock.monotonic_now());
  BOOST_TEST(w.probe.dirty == 0u);
  w.shard->tick();
  BOOST_TEST(w.services.refilled.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
