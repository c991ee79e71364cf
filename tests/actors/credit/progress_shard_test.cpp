#include "tests/actors/credit/shard_world.hpp"

/// A shard of progress: the pairs in its memory follow the store, also when another gateway changes
/// them, and each job gets its result.

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

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
    w.clock.advance(10'000);
  }
  const auto in_memory = w.ask(1);
  BOOST_REQUIRE(in_memory.has_value());
  const pair_key keys[] = {{student(1), module_named("m1")}};
  const auto stored_state = w.hot->read(keys);
  BOOST_TEST(in_memory == (*stored_state)[0]);
  BOOST_TEST(in_memory->covered.covered_ms() == 50'000);
}

// A piece that gives way at the limit goes in memory as well.
BOOST_AUTO_TEST_CASE(memory_follows_the_store_at_the_limit_of_pieces) {
  shard_world w;
  storage::pair_progress known{{student(1), module_named("m1")}, blank()};
  for (media_ms i = 0; i < static_cast<media_ms>(limits::coverage_intervals_max); ++i)
    known.state.covered.add({i * 500, i * 500 + 100 + i % 7});
  BOOST_REQUIRE(w.hot->merge({&known, 1}, storage::merge_origin::ledger_and_memory).has_value());
  for (std::uint32_t i = 0; i < 4; ++i) {
    const auto from_ms = 520'000 + static_cast<media_ms>(i) * 2'000;
    w.heartbeat(1, i, from_ms, from_ms + 1'000);
    w.finish_batch();
    w.clock.advance(1'000);
    BOOST_TEST(w.listener->results[i].outcome.status == credit_status::credited);
    const auto in_store = (*w.hot->read({&known.key, 1}))[0];
    BOOST_TEST(in_store->covered.pieces().size() == limits::coverage_intervals_max);
    BOOST_TEST(w.ask(1) == in_store);
    BOOST_TEST(w.watching.events.back().covered_ms == in_store->covered.covered_ms());
  }
}

BOOST_AUTO_TEST_CASE(what_earns_nothing_does_not_move_the_resume_position_in_memory) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  w.clock.advance(1'000);
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  BOOST_TEST(w.listener->results[1].outcome.status == credit_status::duplicate);
  const pair_key keys[] = {{student(1), module_named("m1")}};
  BOOST_TEST(w.ask(1) == (*w.hot->read(keys))[0]);
}

BOOST_AUTO_TEST_CASE(a_pair_that_another_gateway_changed_is_read_anew) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  storage::pair_progress elsewhere{{student(1), module_named("m1")}, blank()};
  elsewhere.state.covered.add({100'000, 120'000});
  BOOST_REQUIRE(
      w.hot->merge({&elsewhere, 1}, storage::merge_origin::ledger_and_memory).has_value());
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

BOOST_AUTO_TEST_CASE(a_student_erased_while_a_batch_is_in_flight_leaves_nothing_behind) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.heartbeat(1, 1, 10'000, 20'000);  // waits
  w.shard->forget({student(1), 2});
  BOOST_TEST(w.watching.erased_after.size() == 1u);
  w.finish_batch();
  BOOST_REQUIRE(w.listener->results.size() == 1u);
  BOOST_TEST(w.listener->results[0].outcome.status == credit_status::credited);
  BOOST_TEST(w.shard->pairs() == 0u);
  BOOST_TEST(w.probe.dirty == 0u);
  // What waited meets the end of the epoch in the store.
  BOOST_REQUIRE(w.hot->end_epochs_below(student(1), 2, w.clock.wall_now()).has_value());
  w.finish_batch();
  BOOST_REQUIRE(w.listener->results.size() == 2u);
  BOOST_TEST(w.listener->results[1].outcome.why == problem::storage_unavailable);
  BOOST_TEST(w.shard->pairs() == 0u);
}

BOOST_AUTO_TEST_CASE(an_erasure_that_is_heard_of_late_takes_nothing_from_the_next_epoch) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  w.heartbeat(1, 1, 10'000, 20'000);
  w.shard->forget({student(1), 1});  // the epochs before that of the heartbeats
  w.finish_batch();
  BOOST_TEST(w.shard->pairs() == 1u);
  BOOST_TEST(w.probe.dirty == 1u);
  BOOST_TEST(w.ask(1).value().covered.covered_ms() == 20'000);
}

BOOST_AUTO_TEST_CASE(a_heartbeat_of_an_ended_epoch_is_to_be_sent_again_with_a_fresh_record) {
  shard_world w;
  BOOST_REQUIRE(w.hot->end_epochs_below(student(1), 2, w.clock.wall_now()).has_value());
  w.heartbeat(1, 0, 0, 10'000);
  w.finish_batch();
  BOOST_REQUIRE(w.listener->results.size() == 1u);
  BOOST_TEST(w.listener->results[0].outcome.why == problem::storage_unavailable);
  BOOST_TEST(w.services.outdated.size() == 1u);
  BOOST_TEST(w.shard->pairs() == 0u);
}

BOOST_AUTO_TEST_CASE(memory_follows_a_pair_into_its_next_attempt) {
  for (const bool is_told : {true, false})
    for (const bool is_stored_before : {true, false}) {
      shard_world w;
      w.heartbeat(1, 0, 0, 10'000);
      w.finish_batch();
      // In flight while another gateway resets the pair: stored before that, or after.
      w.heartbeat(1, 1, 10'000, 20'000);
      auto batch = w.services.batches.front();
      w.services.batches.clear();
      if (is_stored_before) store_batch(*batch, *w.hot, w.clock.wall_now());
      storage::pair_progress begun{{student(1), module_named("m1")}, blank()};
      begun.state.life.attempt = 2;
      begun.state.begins_ms = begun.state.updated_ms = w.clock.wall_now();
      BOOST_REQUIRE(w.hot->merge({&begun, 1}, storage::merge_origin::ledger).has_value());
      if (!is_stored_before) store_batch(*batch, *w.hot, w.clock.wall_now());
      if (is_told) w.shard->forget_pair(begun.key, begun.state.life);
      w.shard->stored(*batch);
      BOOST_TEST(w.listener->results[1].outcome.now.covered_ms ==
                 (is_stored_before ? 20'000 : 10'000));
      for (std::uint32_t i = 2; i < 4; ++i) {
        w.heartbeat(1, i, static_cast<media_ms>(i) * 10'000, static_cast<media_ms>(i + 1) * 10'000);
        w.finish_batch();
      }
      const pair_key keys[] = {begun.key};
      const auto in_memory = w.ask(1);
      BOOST_REQUIRE(in_memory.has_value());
      BOOST_TEST(in_memory->life.attempt == 2u);
      BOOST_TEST(in_memory->begins_ms == begun.state.begins_ms);
      BOOST_TEST(in_memory->covered == (*w.hot->read(keys))[0]->covered);
    }
}

BOOST_AUTO_TEST_CASE(memory_is_bounded_and_idle_pairs_are_evicted) {
  shard_world w(10);
  for (int i = 0; i < 25; ++i) {
    w.heartbeat(i, 0, 0, 10'000);
    w.finish_batch();
    w.clock.advance(1);
  }
  BOOST_TEST(w.shard->pairs() == 10u);
  w.clock.advance(60'001);
  w.shard->checkpointed(w.clock.monotonic_now(), w.clock.monotonic_now());
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
  BOOST_TEST(w.services.mastered[0][0].state.mastered_ms == w.clock.wall_now());
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

BOOST_AUTO_TEST_SUITE_END()
