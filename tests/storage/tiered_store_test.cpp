#include "tests/storage/tiered_store_world.hpp"

/// The tiered store while both stores are there: what the hot store lacks comes from the ledger or
/// from memory, and one pair that cannot be credited harms no other.

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

BOOST_AUTO_TEST_SUITE(tiered)

BOOST_AUTO_TEST_CASE(a_pair_the_hot_store_lacks_comes_from_the_ledger) {
  tiered_store_world w;
  pair_progress earlier{{w.who, *module_id::parse("m1")}, blank()};
  earlier.state.covered.add({0, 40'000});
  earlier.state.duration_ms = 100'000;
  BOOST_REQUIRE(w.ledger_of_record->checkpoint({&earlier, 1}, w.clock.wall_now()).has_value());
  const auto applied = w.apply_one(w.request(0, 40'000, 50'000));
  BOOST_CHECK(applied.state == applied_state::done);
  BOOST_TEST(applied.outcome.now.covered_ms == 50'000);
  BOOST_REQUIRE(applied.covered.has_value());
  BOOST_TEST(applied.covered->covered_ms() == 50'000);
  BOOST_TEST(w.lost == 0);
}

BOOST_AUTO_TEST_CASE(a_new_pair_that_cannot_be_read_does_not_keep_the_hot_store_away) {
  tiered_store_world w;
  w.of_merge = store_fault::corrupt;
  (void)w.apply_one(w.request(0, 0, 10'000));
  BOOST_TEST(!w.tiers.degraded());
  w.of_merge = store_fault::refused;
  BOOST_CHECK(w.apply_one(w.request(1, 0, 10'000)).outcome.status == credit_status::credited);
  BOOST_TEST(w.tiers.degraded());
}

BOOST_AUTO_TEST_CASE(a_pair_at_the_limit_of_pieces_goes_on) {
  tiered_store_world w;
  // Each half is within the limit; two gateways' credit, united, is not.
  for (const media_ms from_ms : {0, 40'000'000}) {
    pair_progress part{{w.who, *module_id::parse("m1")}, blank()};
    for (int i = 0; i < 600; ++i)
      part.state.covered.add({from_ms + i * 1'000, from_ms + i * 1'000 + 500});
    part.state.duration_ms = 80'000'000;
    BOOST_REQUIRE(w.ledger_of_record->checkpoint({&part, 1}, w.clock.wall_now()).has_value());
  }
  const auto applied = w.apply_one(w.request(0, 30'000'000, 30'010'000));
  BOOST_CHECK(applied.state == applied_state::done);
  BOOST_CHECK(applied.outcome.status == credit_status::credited);
  BOOST_REQUIRE(applied.covered.has_value());
  BOOST_TEST(applied.covered->pieces().size() == limits::coverage_intervals_max);
  BOOST_TEST(applied.covered->contains({30'000'000, 30'010'000}));
}

BOOST_AUTO_TEST_CASE(what_memory_knows_fills_an_emptied_hot_store) {
  tiered_store_world w;
  auto r = w.request(7, 20'000, 30'000);
  r.in_memory = blank();
  r.in_memory->covered.add({0, 20'000});
  const auto applied = w.apply_one(r);
  BOOST_TEST(applied.outcome.now.covered_ms == 30'000);
  BOOST_TEST(w.lost == 1);
  BOOST_TEST(*w.inner->dirty_count() == 1u);
}

BOOST_AUTO_TEST_CASE(a_pair_that_cannot_be_read_fails_its_own_heartbeats_alone) {
  tiered_store_world w;
  w.fault = store_fault::corrupt;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::failed);
  BOOST_TEST(w.modes.empty());
  // Of several pairs it may be the store itself.
  auto other = w.request(1, 0, 10'000);
  other.credit.module = *module_id::parse("m2");
  const tiered_request both[] = {w.request(2, 0, 10'000), other};
  (void)w.tiers.apply(both);
  BOOST_TEST(w.modes == std::vector<bool>{true}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_the_hot_store_does_not_take_back_is_saved_in_the_ledger) {
  for (const auto fault : {store_fault::refused, store_fault::corrupt}) {
    tiered_store_world w;
    pair_progress known{{w.who, *module_id::parse("m1")}, blank()};
    known.state.covered.add({0, 40'000});
    known.state.duration_ms = 100'000;
    w.of_merge = fault;
    BOOST_TEST(w.tiers.refill({&known, 1}).has_value());
    BOOST_TEST(w.in_ledger()->covered.covered_ms() == 40'000);
    BOOST_TEST(!w.in_hot().has_value());
    w.of_merge = store_fault::lost_request;  // of a store that is away nothing is known
    BOOST_TEST(!w.tiers.refill({&known, 1}).has_value());
  }
}

BOOST_AUTO_TEST_CASE(a_hot_store_that_refuses_all_is_not_asked_for_each_pair) {
  tiered_store_world w;
  std::vector<pair_progress> pairs(200);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].key = {*student_id::parse("s" + std::to_string(i)), *module_id::parse("m1")};
    w.enrol(pairs[i].key.student);
    pairs[i].state = blank();
    pairs[i].state.covered.add({0, 1'000});
    pairs[i].state.duration_ms = 100'000;
  }
  int merges = 0;
  faulty_store hot(*w.inner, [&](std::string_view operation) {
    if (operation == "merge") ++merges;
    return store_fault::refused;
  });
  hanging_hot_store h(w);
  loading_store tiers(hot, *w.ledger_of_record, w.clock, h.observer());
  BOOST_TEST(tiers.refill(pairs).has_value());
  BOOST_TEST(merges == 1);
  const pair_key last[] = {pairs.back().key};
  BOOST_TEST((*w.ledger_of_record->read(last))[0]->covered.covered_ms() ==
             1'000);  // all are in the ledger
}

BOOST_AUTO_TEST_CASE(a_pair_that_may_have_left_by_itself_is_no_loss) {
  for (const bool is_long_ago : {true, false}) {
    tiered_store_world w;
    loading_store tiers(w.hot, *w.ledger_of_record, w.clock,
                        {.mode_changed = [](bool, const std::string&) {},
                         .hot_failed = [](const storage_failure&) {},
                         .ledger_failed = [](const storage_failure&) {},
                         .data_lost = [&] { ++w.lost; }},
                        durability_level::memory, {}, 60'000);
    const auto apply = [&](const tiered_request& asked) { return tiers.apply({&asked, 1})[0]; };
    auto applied = apply(w.request(0, 0, 10'000));
    auto next = w.request(1, 10'000, 20'000);
    next.in_memory = *w.in_hot();
    const pair_progress played{next.credit.pair(), *w.in_hot()};
    BOOST_REQUIRE(w.ledger_of_record->checkpoint({&played, 1}, w.clock.wall_now()).has_value());
    clean_all(*w.inner);
    BOOST_TEST(retire_all(*w.inner, w.clock.wall_now(), 0) == 1u);
    w.clock.advance(is_long_ago ? 60'000 : 59'999);
    next.credit.now_ms = next.credit.played_at_ms = w.clock.wall_now();
    applied = apply(next);
    BOOST_CHECK(applied.outcome.status == credit_status::credited);
    BOOST_TEST(applied.outcome.now.covered_ms == 20'000);
    BOOST_TEST(w.lost == (is_long_ago ? 0 : 1));
    // And what is replayed stays a duplicate.
    BOOST_CHECK(apply(w.request(0, 0, 10'000)).outcome.status == credit_status::duplicate);
  }
}

BOOST_AUTO_TEST_SUITE_END()
