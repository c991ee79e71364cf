// When pairs leave every store, and what they leave behind.
#include <boost/test/unit_test.hpp>

#include "storage/limits.hpp"
#include "tests/storage/each_hot_store.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

BOOST_AUTO_TEST_SUITE(hot_retention)

BOOST_AUTO_TEST_CASE(a_pair_leaves_when_it_is_clean_and_idle_for_long_enough) {
  on_each([](hot_store& store) {
    const auto pair = pair_of("ada", "m1");
    create(store, {pair});
    apply_one(store, heartbeat(pair, 0, 0, 1000));
    const auto idle_after = [&](std::int64_t after_ms) {
      return read_all_idle(store, some_time_ms + after_ms, 5'000);
    };
    BOOST_TEST(idle_after(1'000'000).empty());  // dirty
    clean_all(store);
    BOOST_TEST(idle_after(4'999).empty());
    auto idle = idle_after(5'000);
    BOOST_REQUIRE_EQUAL(idle.size(), 1u);
    BOOST_TEST(text_of(idle[0].state) == text_of(*must(store.read(std::span(&pair, 1))).at(0)));

    // A heartbeat in between wins, and so does a mark.
    const auto later_ms = some_time_ms + 6'000;
    apply_one(store, heartbeat(pair, 1, 1000, 2000, later_ms));
    BOOST_TEST(must(store.retire(idle, later_ms)) == 0u);
    clean_all(store);
    BOOST_TEST(must(store.retire(idle, later_ms)) == 0u);  // clean again, but another version
    idle = read_all_idle(store, later_ms + 5'000, 5'000);
    BOOST_REQUIRE_EQUAL(idle.size(), 1u);
    std::string cursor;
    do cursor = must(store.mark_all_dirty(cursor));
    while (!cursor.empty());
    BOOST_TEST(must(store.retire(idle, later_ms + 5'000)) == 0u);
    BOOST_TEST(must(store.dirty_count()) == 1u);
    clean_all(store);
    BOOST_TEST(must(store.retire(idle, later_ms + 5'000)) == 1u);
    BOOST_TEST(must(store.retire(idle, later_ms + 5'000)) == 0u);
    BOOST_TEST(!must(store.read(std::span(&pair, 1))).at(0).has_value());
    BOOST_TEST(must(store.modules_of(pair.student)).empty());
    BOOST_TEST(must(store.retire({}, later_ms)) == 0u);
  });
}

BOOST_AUTO_TEST_CASE(what_a_retired_pair_leaves_behind) {
  on_each([](hot_store& store) {
    const auto pair = pair_of("ada", "m1");
    const auto other = pair_of("ada", "m2");
    create(store, {pair, other});
    // Six sessions: two have no room in the pair's value. Together they use up the budget of 60 s.
    for (int session = 0; session < 6; ++session) {
      auto request = heartbeat(pair, 0, session * 20'000, (session + 1) * 20'000);
      request.credit.session = id_of<session_id>(fmt::format("s{}", session));
      BOOST_TEST(int(apply_one(store, request).outcome.status) == int(credit_status::credited));
    }
    clean_all(store);
    const auto left = *must(store.read(std::span(&pair, 1))).at(0);
    const auto now_ms = some_time_ms + 10;
    const auto idle = read_all_idle(store, now_ms, 10);
    BOOST_TEST(idle.size() == 2u);
    BOOST_TEST(must(store.retire(idle, now_ms)) == 2u);
    BOOST_TEST(must(store.find_student(pair.student, some_time_ms)).epoch == 1u);
    BOOST_TEST(must(store.find_student(pair.student, some_time_ms)).is_living);

    auto replayed = heartbeat(pair, 0, 0, 20'000, now_ms);
    replayed.credit.session = id_of<session_id>("s0");
    BOOST_TEST(int(apply_one(store, replayed).state) == int(applied_state::pair_missing));
    const pair_progress row{pair, left};
    const auto back = store.merge_and_apply({&row, 1}, merge_origin::ledger, {&replayed, 1});
    BOOST_TEST(int(must(back.applied).at(0).outcome.status) == int(credit_status::duplicate));
    BOOST_TEST(must(store.dirty_count()) == 0u);
    create(store, {other});
    for (int session = 0; session < 6; ++session) {
      replayed.credit.session = id_of<session_id>(fmt::format("s{}", session));
      replayed.credit.interval = {session * 20'000, (session + 1) * 20'000};
      BOOST_TEST(int(apply_one(store, replayed).outcome.status) == int(credit_status::duplicate));
      auto elsewhere = replayed;
      elsewhere.credit.module = other.module;
      BOOST_TEST(int(apply_one(store, elsewhere).outcome.why) == int(problem::session_mismatch));
    }
    // 10 ms have filled 22 ms of media at a rate of 2.
    const auto next = apply_one(store, heartbeat(pair, 0, 200'000, 210'000, now_ms));
    BOOST_TEST(int(next.outcome.status) == int(credit_status::limited));
    BOOST_TEST(next.outcome.credited_ms == 22);
    auto ended = heartbeat(pair, 1, 300'000, 310'000, now_ms);
    ended.credit.epoch = 0;
    BOOST_TEST(int(apply_one(store, ended).outcome.why) == int(problem::unknown_device));
  });
}

BOOST_AUTO_TEST_CASE(a_retired_pair_is_erased_and_reset_as_one_that_is_there) {
  on_each([](hot_store& store) {
    const auto pair = pair_of("ada", "m1");
    const auto retire_it = [&] {
      clean_all(store);
      BOOST_TEST(retire_all(store, some_time_ms + 1'000, 1'000) == 1u);
    };
    create(store, {pair});
    apply_one(store, heartbeat(pair, 0, 0, 1000));
    retire_it();
    // The next attempt comes to a store that has nothing of the one before.
    pair_progress begun{pair, blank()};
    begun.state.life.attempt = 2;
    begun.state.begins_ms = begun.state.updated_ms = some_time_ms;
    must(store.merge(std::span(&begun, 1), merge_origin::ledger));
    const auto anew = apply_one(store, heartbeat(pair, 1, 0, 1000));
    BOOST_TEST(int(anew.outcome.status) == int(credit_status::credited));
    BOOST_TEST(anew.outcome.now.life.attempt == 2u);
    BOOST_TEST(int(apply_one(store, heartbeat(pair, 0, 2000, 3000)).outcome.why) ==
               int(problem::sequence_reused));
    retire_it();
    must(store.end_epochs_below(pair.student, 2, some_time_ms));
    BOOST_TEST(must(store.find_student(pair.student, some_time_ms)).epoch == 2u);
    BOOST_TEST(int(apply_one(store, heartbeat(pair, 2, 2000, 3000)).outcome.why) ==
               int(problem::unknown_device));
    create(store, {pair});  // of the first epoch
    BOOST_TEST(!must(store.read(std::span(&pair, 1))).at(0).has_value());
  });
}

BOOST_AUTO_TEST_CASE(a_walk_meets_every_idle_pair_in_bounded_steps) {
  on_each([](hot_store& store) {
    constexpr std::size_t count = 2 * storage_limits::retire_pairs_max + 10;
    std::vector<pair_key> keys;
    for (std::size_t i = 0; i < count; ++i)
      keys.push_back(pair_of(fmt::format("student-{}", i), "m1"));
    create(store, keys);
    auto played = heartbeat(keys[7], 0, 0, 1000);
    apply_one(store, played);
    clean_all(store);
    const auto idle = read_all_idle(store, some_time_ms, 1);
    BOOST_TEST(idle.size() == count - 1);
    BOOST_TEST(must(store.retire(idle, some_time_ms)) == count - 1);
    BOOST_TEST(read_all_idle(store, some_time_ms, 0).size() == 1u);
    BOOST_TEST(must(store.read(std::span(&keys[7], 1))).at(0)->playtime_ms == 1000);
  });
}

BOOST_AUTO_TEST_SUITE_END()
