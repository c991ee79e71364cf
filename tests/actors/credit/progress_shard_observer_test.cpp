#include "tests/actors/credit/shard_world.hpp"

/// What a shard of progress notifies its observer of: each acknowledged heartbeat, with what is new
/// in it if the shard knows that exactly, and each rejection.

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

BOOST_AUTO_TEST_SUITE(progress_shards)

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
  const auto limited = next(4, 100'000, 310'000);
  BOOST_TEST(limited.status == credit_status::limited);
  BOOST_TEST(limited.played.to_ms < 310'000);
  BOOST_TEST((limited.fresh == std::vector<media_interval>{limited.played}));
  BOOST_TEST(w.watching.rejections.empty());
}

BOOST_AUTO_TEST_CASE(what_was_covered_before_the_shard_knew_the_pair_is_not_guessed) {
  shard_world w;
  auto earlier = blank();
  earlier.covered.add({0, 15'000});
  earlier.playtime_ms = 15'000;
  const storage::pair_progress stored{{student(1), module_named("m1")}, earlier};
  BOOST_TEST(w.hot->merge({&stored, 1}, storage::merge_origin::ledger).has_value());
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
  auto elsewhere = blank();
  elsewhere.covered.add({10'000, 20'000});
  const storage::pair_progress stored{{student(1), module_named("m1")}, elsewhere};
  BOOST_TEST(w.hot->merge({&stored, 1}, storage::merge_origin::ledger_and_memory).has_value());
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
