#include "tests/storage/tiered_store_world.hpp"

/// The tiered store while the hot store is away: when it notices, how long a batch waits, and what
/// the ledger and the memory of the gateway do instead.

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

BOOST_AUTO_TEST_SUITE(tiered)

BOOST_AUTO_TEST_CASE(a_hot_store_that_goes_away_is_noticed_without_a_heartbeat) {
  tiered_store_world w;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  w.fault = store_fault::lost_request;
  w.clock.advance(tiered_store::probe_interval_ms - 1);
  w.tiers.probe();
  BOOST_TEST(!w.tiers.degraded());  // it answered a heartbeat just now
  w.clock.advance(1);
  w.tiers.probe();
  BOOST_TEST(w.tiers.degraded());
  w.fault = store_fault::none;
  w.clock.advance(tiered_store::retry_interval_ms);
  w.tiers.probe();
  BOOST_TEST(!w.tiers.degraded());
  BOOST_TEST(w.modes == (std::vector<bool>{true, false}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_wall_clock_that_is_set_back_changes_no_wait) {
  tiered_store_world w;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  w.fault = store_fault::lost_request;
  w.clock.step_wall(-3'600'000);
  w.tiers.probe();
  BOOST_TEST(!w.tiers.degraded());
  w.clock.advance(tiered_store::probe_interval_ms);
  w.tiers.probe();
  BOOST_TEST(w.tiers.degraded());
  w.fault = store_fault::none;
  w.clock.step_wall(-3'600'000);
  w.tiers.probe();
  BOOST_TEST(w.tiers.degraded());
  w.clock.advance(tiered_store::retry_interval_ms);
  w.tiers.probe();
  BOOST_TEST(!w.tiers.degraded());
}

BOOST_AUTO_TEST_CASE(nothing_counts_when_both_are_away) {
  tiered_store_world w;
  w.fault = store_fault::lost_request;
  // A ledger that cannot be opened: its folder is a file.
  auto broken = make_sqlite_ledger("/dev/null/ledger.db");
  loading_store tiers{w.hot, *broken, w.clock, no_observer()};
  const auto r = w.request(0, 0, 10'000);
  BOOST_CHECK(tiers.apply({&r, 1})[0].state == applied_state::failed);
  BOOST_CHECK(tiers.apply({&r, 1})[0].state == applied_state::failed);
}

BOOST_AUTO_TEST_CASE(no_batch_waits_for_a_hot_store_that_hangs_but_the_first) {
  tiered_store_world w;
  hanging_hot_store h(w);
  loading_store tiers(h.hot, *w.ledger_of_record, w.clock, h.observer());
  const auto play = [&](std::uint32_t i) {
    const auto r =
        w.request(i, static_cast<media_ms>(i) * 1'000, static_cast<media_ms>(i) * 1'000 + 1'000);
    return tiers.apply({&r, 1})[0].outcome.status == credit_status::credited;
  };
  BOOST_TEST(play(0));
  h.hangs = true;
  BOOST_TEST(play(1));
  BOOST_TEST(tiers.degraded());
  const auto began = w.clock.monotonic_now();
  for (std::uint32_t i = 2; i < 20; ++i) BOOST_TEST(play(i));
  w.clock.advance(60'000);
  tiers.probe();
  BOOST_TEST(w.clock.monotonic_now() == began + 60'000);
  // It has answered somebody who could wait, and hangs once more: one batch learns of it.
  h.elsewhere = 1;
  w.clock.advance(tiered_store::retry_interval_ms);
  BOOST_TEST(play(20));
  BOOST_TEST(w.clock.monotonic_now() == began + tiered_store::retry_interval_ms + 62'000);
  w.clock.advance(60'000);
  BOOST_TEST(play(21));
  BOOST_TEST(w.clock.monotonic_now() == began + tiered_store::retry_interval_ms + 122'000);
  h.hangs = false;
  BOOST_TEST(play(22));
  BOOST_TEST(tiers.degraded());
  h.elsewhere = 2;
  BOOST_TEST(play(23));
  BOOST_TEST(!tiers.degraded());
}

/// Degraded, with room for so much.
loading_store with_room(tiered_store_world& w, tiered_store::capacity most) {
  w.fault = store_fault::lost_request;
  return {w.hot, *w.ledger_of_record, w.clock, no_observer(), durability_level::memory, most};
}
/// A heartbeat of 10 s, for each sequence number the next ones.
tiered_request beat_of(tiered_store_world& w, const char* student, const char* module,
                       const char* session, std::uint32_t sequence) {
  auto r = w.request(sequence, 10'000 * sequence, 10'000 * sequence + 10'000);
  r.credit.student = *student_id::parse(student);
  r.credit.module = *module_id::parse(module);
  r.credit.session = *session_id::parse(session);
  return r;
}

BOOST_AUTO_TEST_CASE(what_is_refused_takes_nobodys_room) {
  tiered_store_world w;
  auto tiers = with_room(w, {.pairs_max = 2});
  const auto ask = [&](const char* module, std::uint32_t sequence) {
    const auto r = beat_of(w, "ann", module, "s1", sequence);
    return tiers.apply({&r, 1})[0];
  };
  BOOST_CHECK(ask("m1", 0).outcome.status == credit_status::credited);
  for (const auto* module : {"m2", "m3", "m4"})
    BOOST_CHECK(ask(module, 1).outcome.why == problem::session_mismatch);
}

BOOST_AUTO_TEST_CASE(at_its_limits_degraded_mode_goes_on_with_those_that_it_has) {
  tiered_store_world w;
  auto tiers = with_room(w, {.pairs_max = 2, .sessions_max = 3});
  const auto ask = [&](const char* student, const char* session, std::uint32_t sequence) {
    return beat_of(w, student, "m1", session, sequence);
  };
  const auto how = [&](const std::vector<tiered_request>& asked) {
    std::string seen;
    for (const auto& each : tiers.apply(asked))
      seen += each.state != applied_state::done                ? 'f'
              : each.outcome.status == credit_status::credited ? 'c'
                                                               : '?';
    return seen;
  };
  for (const auto* name : {"bob", "cyd"}) w.enrol(*student_id::parse(name));
  BOOST_TEST(how({ask("ann", "s1", 0), ask("bob", "t1", 0)}) == "cc");
  // A third pair has no room; the two in the same batch have.
  BOOST_TEST(how({ask("ann", "s1", 1), ask("cyd", "u1", 0), ask("bob", "t1", 1)}) == "cfc");
  // Ann's next session is the third, Bob's the fourth.
  BOOST_TEST(how({ask("ann", "s2", 2), ask("bob", "t2", 2), ask("bob", "t1", 3)}) == "cfc");
  BOOST_TEST(how({ask("ann", "s2", 3), ask("ann", "s1", 4), ask("cyd", "u1", 0)}) == "ccf");
  w.fault = store_fault::none;
  w.clock.advance(tiered_store::retry_interval_ms);
  BOOST_TEST(how({ask("cyd", "u1", 0), ask("bob", "t2", 2)}) == "cc");
}

BOOST_AUTO_TEST_CASE(pairs_whose_sessions_have_no_room_take_nobodys_room) {
  tiered_store_world w;
  auto tiers = with_room(w, {.pairs_max = 2, .sessions_max = 1});
  const auto ask = [&](const char* module, const char* session, std::uint32_t sequence) {
    const auto r = beat_of(w, "ann", module, session, sequence);
    return tiers.apply({&r, 1})[0];
  };
  BOOST_CHECK(ask("m1", "s1", 0).outcome.status == credit_status::credited);
  BOOST_CHECK(ask("m2", "s2", 0).state == applied_state::failed);  // a second session
  // A second pair has room still, and so the heartbeat gets the reason why it does not count.
  BOOST_CHECK(ask("m3", "s1", 1).outcome.why == problem::session_mismatch);
  BOOST_CHECK(ask("m1", "s1", 2).outcome.status == credit_status::credited);
}

/// Of a student, in a module whose max_rate is 1: how much of five minutes counts.
media_ms budget_of(tiered_store_world& w, const char* module, std::optional<progress> in_memory) {
  auto r = w.request(900, 1'000'000, 1'300'000);
  r.credit.module = *module_id::parse(module);
  r.credit.session = *session_id::parse("budget");
  r.credit.max_rate_permille = 1000;
  r.in_memory = std::move(in_memory);
  const auto applied = w.apply_one(r);
  BOOST_TEST(int(applied.outcome.status) == int(credit_status::limited));
  BOOST_TEST(applied.outcome.now.resume_ms ==
             (applied.outcome.played.empty() ? 0 : applied.outcome.played.to_ms));
  return applied.outcome.credited_ms;
}

BOOST_AUTO_TEST_CASE(a_degraded_budget_is_what_was_earned_since_the_last_credit) {
  const auto budget_after = [](std::int64_t pause_ms, const char* module) {
    tiered_store_world w;
    pair_progress known{{w.who, *module_id::parse("m1")}, blank()};
    known.state.covered.add({0, 10'000});
    known.state.playtime_ms = 10'000;
    known.state.updated_ms = w.clock.wall_now();
    BOOST_REQUIRE(w.ledger_of_record->checkpoint({&known, 1}, w.clock.wall_now()).has_value());
    w.fault = store_fault::lost_request;
    w.clock.advance(pause_ms);
    return budget_of(w, module, std::nullopt);
  };
  for (const auto* module : {"m1", "m2"}) {  // the student's last credit in any module
    BOOST_TEST(budget_after(0, module) == 0);
    BOOST_TEST(budget_after(10'000, module) == 11'000);
    BOOST_TEST(budget_after(54'000, module) == 59'400);
    BOOST_TEST(budget_after(3'600'000, module) == 60'000);
  }
}

BOOST_AUTO_TEST_CASE(only_a_new_student_starts_degraded_with_a_full_budget) {
  tiered_store_world w;
  w.fault = store_fault::lost_request;
  BOOST_TEST(budget_of(w, "m1", std::nullopt) == 60'000);
  // It is used up now, and fills by the clock.
  w.clock.advance(10'000);
  auto next = w.request(901, 2'000'000, 2'300'000);
  next.credit.session = *session_id::parse("budget");
  next.credit.max_rate_permille = 1000;
  BOOST_TEST(w.apply_one(next).outcome.credited_ms == 11'000);
}

// The ledger is up to a checkpoint behind: what this gateway has in memory is newer.
BOOST_AUTO_TEST_CASE(a_degraded_budget_knows_what_is_in_memory) {
  tiered_store_world w;
  auto known = blank();
  known.covered.add({0, 10'000});
  known.playtime_ms = 10'000;
  known.updated_ms = w.clock.wall_now();
  w.fault = store_fault::lost_request;
  w.clock.advance(20'000);
  BOOST_TEST(budget_of(w, "m1", known) == 22'000);
}

BOOST_AUTO_TEST_CASE(a_degraded_budget_that_earned_nothing_yet_goes_on_from_the_last_credit) {
  tiered_store_world w;
  auto known = blank();
  known.covered.add({0, 10'000});
  known.playtime_ms = 10'000;
  known.updated_ms = w.clock.wall_now();
  w.fault = store_fault::lost_request;
  BOOST_TEST(budget_of(w, "m1", known) == 0);
  w.clock.advance(10'000);
  BOOST_TEST(budget_of(w, "m1", known) == 11'000);
}

BOOST_AUTO_TEST_CASE(a_degraded_budget_waits_for_no_clock_that_was_set_back) {
  tiered_store_world w;
  auto known = blank();
  known.covered.add({0, 10'000});
  known.playtime_ms = 10'000;
  known.updated_ms = w.clock.wall_now();
  w.fault = store_fault::lost_request;
  w.clock.step_wall(-3'600'000);
  BOOST_TEST(budget_of(w, "m1", known) == 60'000);
}

BOOST_AUTO_TEST_CASE(what_a_degraded_budget_cuts_off_moves_no_position) {
  tiered_store_world w;
  w.fault = store_fault::lost_request;
  auto r = w.request(0, 10'000, 90'000);
  r.credit.max_rate_permille = 1000;
  const auto applied = w.apply_one(r);
  BOOST_TEST(applied.outcome.credited_ms == 60'000);
  BOOST_TEST(applied.outcome.now.resume_ms == 70'000);
  BOOST_TEST(w.in_ledger()->resume_ms == 70'000);
  w.fault = store_fault::none;
  w.clock.advance(tiered_store::retry_interval_ms);
  w.tiers.probe();
  BOOST_TEST(w.in_hot()->resume_ms == 70'000);
}

BOOST_AUTO_TEST_CASE(sessions_that_earn_nothing_take_nobodys_room) {
  tiered_store_world w;
  w.fault = store_fault::lost_request;
  loading_store tiers{w.hot,         *w.ledger_of_record,      w.clock,
                      no_observer(), durability_level::memory, {.sessions_max = 2}};
  const auto ask = [&](const char* session, std::int32_t max_rate_permille) {
    auto r = w.request(0, 0, 10'000);
    r.credit.session = *session_id::parse(session);
    r.credit.max_rate_permille = max_rate_permille;
    return r;
  };
  const auto is_done = [](const applied_credit& applied) {
    return applied.state == applied_state::done;
  };
  BOOST_TEST(is_done(tiers.apply(std::vector{ask("s0", 2000)})[0]));
  for (const auto* session : {"s1", "s2", "s3", "s4"}) {
    const auto applied = tiers.apply(std::vector{ask(session, 0)});
    BOOST_TEST(is_done(applied[0]));
    BOOST_CHECK(applied[0].outcome.status == credit_status::limited);
  }
  // In one batch too, and then the room is used up.
  const std::vector batch{ask("s5", 0), ask("s6", 0), ask("s7", 2000), ask("s8", 2000)};
  const auto applied = tiers.apply(batch);
  BOOST_TEST(is_done(applied[2]));
  BOOST_CHECK(applied[2].outcome.status == credit_status::credited);
  BOOST_TEST(!is_done(applied[3]));
}

BOOST_AUTO_TEST_CASE(degraded_mastery_makes_one_completion) {
  tiered_store_world w;
  w.fault = store_fault::refused;
  for (std::uint32_t i = 0; i < 10; ++i) {
    const auto from_ms = static_cast<media_ms>(i) * 10'000;
    BOOST_CHECK(w.apply_one(w.request(i, from_ms, from_ms + 10'000)).state == applied_state::done);
    w.clock.advance(10'000);
  }
  BOOST_TEST(w.ledger_of_record->completions(0, 10)->size() == 1u);
}

// An operator turns the log of a Redis off, or a replica without one is promoted.
BOOST_AUTO_TEST_CASE(a_hot_store_that_acknowledges_too_little_counts_as_away) {
  struct weakened_store final : faulty_store {
    explicit weakened_store(hot_store& inner)
        : faulty_store(inner, [](std::string_view) { return store_fault::none; }) {}
    stored<hot_store_health> health() override {
      return hot_store_health{offered, "weakened", "incarnation"};
    }
    durability_level offered = durability_level::log;
  };
  tiered_store_world w;
  weakened_store hot(*w.inner);
  auto seen = durability_level::log;  // by the watcher
  std::vector<std::string> reasons;
  auto observer = no_observer();
  observer.hot_durability = [&] { return seen; };
  observer.mode_changed = [&](bool degraded, const std::string& why) {
    if (degraded) reasons.push_back(why);
  };
  loading_store tiers{hot, *w.ledger_of_record, w.clock, observer, durability_level::log};
  const auto apply = [&](const tiered_request& request) {
    BOOST_TEST(int(tiers.apply({&request, 1}).at(0).outcome.status) ==
               int(credit_status::credited));
  };
  apply(w.request(0, 0, 1'000));
  BOOST_TEST(!tiers.degraded());

  hot.offered = seen = durability_level::memory;
  auto next = w.request(1, 1'000, 2'000);
  next.in_memory.emplace(blank()).covered.add({0, 1'000});
  apply(next);
  BOOST_TEST(tiers.degraded());
  BOOST_TEST(w.in_ledger()->covered.covered_ms() == 2'000);  // what was only in the hot store, too
  BOOST_TEST(w.in_hot()->covered.covered_ms() == 1'000);
  BOOST_TEST(reasons.at(0).find("store.require_durability") != std::string::npos);
  // It does not come back while either the watcher or the store itself says so.
  for (const auto& [offered, seen_last] :
       {std::pair{durability_level::log, durability_level::memory},
        {durability_level::memory, durability_level::log}}) {
    hot.offered = offered;
    seen = seen_last;
    w.clock.advance(tiered_store::retry_interval_max_ms);
    tiers.probe();
    BOOST_TEST(tiers.degraded());
  }
  hot.offered = seen = durability_level::log;
  w.clock.advance(tiered_store::retry_interval_max_ms);
  tiers.probe();
  BOOST_TEST(!tiers.degraded());
  BOOST_TEST(w.in_hot()->covered.covered_ms() == 2'000);

  // Without traffic as well, and without a watcher.
  hot.offered = durability_level::memory;
  w.clock.advance(tiered_store::probe_interval_ms);
  tiers.probe();
  BOOST_TEST(tiers.degraded());
}

// Away at the start, it was not looked at: it has to show what it offers before it is used.
BOOST_AUTO_TEST_CASE(a_hot_store_that_comes_later_must_be_durable_as_well) {
  tiered_store_world w;  // its memory offers less than a log
  loading_store tiers{w.hot, *w.ledger_of_record, w.clock, no_observer(), durability_level::log};
  tiers.start_degraded("away");
  for (int i = 0; i < 3; ++i) {
    w.clock.advance(tiered_store::retry_interval_max_ms);
    tiers.probe();
    BOOST_TEST(tiers.degraded());
  }
}

BOOST_AUTO_TEST_SUITE_END()
