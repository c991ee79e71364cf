// What every store does at its limits, and after the times that end things.
#include <boost/test/unit_test.hpp>

#include "storage/limits.hpp"
#include "storage/memory/faulty_store.hpp"
#include "tests/storage/each_hot_store.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

namespace {

coverage every_other(std::size_t pieces, media_ms first) {
  coverage covered;
  for (std::size_t i = 0; i < pieces; ++i) {
    const auto from = first + static_cast<media_ms>(i) * 1000;
    covered.add({from, from + 100});
  }
  return covered;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hot_limits)

BOOST_AUTO_TEST_CASE(a_coverage_at_the_limit_of_pieces) {
  on_each([](hot_store& store) {
    const auto pair = pair_of("ada", "m1");
    pair_progress found{pair, blank()};
    found.state.covered = every_other(limits::coverage_intervals_max, 0);
    must(store.merge(std::span(&found, 1), merge_origin::ledger));

    // A new place: the shorter piece gives way.
    auto shorter = heartbeat(pair, 0, 2'000'000, 2'000'099);
    shorter.credit.duration_ms = 3'000'000;
    BOOST_TEST(int(apply_one(store, shorter).outcome.why) == int(problem::implausible_interval));
    auto longer = heartbeat(pair, 0, 2'000'000, 2'010'000);
    longer.credit.duration_ms = 3'000'000;
    longer.want_coverage = true;
    const auto moved = apply_one(store, longer);
    BOOST_TEST(int(moved.outcome.status) == int(credit_status::credited));
    BOOST_TEST(moved.covered->pieces().size() == limits::coverage_intervals_max);
    BOOST_TEST(moved.covered->covered_ms() == found.state.covered.covered_ms() - 100 + 10'000);
    // It joins two: one piece less.
    auto joining = heartbeat(pair, 1, 5000, 6000);
    joining.want_coverage = true;
    const auto applied = apply_one(store, joining);
    BOOST_TEST(int(applied.outcome.status) == int(credit_status::credited));
    BOOST_TEST(applied.covered->pieces().size() == limits::coverage_intervals_max - 1);

    // What two gateways have credited, united, is cut to the limit, and can be read again.
    pair_progress other{pair, blank()};
    other.state.covered = every_other(limits::coverage_intervals_max, 50'000'000);
    const pair_progress innocent{pair_of("bob", "m1"), blank()};
    const std::vector<pair_progress> both{other, innocent};
    must(store.merge(both, merge_origin::ledger_and_memory));
    const std::vector<pair_key> keys{pair, innocent.key};
    const auto read = must(store.read(keys));
    auto expected = *applied.covered;
    expected.unite(other.state.covered);
    expected.trim();
    BOOST_TEST(expected.pieces().size() == limits::coverage_intervals_max);
    BOOST_TEST(read[0]->covered == expected);
    BOOST_TEST(read[1].has_value());

    pair_progress absent{pair_of("cyd", "m1"), blank()};
    absent.state.covered = every_other(limits::coverage_intervals_max + 1, 0);
    must(store.merge(std::span(&absent, 1), merge_origin::ledger_and_memory));
    BOOST_TEST(must(store.read(std::span(&absent.key, 1))).at(0)->covered.pieces().size() ==
               limits::coverage_intervals_max);
  });
}

// Time that went back is not waited for. What is in use stays, however far ahead the clock was.
BOOST_AUTO_TEST_CASE(a_clock_that_ran_ahead_and_was_set_right_forgets_nothing) {
  on_each([](hot_store& store) {
    const auto pair = pair_of("ada", "m1");
    create(store, {pair});
    constexpr std::int64_t ahead_ms = 3 * storage_limits::student_ttl_ms;
    apply_one(store, heartbeat(pair, 0, 0, 1000));
    apply_one(store, heartbeat(pair, 1, 1000, 2000, some_time_ms + ahead_ms));
    // From now on the time is right again. Other students bring the sweeps about.
    auto now_ms = some_time_ms + 10'000;
    BOOST_TEST(int(apply_one(store, heartbeat(pair, 2, 2000, 3000, now_ms)).outcome.status) ==
               int(credit_status::credited));
    std::vector<pair_key> others;
    for (int i = 0; i < 64; ++i) others.push_back(pair_of(fmt::format("student-{}", i), "m1"));
    create(store, others);
    for (std::uint32_t sequence = 0; sequence < 8; ++sequence)
      for (std::size_t i = 0; i < others.size(); ++i) {
        auto request = heartbeat(others[i], sequence, 0, 1000, now_ms);
        request.credit.session = id_of<session_id>(fmt::format("s{}", i));
        apply_one(store, request);
      }
    const auto level_us = [&] {
      auto greedy = heartbeat(pair, 3, 3000, 500'000, now_ms);
      greedy.credit.max_rate_permille = 1000;
      return apply_one(store, greedy).outcome.credited_ms;
    };
    BOOST_TEST(int(apply_one(store, heartbeat(pair, 2, 2000, 3000, now_ms)).outcome.status) ==
               int(credit_status::duplicate));
    // 60 s at first, of which the two heartbeats cost half a second each.
    BOOST_TEST(level_us() == 59'000);
    // And nothing is waited for: the budget fills again at once.
    now_ms += 10'000;
    auto next = heartbeat(pair, 4, 520'000, 531'000, now_ms);
    next.credit.max_rate_permille = 1000;
    BOOST_TEST(int(apply_one(store, next).outcome.status) == int(credit_status::credited));
  });
}

BOOST_AUTO_TEST_CASE(an_ended_epoch_is_refused_whatever_is_asked) {
  on_each([](hot_store& store) {
    const auto pair = pair_of("ada", "m1");
    create(store, {pair});
    apply_one(store, heartbeat(pair, 0, 0, 1000));
    BOOST_TEST(must(store.find_student(pair.student, some_time_ms)).epoch == 1u);
    must(store.end_epochs_below(pair.student, 2, some_time_ms));
    BOOST_TEST(must(store.find_student(pair.student, some_time_ms)).epoch == 2u);
    const auto late = apply_one(store, heartbeat(pair, 1, 1000, 2000));
    BOOST_TEST(int(late.state) == int(applied_state::done));
    BOOST_TEST(int(late.outcome.why) == int(problem::unknown_device));
    create(store, {pair});
    BOOST_TEST(!must(store.read(std::span(&pair, 1))).at(0).has_value());
    BOOST_TEST(must(store.modules_of(pair.student)).empty());
    BOOST_TEST(must(store.dirty_count()) == 0u);

    const auto in_epoch = [&](std::uint32_t epoch, std::uint32_t sequence, media_ms from_ms) {
      auto request = heartbeat(pair, sequence, from_ms, from_ms + 1000);
      request.credit.epoch = epoch;
      return apply_one(store, request);
    };
    const pair_progress anew{pair, blank_progress({.epoch = 2, .begins_ms = never})};
    BOOST_TEST(int(in_epoch(2, 1, 1000).state) == int(applied_state::pair_missing));
    must(store.merge(std::span(&anew, 1), merge_origin::ledger));
    // A number from before the erasure stays used up.
    BOOST_TEST(int(in_epoch(2, 0, 0).outcome.why) == int(problem::sequence_reused));
    BOOST_TEST(int(in_epoch(2, 1, 1000).outcome.status) == int(credit_status::credited));
    BOOST_TEST(int(in_epoch(1, 2, 2000).outcome.why) == int(problem::unknown_device));
    // What is living is not ended by an erasure from before.
    must(store.end_epochs_below(pair.student, 2, some_time_ms));
    BOOST_TEST(must(store.read(std::span(&pair, 1))).at(0)->covered.covered_ms() == 1000);
  });
}

BOOST_AUTO_TEST_CASE(a_higher_epoch_begins_with_a_full_bucket_and_finds_the_pair_missing) {
  on_each([](hot_store& store) {
    const auto pair = pair_of("ada", "m1");
    create(store, {pair});
    auto greedy = heartbeat(pair, 0, 0, 300'000);
    greedy.credit.duration_ms = 600'000;
    BOOST_TEST(int(apply_one(store, greedy).outcome.status) == int(credit_status::limited));
    // The store has not heard of the erasure, only of the enrolment after it.
    auto request = heartbeat(pair, 1, 0, 10'000);
    request.credit.epoch = 5;
    BOOST_TEST(int(apply_one(store, request).state) == int(applied_state::pair_missing));
    auto anew = blank_progress({.epoch = 5, .begins_ms = some_time_ms});
    const pair_progress begun{pair, anew};
    must(store.merge(std::span(&begun, 1), merge_origin::ledger));
    request.want_coverage = true;
    const auto applied = apply_one(store, request);
    BOOST_TEST(int(applied.outcome.status) == int(credit_status::credited));
    BOOST_TEST(applied.outcome.now.life.epoch == 5u);
    BOOST_TEST(applied.covered->covered_ms() == 10'000);
    BOOST_TEST(must(store.find_student(pair.student, some_time_ms)).epoch == 5u);
    // What was played before it began is not of this life.
    request.credit.sequence = 2;
    request.credit.interval = {20'000, 30'000};
    request.credit.played_at_ms = some_time_ms - 1;
    const auto early = apply_one(store, request);
    BOOST_TEST(int(early.outcome.why) == int(problem::stale_token));
    BOOST_TEST(int(early.outcome.stale) == int(stale_cause::life));
    // A copy of the ended life changes nothing.
    pair_progress old{pair, blank()};
    old.state.covered.add({0, 500'000});
    must(store.merge(std::span(&old, 1), merge_origin::memory));
    BOOST_TEST(must(store.read(std::span(&pair, 1))).at(0)->covered.covered_ms() == 10'000);
  });
}

BOOST_AUTO_TEST_CASE(a_pair_that_was_not_compared_with_the_ledger_is_not_credited) {
  on_each([](hot_store& store) {
    const auto pair = pair_of("ada", "m1");
    pair_progress known{pair, blank()};
    known.state.covered.add({0, 1000});
    must(store.merge(std::span(&known, 1), merge_origin::memory));
    BOOST_TEST(int(apply_one(store, heartbeat(pair, 0, 1000, 2000)).state) ==
               int(applied_state::not_compared));
    BOOST_TEST(must(store.dirty_count()) == 1u);
    // A reset that the ledger knows of: the higher attempt wins as a whole.
    known.state = blank();
    known.state.life.attempt = 2;
    must(store.merge(std::span(&known, 1), merge_origin::ledger));
    const auto applied = apply_one(store, heartbeat(pair, 0, 1000, 2000));
    BOOST_TEST(applied.outcome.now.covered_ms == 1000);
    BOOST_TEST(applied.outcome.now.life.attempt == 2u);
    must(store.merge(std::span(&known, 1), merge_origin::memory));  // once compared is enough
    BOOST_TEST(int(apply_one(store, heartbeat(pair, 1, 2000, 3000)).state) ==
               int(applied_state::done));
  });
}

BOOST_AUTO_TEST_CASE(more_sessions_of_a_pair_than_its_value_has_room_for) {
  on_each([](hot_store& store) {
    const auto pair = pair_of("ada", "m1");
    const auto other = pair_of("ada", "m2");
    create(store, {pair, other});
    const auto of_session = [&](int session, std::uint32_t sequence) {
      auto request = heartbeat(pair, sequence, 0, 100);
      request.credit.session = id_of<session_id>(fmt::format("s{}", session));
      return request;
    };
    for (std::uint32_t sequence = 0; sequence < 5; sequence += 2)
      for (int session = 0; session < 7; ++session)
        BOOST_TEST(int(apply_one(store, of_session(session, sequence)).outcome.status) ==
                   int(credit_status::credited));
    for (int session = 0; session < 7; ++session)
      for (std::uint32_t sequence = 0; sequence < 6; ++sequence)
        BOOST_TEST(int(apply_one(store, of_session(session, sequence)).outcome.status) ==
                   int(sequence % 2 ? credit_status::credited : credit_status::duplicate));
    for (int session = 0; session < 7; ++session) {
      auto elsewhere = of_session(session, 6);
      elsewhere.credit.module = other.module;
      BOOST_TEST(int(apply_one(store, elsewhere).outcome.why) == int(problem::session_mismatch));
    }
    // The same number of all, in one batch, and again.
    std::vector<hot_request> batch;
    for (int i = 0; i < 14; ++i) batch.push_back(of_session(i % 7, 7));
    const auto applied = must(store.apply(batch));
    for (std::size_t i = 0; i < applied.size(); ++i)
      BOOST_TEST(int(applied[i].outcome.status) ==
                 int(i < 7 ? credit_status::credited : credit_status::duplicate));
  });
}

BOOST_AUTO_TEST_CASE(a_session_is_bound_within_a_batch) {
  on_each([](hot_store& store) {
    const auto pair = pair_of("ada", "m1");
    const auto other = pair_of("ada", "m2");
    create(store, {pair, other});
    const std::vector<hot_request> batch{heartbeat(pair, 0, 0, 100), heartbeat(other, 1, 0, 100),
                                         heartbeat(pair, 1, 0, 100), heartbeat(pair, 0, 0, 100)};
    const auto applied = must(store.apply(batch));
    BOOST_TEST(int(applied[0].outcome.status) == int(credit_status::credited));
    BOOST_TEST(int(applied[1].outcome.why) == int(problem::session_mismatch));
    BOOST_TEST(int(applied[2].outcome.status) == int(credit_status::credited));
    BOOST_TEST(int(applied[3].outcome.status) == int(credit_status::duplicate));
    // What is rejected binds nothing, another device's session of the same name is another one.
    auto second = heartbeat(other, 1, 0, 100);
    second.credit.device = kid_of(2);
    BOOST_TEST(int(apply_one(store, second).outcome.status) == int(credit_status::credited));
  });
}

BOOST_AUTO_TEST_CASE(sessions_and_buckets_end_by_the_clock_of_the_requests) {
  on_each([](hot_store& store) {
    const auto pair = pair_of("ada", "m1");
    const auto other = pair_of("ada", "m2");
    create(store, {pair, other});
    const auto status_of = [&](const pair_key& key, std::uint32_t sequence, std::int64_t after_ms) {
      return int(apply_one(store, heartbeat(key, sequence, 0, 100, some_time_ms + after_ms))
                     .outcome.status);
    };
    BOOST_TEST(status_of(pair, 5, 0) == int(credit_status::credited));
    // In use, it lives on; an hour after the last use it is forgotten.
    std::int64_t after_ms = 0;
    for (std::uint32_t sequence = 6; sequence < 26; ++sequence) {
      after_ms += 10 * 60'000;
      BOOST_TEST(status_of(pair, sequence, after_ms) == int(credit_status::credited));
    }
    BOOST_TEST(status_of(pair, 20, after_ms + 50 * 60'000) == int(credit_status::duplicate));
    BOOST_TEST(status_of(other, 0, after_ms + 50 * 60'000) == int(credit_status::rejected));
    after_ms += storage_limits::session_ttl_ms;
    BOOST_TEST(status_of(other, 0, after_ms) == int(credit_status::credited));
    BOOST_TEST(status_of(pair, 30, after_ms) == int(credit_status::rejected));
    after_ms += storage_limits::session_ttl_ms;
    BOOST_TEST(status_of(pair, 20, after_ms) == int(credit_status::credited));

    // A bucket that rested for less than a day is full, then it begins anew.
    after_ms += storage_limits::student_ttl_ms - 1;
    auto longest = heartbeat(pair, 40, 0, 310'000, some_time_ms + after_ms);
    BOOST_TEST(apply_one(store, longest).outcome.credited_ms == 2 * 150'000);
    after_ms += storage_limits::student_ttl_ms;
    longest = heartbeat(pair, 41, 0, 310'000, some_time_ms + after_ms);
    BOOST_TEST(apply_one(store, longest).outcome.credited_ms == 2 * 60'000);
  });
}

BOOST_AUTO_TEST_CASE(a_pair_that_came_back_is_not_taken_for_the_old_one) {
  on_each([](hot_store& store) {
    const auto pair = pair_of("ada", "m1");
    create(store, {pair});
    apply_one(store, heartbeat(pair, 0, 0, 1000));
    const auto before = must(store.read_dirty(partition_of(pair.student), 10)).pairs;
    must(store.end_epochs_below(pair.student, 2, some_time_ms));
    const pair_progress anew{pair, blank_progress({.epoch = 2, .begins_ms = never})};
    must(store.merge(std::span(&anew, 1), merge_origin::ledger));
    auto later = heartbeat(pair, 1, 1000, 2000);
    later.credit.epoch = 2;
    apply_one(store, later);
    must(store.mark_clean(partition_of(pair.student), before));
    BOOST_TEST(must(store.dirty_count()) == 1u);
  });
}

BOOST_AUTO_TEST_CASE(the_largest_batch) {
  on_each([](hot_store& store) {
    std::vector<pair_key> keys;
    std::vector<hot_request> requests;
    for (std::size_t i = 0; i < storage_limits::batch_heartbeats_max; ++i) {
      keys.push_back(pair_of(fmt::format("student-{}", i), "m1"));
      requests.push_back(heartbeat(keys.back(), 0, 0, 10'000));
      requests.back().credit.session = id_of<session_id>(fmt::format("s{}", i));
    }
    create(store, keys);
    for (const auto& applied : must(store.apply(requests)))
      BOOST_TEST(applied.outcome.credited_ms == 10'000);
    BOOST_TEST(must(store.dirty_count()) == storage_limits::batch_heartbeats_max);
    BOOST_TEST(must(store.apply({})).empty());
    BOOST_TEST(must(store.read({})).empty());
    must(store.merge({}, merge_origin::ledger_and_memory));
  });
}

BOOST_AUTO_TEST_CASE(the_memory_store_is_bounded) {
  const auto store = make_memory_store(2);
  create(*store, {pair_of("ada", "m1"), pair_of("bob", "m1")});
  const pair_progress third{pair_of("cyd", "m1"), blank()};
  const auto merged = store->merge(std::span(&third, 1), merge_origin::ledger);
  BOOST_REQUIRE(!merged.has_value());
  BOOST_TEST(int(merged.error().code) == int(storage_error::refused));
  must(store->end_epochs_below(id_of<student_id>("bob"), 2, some_time_ms));
  must(store->merge(std::span(&third, 1), merge_origin::ledger));
}

BOOST_AUTO_TEST_CASE(faults_come_as_they_are_planned) {
  const auto inner = make_memory_store();
  const auto pair = pair_of("ada", "m1");
  create(*inner, {pair});
  std::vector<std::string> operations;
  auto script = scripted_faults({store_fault::lost_request, store_fault::lost_reply,
                                 store_fault::refused, store_fault::corrupt});
  faulty_store store(*inner, [&](std::string_view operation) {
    operations.emplace_back(operation);
    return script(operation);
  });
  const auto request = heartbeat(pair, 0, 0, 1000);
  const auto found = [&] { return must(inner->read(std::span(&pair, 1))).at(0)->playtime_ms; };
  BOOST_TEST(int(error_of_apply(store, request)) == int(storage_error::unavailable));
  BOOST_TEST(found() == 0);
  BOOST_TEST(int(error_of_apply(store, request)) == int(storage_error::unavailable));
  BOOST_TEST(found() == 1000);
  BOOST_TEST(int(error_of_apply(store, request)) == int(storage_error::refused));
  BOOST_TEST(int(error_of_apply(store, request)) == int(storage_error::corrupt));
  BOOST_TEST(int(apply_one(store, request).outcome.status) == int(credit_status::duplicate));
  BOOST_TEST(operations.size() == 5u);
  BOOST_TEST(operations.back() == "apply");

  auto one = random_faults(5, 0.5);
  auto same = random_faults(5, 0.5);
  int faults = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto fault = one("apply");
    BOOST_TEST(int(fault) == int(same("apply")));
    faults += fault != store_fault::none;
  }
  BOOST_TEST((faults > 400 && faults < 600));
}

BOOST_AUTO_TEST_SUITE_END()
