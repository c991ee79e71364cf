#include "storage/limits.hpp"
#include "tests/actors/credit/shard_world.hpp"

/// The batches of a shard of progress: what fills one, while it waits for the writer and while the
/// one before it is in flight.

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

BOOST_AUTO_TEST_SUITE(progress_shards)

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

namespace {

/// What the writer says of the oldest batch: the hot store has none of the pairs of `missing`.
void come_back(shard_world& w, std::initializer_list<int> missing) {
  auto batch = w.services.batches.at(0);
  w.services.batches.erase(w.services.batches.begin());
  store_batch(*batch, *w.hot, w.clock.wall_now());
  for (std::size_t i = 0; i < batch->count; ++i)
    for (const int who : missing)
      if (batch->requests[i].credit.student == student(who))
        batch->results[i] = {.state = storage::applied_state::pair_missing};
  w.shard->stored(*batch);
}
/// The rows have been read, and the batch is stored.
void finish_loading(shard_world& w, std::size_t which) {
  auto batch = w.services.loading.at(which);
  w.services.loading.erase(w.services.loading.begin() + static_cast<std::ptrdiff_t>(which));
  w.hot = storage::make_memory_store();
  store_batch(*batch, *w.hot, w.clock.wall_now());
  w.shard->stored(*batch);
}

}  // namespace

BOOST_AUTO_TEST_CASE(who_waits_for_the_ledger_holds_nobody_up) {
  shard_world w;
  for (int who = 1; who <= 3; ++who) w.heartbeat(who, 0, 0, 10'000);
  come_back(w, {});  // the first went alone
  come_back(w, {3});
  BOOST_TEST(w.listener->results.size() == 2u);
  BOOST_REQUIRE_EQUAL(w.services.loading.size(), 1u);
  BOOST_TEST(w.services.loading[0]->count == 1u);
  BOOST_CHECK(w.services.loading[0]->results.at(0).state == storage::applied_state::pair_missing);
  w.heartbeat(1, 1, 10'000, 20'000);
  come_back(w, {});
  BOOST_TEST(w.listener->results.size() == 3u);
  w.heartbeat(4, 0, 0, 10'000);
  come_back(w, {4});  // another wait does not wait for the first
  BOOST_REQUIRE_EQUAL(w.services.loading.size(), 2u);
  finish_loading(w, 1);
  BOOST_TEST(w.ask(4)->covered.covered_ms() == 10'000);
  finish_loading(w, 0);
  BOOST_TEST(w.ask(3)->covered.covered_ms() == 10'000);
  BOOST_REQUIRE_EQUAL(w.listener->results.size(), 5u);
  for (const auto& result : w.listener->results)
    BOOST_TEST(result.outcome.status == credit_status::credited);
  BOOST_TEST(w.services.batches.empty());
}

BOOST_AUTO_TEST_CASE(a_loaded_batch_that_comes_back_lets_the_one_in_flight_be) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  come_back(w, {1});
  w.heartbeat(2, 0, 0, 10'000);
  w.heartbeat(3, 0, 0, 10'000);  // waits for that of 2
  BOOST_TEST(w.services.batches.size() == 1u);
  finish_loading(w, 0);
  BOOST_TEST(w.services.batches.size() == 1u);
  BOOST_TEST(w.probe.parked == 1u);
  BOOST_TEST(w.probe.queued == 1u);
  w.finish_batch();
  w.finish_batch();
  BOOST_TEST(w.listener->results.size() == 3u);
}

BOOST_AUTO_TEST_CASE(nothing_of_who_is_erased_comes_back_from_the_ledger) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  w.heartbeat(2, 0, 0, 10'000);
  come_back(w, {1});
  come_back(w, {2});
  w.shard->forget({student(1), 2});
  finish_loading(w, 0);
  finish_loading(w, 0);
  BOOST_TEST(!w.ask(1).has_value());
  BOOST_TEST(w.services.queries.size() == 1u);
  w.services.queries.clear();
  BOOST_TEST(w.ask(2)->covered.covered_ms() == 10'000);
}

BOOST_AUTO_TEST_CASE(a_hot_store_that_lost_a_loaded_batch_gets_it_again) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  come_back(w, {1});
  w.hot_probe.refill_epoch = 1;  // between the store and the shard
  finish_loading(w, 0);
  BOOST_REQUIRE_EQUAL(w.services.refilled.size(), 1u);
  BOOST_TEST(w.services.refilled[0].at(0).state.covered.covered_ms() == 10'000);
}

BOOST_AUTO_TEST_CASE(who_cannot_be_loaded_is_told_so) {
  shard_world w;
  w.heartbeat(1, 0, 0, 10'000);
  come_back(w, {1});
  auto batch = w.services.loading.at(0);
  batch->results.assign(1, {});
  w.shard->stored(*batch);
  BOOST_REQUIRE_EQUAL(w.listener->results.size(), 1u);
  BOOST_CHECK(w.listener->results[0].outcome.why == problem::storage_unavailable);
}

BOOST_AUTO_TEST_SUITE_END()
