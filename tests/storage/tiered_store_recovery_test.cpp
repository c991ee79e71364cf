#include "tests/storage/tiered_store_world.hpp"

/// The tiered store when the hot store comes back: when it is tried again, and what was credited
/// meanwhile is merged into it.

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

BOOST_AUTO_TEST_SUITE(tiered)

BOOST_AUTO_TEST_CASE(the_ledger_takes_over_while_the_hot_store_is_away_and_gives_back) {
  tiered_store_world w;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  w.fault = store_fault::lost_request;
  auto r = w.request(1, 10'000, 20'000);
  r.in_memory = blank();
  r.in_memory->covered.add({0, 10'000});
  auto applied = w.apply_one(r);
  BOOST_CHECK(applied.state == applied_state::done);
  BOOST_CHECK(applied.outcome.status == credit_status::credited);
  BOOST_TEST(applied.outcome.now.covered_ms == 20'000);
  BOOST_TEST(w.tiers.degraded());
  BOOST_REQUIRE(w.in_ledger().has_value());
  BOOST_TEST(w.in_ledger()->covered.covered_ms() == 20'000);
  // A retry is a duplicate here too.
  BOOST_CHECK(w.apply_one(r).outcome.status == credit_status::duplicate);

  w.fault = store_fault::none;
  w.clock.advance(tiered_store::retry_interval_ms);
  applied = w.apply_one(w.request(2, 20'000, 30'000));
  BOOST_TEST(!w.tiers.degraded());
  BOOST_TEST(applied.outcome.now.covered_ms == 30'000);
  BOOST_TEST(w.in_hot()->covered.covered_ms() == 30'000);
  BOOST_CHECK((w.modes == std::vector<bool>{true, false}));
}

BOOST_AUTO_TEST_CASE(what_was_given_back_before_a_failure_is_not_given_again) {
  tiered_store_world w;
  constexpr std::size_t pairs = 3 * storage_limits::batch_heartbeats_max;
  std::map<std::string, int> calls;
  bool is_away = true;
  int fails_at = 0;
  faulty_store hot(*w.inner, [&](std::string_view operation) {
    const auto call = ++calls[std::string(operation)];
    return is_away || (operation == "merge" && call == fails_at) ? store_fault::lost_request
                                                                 : store_fault::none;
  });
  loading_store tiers(hot, *w.ledger_of_record, w.clock, no_observer());
  tiers.start_degraded("away");
  std::vector<tiered_request> asked;
  for (std::size_t i = 0; i < pairs; ++i) {
    asked.push_back(w.request(0, 0, 1'000));
    asked.back().credit.student = *student_id::parse("s" + std::to_string(i));
    asked.back().credit.session = *session_id::parse("p" + std::to_string(i));
    w.enrol(asked.back().credit.student);
    if (asked.size() < storage_limits::batch_heartbeats_max) continue;
    BOOST_CHECK(tiers.apply(asked).back().state == applied_state::done);
    asked.clear();
  }
  is_away = false;
  calls.clear();
  fails_at = 3;
  w.clock.advance(tiered_store::retry_interval_ms);
  tiers.probe();
  BOOST_TEST(tiers.degraded());
  w.clock.advance(tiered_store::retry_interval_max_ms);
  tiers.probe();
  BOOST_TEST(!tiers.degraded());
  BOOST_TEST(calls["merge"] == 4);
  BOOST_TEST(*w.inner->dirty_count() == pairs);
}

BOOST_AUTO_TEST_CASE(the_hot_store_is_back_though_it_cannot_read_one_pair) {
  tiered_store_world w;
  w.fault = store_fault::lost_request;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  w.fault = store_fault::none;
  w.of_merge = store_fault::corrupt;
  w.clock.advance(10'000);
  w.tiers.probe();
  BOOST_TEST(w.modes == (std::vector<bool>{true, false}), boost::test_tools::per_element());
  BOOST_TEST(w.in_ledger()->covered.covered_ms() == 10'000);
}

BOOST_AUTO_TEST_CASE(a_lone_pair_in_too_many_pieces_does_not_keep_the_hot_store_away) {
  tiered_store_world w;
  pair_progress shredded{{w.who, *module_id::parse("m1")}, blank()};
  for (media_ms i = 0; i <= static_cast<media_ms>(limits::coverage_intervals_max); ++i)
    shredded.state.covered.add({i * 1'000, i * 1'000 + 100});
  shredded.state.duration_ms = 100'000;
  BOOST_REQUIRE(w.ledger_of_record->checkpoint({&shredded, 1}, w.clock.wall_now()).has_value());
  w.fault = store_fault::lost_request;
  BOOST_CHECK(w.apply_one(w.request(0, 100, 999)).state == applied_state::done);
  BOOST_TEST(w.tiers.degraded());
  w.fault = store_fault::none;
  w.clock.advance(tiered_store::retry_interval_ms);
  w.tiers.probe();
  BOOST_TEST(!w.tiers.degraded());
}

BOOST_AUTO_TEST_CASE(a_hot_store_that_greets_well_and_then_hangs_is_tried_less_and_less) {
  tiered_store_world w;
  hanging_hot_store h(w);
  h.asks_elsewhere = false;
  loading_store tiers(h.hot, *w.ledger_of_record, w.clock, h.observer());
  std::vector<std::int64_t> waits;
  std::uint32_t sequence = 0;
  for (int i = 0; i < 6; ++i) {
    h.hangs = true;
    const auto r = w.request(sequence, 0, 1'000);
    ++sequence;
    BOOST_CHECK(tiers.apply({&r, 1})[0].state == applied_state::done);
    BOOST_REQUIRE(tiers.degraded());
    h.hangs = false;  // it answers health() again at once
    const auto from = w.clock.monotonic_now();
    while (tiers.degraded()) {
      w.clock.advance(100);
      tiers.probe();
    }
    waits.push_back(w.clock.monotonic_now() - from);
  }
  const std::vector<std::int64_t> expected{500, 1'000, 2'000, 4'000, 4'000, 4'000};
  BOOST_TEST(waits == expected, boost::test_tools::per_element());
  w.clock.advance(tiered_store::trust_after_ms);
  h.hangs = true;
  const auto r = w.request(sequence, 0, 1'000);
  (void)tiers.apply({&r, 1});
  h.hangs = false;
  w.clock.advance(500);
  tiers.probe();
  BOOST_TEST(!tiers.degraded());
}

BOOST_AUTO_TEST_CASE(a_pair_of_which_everything_is_refused_is_not_made_in_the_ledger) {
  tiered_store_world w;
  w.fault = store_fault::lost_request;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).outcome.status == credit_status::credited);
  auto other = w.request(1, 0, 10'000);  // the session is bound to m1
  other.credit.module = *module_id::parse("m2");
  BOOST_CHECK(w.apply_one(other).outcome.why == problem::session_mismatch);
  const pair_key keys[] = {{w.who, *module_id::parse("m2")}};
  BOOST_TEST(!(*w.ledger_of_record->read(keys))[0].has_value());
  // Nor when the hot store is back, and is given what was credited meanwhile.
  w.fault = store_fault::none;
  w.clock.advance(tiered_store::retry_interval_ms);
  BOOST_CHECK(w.apply_one(w.request(1, 10'000, 20'000)).outcome.status == credit_status::credited);
  BOOST_TEST(!w.tiers.degraded());
  BOOST_TEST(w.in_hot()->covered.covered_ms() == 20'000);
  BOOST_TEST(!(*w.inner->read(keys))[0].has_value());
}

BOOST_AUTO_TEST_CASE(a_lost_answer_is_not_credited_twice) {
  tiered_store_world w;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  w.fault = store_fault::lost_reply;
  const auto r = w.request(1, 10'000, 20'000);
  BOOST_CHECK(w.apply_one(r).state == applied_state::done);
  w.fault = store_fault::none;
  w.clock.advance(tiered_store::retry_interval_ms);
  const auto again = w.apply_one(r);
  BOOST_CHECK(again.outcome.status == credit_status::duplicate);
  BOOST_TEST(again.outcome.now.covered_ms == 20'000);
}

BOOST_AUTO_TEST_SUITE_END()
