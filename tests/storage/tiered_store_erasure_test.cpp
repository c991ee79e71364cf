#include "tests/storage/tiered_store_world.hpp"

/// Students who are erased or enrolled anew, and pairs that are reset, by this gateway or another,
/// while one of the stores is away or has not heard of it.

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

BOOST_AUTO_TEST_SUITE(tiered)

BOOST_AUTO_TEST_CASE(an_erased_student_earns_nothing_while_degraded_until_enrolled_anew) {
  for (const bool is_told : {true, false}) {
    tiered_store_world w;
    w.fault = store_fault::lost_request;
    BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
    w.erase_in_ledger();
    if (is_told) w.tiers.drop_copies({w.who, 2});  // else the watcher has not read it yet
    const auto late = w.apply_one(w.request(1, 10'000, 20'000));
    BOOST_CHECK(late.state == applied_state::done);
    BOOST_CHECK(late.outcome.why == problem::unknown_device);
    BOOST_TEST(!w.in_ledger().has_value());
    w.enrol_anew();
    BOOST_TEST(w.epoch == 2u);
    w.clock.advance(1);
    const auto anew = w.apply_one(w.request(2, 20'000, 30'000));
    BOOST_TEST(w.tiers.degraded());
    BOOST_CHECK(anew.outcome.status == credit_status::credited);
    BOOST_TEST(anew.outcome.now.covered_ms == 10'000);
    BOOST_TEST(w.in_ledger()->covered.covered_ms() == 10'000);
  }
}

// A ledger that went back may lack what degraded mode holds: then it is the only copy.
BOOST_AUTO_TEST_CASE(an_erasure_that_is_heard_of_late_takes_no_copy_of_the_next_epoch) {
  for (const std::uint32_t next_epoch : {1u, 2u}) {
    tiered_store_world w;
    w.fault = store_fault::lost_request;
    const auto beat = w.request(0, 0, 10'000);
    BOOST_CHECK(w.apply_one(beat).state == applied_state::done);
    w.tiers.drop_copies({w.who, next_epoch});
    w.fault = store_fault::none;
    w.clock.advance(tiered_store::retry_interval_ms);
    w.tiers.probe();
    const auto pair = beat.credit.pair();
    const auto in_hot = w.inner->read({&pair, 1});
    BOOST_REQUIRE(in_hot.has_value());
    BOOST_TEST((*in_hot)[0].has_value() == (next_epoch == 1));
  }
}

// What was of the student has gone with a checkpoint that passed over it; a bucket has not.
BOOST_AUTO_TEST_CASE(the_next_epoch_does_not_begin_with_the_bucket_of_the_one_before) {
  tiered_store_world w;
  w.fault = store_fault::lost_request;
  const auto play = [&](std::uint32_t n, std::uint32_t epoch) {
    auto request = w.request(n, media_ms(n) * 30'000, media_ms(n + 1) * 30'000);
    request.credit.epoch = epoch;
    return w.apply_one(request);
  };
  BOOST_TEST(play(0, 1).outcome.credited_ms == 30'000);
  w.erase_in_ledger();
  BOOST_TEST(play(1, 1).outcome.credited_ms == 0);
  w.tiers.drop_copies({w.who, 2});
  w.enrol_anew();
  // At the module's rate of 2, a new student may report 120 s of it.
  for (std::uint32_t n = 2; n < 6; ++n) BOOST_TEST(play(n, 2).outcome.credited_ms == 30'000);
}

// Another gateway erased the student, enrolled them anew and credited them, all while this one did
// not reach the hot store and held their progress.
BOOST_AUTO_TEST_CASE(what_degraded_mode_held_of_an_ended_epoch_is_not_given_back) {
  for (const bool is_told : {true, false}) {
    tiered_store_world w;
    w.fault = store_fault::lost_request;
    const auto before = w.request(0, 0, 10'000);
    BOOST_CHECK(w.apply_one(before).state == applied_state::done);
    BOOST_REQUIRE(w.inner->end_epochs_below(w.who, 2, some_time_ms).has_value());
    w.erase_in_ledger();
    w.enrol_anew();
    if (is_told) w.tiers.drop_copies({w.who, 2});
    loading_store other{*w.inner, *w.ledger_of_record, w.clock, no_observer()};
    w.clock.advance(1);
    const auto elsewhere = w.request(1, 20'000, 30'000);
    BOOST_CHECK(other.apply({&elsewhere, 1})[0].outcome.status == credit_status::credited);
    w.fault = store_fault::none;
    w.clock.advance(tiered_store::retry_interval_ms);
    w.tiers.probe();
    BOOST_TEST(!w.tiers.degraded());
    const auto after = w.apply_one(w.request(5, 30'000, 40'000));
    BOOST_CHECK(after.outcome.status == credit_status::credited);
    BOOST_TEST(after.outcome.now.covered_ms == 20'000);
    // A heartbeat of the ended epoch, whose device another gateway still knows.
    auto late = before;
    late.credit.sequence = 6;
    BOOST_CHECK(w.apply_one(late).outcome.why == problem::unknown_device);
  }
}

// A replica was promoted that had not heard of the erasure.
BOOST_AUTO_TEST_CASE(a_hot_store_that_lost_an_erasure_brings_nothing_back) {
  tiered_store_world w;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  w.erase_in_ledger();
  w.enrol_anew();
  w.clock.advance(1);
  auto request = w.request(1, 20'000, 30'000);
  request.in_memory = blank();  // of epoch 1, as the shard held it
  request.in_memory->covered.add({0, 15'000});
  const auto applied = w.apply_one(request);
  BOOST_CHECK(applied.outcome.status == credit_status::credited);
  BOOST_TEST(applied.outcome.now.covered_ms == 10'000);
  BOOST_TEST(applied.outcome.now.life.epoch == 2u);
  BOOST_TEST(w.in_hot()->covered.covered_ms() == 10'000);
  BOOST_TEST(w.lost == 0);
}

// A Redis that was started again has the pair, but may have lost changes: no reason to have all
// shards hand over what they have with each of the pairs.
BOOST_AUTO_TEST_CASE(a_pair_that_is_only_to_be_compared_is_not_lost) {
  tiered_store_world w;
  pair_progress known{{w.who, *module_id::parse("m1")}, blank()};
  known.state.covered.add({0, 10'000});
  BOOST_REQUIRE(w.inner->merge({&known, 1}, merge_origin::memory).has_value());
  auto request = w.request(0, 10'000, 20'000);
  request.in_memory = known.state;
  BOOST_CHECK(w.apply_one(request).outcome.status == credit_status::credited);
  BOOST_TEST(w.lost == 0);
  request = w.request(1, 20'000, 30'000);
  request.credit.module = *module_id::parse("m2");
  request.credit.session = *session_id::parse("s2");
  request.in_memory = blank();
  BOOST_CHECK(w.apply_one(request).outcome.status == credit_status::credited);
  BOOST_TEST(w.lost == 1);
}

BOOST_AUTO_TEST_CASE(a_heartbeat_from_before_the_life_began_is_stale) {
  tiered_store_world w;
  const auto early = w.request(0, 0, 10'000);
  w.clock.advance(1'000);
  w.erase_in_ledger();
  w.enrol_anew();
  auto request = w.request(0, 0, 10'000);
  request.credit.played_at_ms = early.credit.played_at_ms;
  const auto applied = w.apply_one(request);
  BOOST_CHECK(applied.outcome.why == problem::stale_token);
  BOOST_CHECK(applied.outcome.stale == stale_cause::life);
  request.credit.played_at_ms = w.clock.wall_now();
  BOOST_CHECK(w.apply_one(request).outcome.status == credit_status::credited);
}

BOOST_AUTO_TEST_CASE(without_the_ledger_only_memory_knows_the_life_of_a_missing_pair) {
  tiered_store_world w;
  std::filesystem::rename(w.folder, w.folder.string() + "-away");
  w.ledger_of_record.reset();
  auto away = make_sqlite_ledger((w.folder / "ledger.db").string());
  loading_store tiers(*w.inner, *away, w.clock, no_observer());
  auto request = w.request(0, 0, 10'000);
  BOOST_CHECK(tiers.apply({&request, 1})[0].state == applied_state::failed);
  request.in_memory = blank();
  request.in_memory->life.epoch = 7;  // not that of the request
  BOOST_CHECK(tiers.apply({&request, 1})[0].state == applied_state::failed);
  request.in_memory = blank();
  const auto applied = tiers.apply({&request, 1})[0];
  BOOST_CHECK(applied.outcome.status == credit_status::credited);
  std::filesystem::rename(w.folder.string() + "-away", w.folder);
}

BOOST_AUTO_TEST_CASE(a_pair_that_was_reset_goes_on_in_its_new_attempt) {
  tiered_store_world w;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  const pair_key key{w.who, *module_id::parse("m1")};
  const auto reset = [&] {
    w.clock.advance(1);
    return w.ledger_of_record
        ->reset_progress(key, w.in_hot(),
                         {.actor = "a", .reason = "r", .now_ms = w.clock.wall_now()})
        .value()
        .value();
  };
  const pair_progress begun{key, reset()};
  BOOST_REQUIRE(w.inner->merge({&begun, 1}, merge_origin::ledger).has_value());
  auto request = w.request(1, 10'000, 20'000);
  request.in_memory = blank();
  request.in_memory->covered.add({0, 10'000});
  auto applied = w.apply_one(request);
  BOOST_CHECK(applied.outcome.status == credit_status::credited);
  BOOST_TEST(applied.outcome.now.life.attempt == 2u);
  BOOST_TEST(applied.outcome.now.covered_ms == 10'000);

  // While degraded, the ledger is asked. What was decided in an attempt that has ended meanwhile
  // is no credit, and the device sends it again.
  w.fault = store_fault::lost_request;
  BOOST_CHECK(w.apply_one(w.request(2, 20'000, 30'000)).state == applied_state::done);
  BOOST_TEST(reset().life.attempt == 3u);
  BOOST_CHECK(w.apply_one(w.request(3, 30'000, 40'000)).state == applied_state::failed);
  applied = w.apply_one(w.request(4, 30'000, 40'000));
  BOOST_CHECK(applied.outcome.status == credit_status::credited);
  BOOST_TEST(applied.outcome.now.life.attempt == 3u);
  BOOST_TEST(applied.outcome.now.covered_ms == 10'000);
  w.fault = store_fault::none;
  w.clock.advance(tiered_store::retry_interval_ms);
  w.tiers.probe();
  BOOST_TEST(w.in_hot()->life.attempt == 3u);
  BOOST_TEST(w.in_hot()->covered.covered_ms() == 10'000);
}

BOOST_AUTO_TEST_CASE(a_reset_while_the_hot_store_is_away_reaches_it_when_it_is_back) {
  for (const bool is_here : {true, false}) {
    tiered_store_world w;
    BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
    const pair_key key{w.who, *module_id::parse("m1")};
    w.clock.advance(1);
    const auto begun =
        w.ledger_of_record
            ->reset_progress(key, w.in_hot(),
                             {.actor = "a", .reason = "r", .now_ms = w.clock.wall_now()})
            .value()
            .value();
    w.fault = store_fault::lost_request;
    // By the API of this gateway, or by news of another's.
    BOOST_TEST(
        (is_here ? w.tiers.begin_attempt({key, begun}) : w.tiers.take_attempt(key)).has_value());
    BOOST_TEST(w.tiers.degraded());
    BOOST_TEST(w.in_hot()->life.attempt == 1u);
    const auto applied = w.apply_one(w.request(1, 10'000, 15'000));
    BOOST_TEST(applied.outcome.now.life.attempt == 2u);
    BOOST_TEST(applied.outcome.now.covered_ms == 5'000);
    w.fault = store_fault::none;
    w.clock.advance(tiered_store::retry_interval_ms);
    w.tiers.probe();
    BOOST_TEST(!w.tiers.degraded());
    BOOST_TEST(w.in_hot()->life.attempt == 2u);
    BOOST_TEST(w.in_hot()->covered.covered_ms() == 5'000);
  }
}

// The ledger has come back older than the device's record, or than an erasure.
BOOST_AUTO_TEST_CASE(an_epoch_that_the_ledger_has_not_heard_of_is_begun_there) {
  for (const bool is_degraded : {false, true}) {
    tiered_store_world w;
    if (is_degraded) w.fault = store_fault::lost_request;
    pair_progress old{{w.who, *module_id::parse("m1")}, blank()};
    old.state.covered.add({0, 50'000});
    BOOST_REQUIRE(w.ledger_of_record->checkpoint({&old, 1}, w.clock.wall_now()).has_value());
    w.epoch = 9;
    const auto applied = w.apply_one(w.request(0, 0, 10'000));
    BOOST_CHECK(applied.outcome.status == credit_status::credited);
    BOOST_TEST(applied.outcome.now.covered_ms == 10'000);
    if (!is_degraded) continue;
    BOOST_TEST(w.in_ledger()->life.epoch == 9u);
    BOOST_TEST(w.in_ledger()->covered.covered_ms() == 10'000);
  }
}

BOOST_AUTO_TEST_SUITE_END()
