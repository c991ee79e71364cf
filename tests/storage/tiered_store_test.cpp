#include "storage/tiered_store.hpp"

#include <unistd.h>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <map>

#include "storage/memory/faulty_store.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;

namespace {

struct world {
  world() {
    BOOST_REQUIRE(ledger_of_record->migrate().has_value());
    module_record module;
    module.id = *module_id::parse("m1");
    module.title = "one";
    module.rules.duration_ms = 100'000;
    BOOST_REQUIRE(ledger_of_record->put_module(module).has_value());
  }
  ~world() { std::filesystem::remove_all(folder); }

  tiered_request request(std::uint32_t sequence, media_ms from_ms, media_ms to_ms) {
    tiered_request r;
    r.credit.student = who;
    r.credit.module = *module_id::parse("m1");
    r.credit.session = *session_id::parse("s1");
    r.credit.sequence = sequence;
    r.credit.interval = {from_ms, to_ms};
    r.credit.played_at_ms = now_ms;
    r.credit.now_ms = now_ms;
    r.credit.duration_ms = 100'000;
    r.credit.mastery_covered_ms = 95'000;
    r.credit.rate_permille = 2200;
    return r;
  }
  applied_credit apply_one(const tiered_request& r) {
    auto all = tiers.apply({&r, 1}, now_ms);
    BOOST_REQUIRE(all.size() == 1u);
    return all[0];
  }
  /// What any gateway does, past the hot store: erase(), then the ledger.
  void erase_in_ledger() {
    BOOST_REQUIRE(
        ledger_of_record->erase_student(who, "an admin", "asked for it", now_ms).has_value());
  }
  void enrol_in_ledger() {
    device_record device;
    device.student = who;
    BOOST_REQUIRE(ledger_of_record->put_device(device).value());
  }
  std::optional<progress> in_ledger() {
    const pair_key keys[] = {{who, *module_id::parse("m1")}};
    return (*ledger_of_record->read(keys))[0];
  }
  std::optional<progress> in_hot() {
    const pair_key keys[] = {{who, *module_id::parse("m1")}};
    return (*inner->read(keys))[0];
  }

  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("tiered-" + std::to_string(getpid()));
  unix_ms now_ms = 1'800'000'000'000;
  student_id who = *student_id::parse("ann");
  std::unique_ptr<hot_store> inner = make_memory_store();
  store_fault fault = store_fault::none;     // of every call, until it is changed
  store_fault of_merge = store_fault::none;  // of that one
  faulty_store hot{*inner, [this](std::string_view operation) {
                     return operation == "merge" && of_merge != store_fault::none ? of_merge
                                                                                  : fault;
                   }};
  std::unique_ptr<ledger> ledger_of_record =
      make_sqlite_ledger((folder_made() / "ledger.db").string());
  int lost = 0;
  std::vector<bool> modes;
  tiered_store tiers{
      hot,
      *ledger_of_record,
      {.mode_changed = [this](bool degraded, const std::string&) { modes.push_back(degraded); },
       .hot_failed = [](const storage_failure&) {},
       .ledger_failed = [](const storage_failure&) {},
       .data_lost = [this] { ++lost; }}};

  std::filesystem::path folder_made() {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    return folder;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(tiered)

BOOST_AUTO_TEST_CASE(a_pair_the_hot_store_lacks_comes_from_the_ledger) {
  world w;
  pair_progress earlier{{w.who, *module_id::parse("m1")}, {}};
  earlier.state.covered.add({0, 40'000});
  earlier.state.duration_ms = 100'000;
  BOOST_REQUIRE(w.ledger_of_record->checkpoint({&earlier, 1}, w.now_ms).has_value());
  const auto applied = w.apply_one(w.request(0, 40'000, 50'000));
  BOOST_CHECK(applied.state == applied_state::done);
  BOOST_TEST(applied.outcome.now.covered_ms == 50'000);
  BOOST_REQUIRE(applied.covered.has_value());
  BOOST_TEST(applied.covered->covered_ms() == 50'000);
  BOOST_TEST(w.lost == 0);
}

BOOST_AUTO_TEST_CASE(a_new_pair_that_cannot_be_read_does_not_keep_the_hot_store_away) {
  world w;
  w.of_merge = store_fault::corrupt;
  (void)w.apply_one(w.request(0, 0, 10'000));
  BOOST_TEST(!w.tiers.degraded());
  w.of_merge = store_fault::refused;
  BOOST_CHECK(w.apply_one(w.request(1, 0, 10'000)).outcome.status == credit_status::credited);
  BOOST_TEST(w.tiers.degraded());
}

BOOST_AUTO_TEST_CASE(a_pair_in_more_pieces_than_the_hot_store_takes_is_refused_and_not_failed) {
  world w;
  // Each half is within the limit; two gateways' credit, united, is not.
  for (const media_ms from_ms : {0, 40'000'000}) {
    pair_progress part{{w.who, *module_id::parse("m1")}, {}};
    for (int i = 0; i < 600; ++i)
      part.state.covered.add({from_ms + i * 1'000, from_ms + i * 1'000 + 500});
    part.state.duration_ms = 80'000'000;
    BOOST_REQUIRE(w.ledger_of_record->checkpoint({&part, 1}, w.now_ms).has_value());
  }
  const auto applied = w.apply_one(w.request(0, 30'000'000, 30'010'000));
  BOOST_CHECK(applied.state == applied_state::done);
  BOOST_CHECK(applied.outcome.status == credit_status::rejected);
  BOOST_CHECK(applied.outcome.why == problem::implausible_interval);
  BOOST_REQUIRE(applied.covered.has_value());
  BOOST_TEST(applied.covered->pieces().size() == 1200u);
  // The student's other modules are not touched by it.
  auto other = w.request(1, 0, 10'000);
  other.credit.session = *session_id::parse("s2");
  other.credit.module = *module_id::parse("m2");
  BOOST_CHECK(w.apply_one(other).outcome.status == credit_status::credited);
}

BOOST_AUTO_TEST_CASE(what_memory_knows_fills_an_emptied_hot_store) {
  world w;
  auto r = w.request(7, 20'000, 30'000);
  r.in_memory.emplace();
  r.in_memory->covered.add({0, 20'000});
  const auto applied = w.apply_one(r);
  BOOST_TEST(applied.outcome.now.covered_ms == 30'000);
  BOOST_TEST(w.lost == 1);
  BOOST_TEST(*w.inner->dirty_count() == 1u);
}

BOOST_AUTO_TEST_CASE(the_ledger_takes_over_while_the_hot_store_is_away_and_gives_back) {
  world w;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  w.fault = store_fault::lost_request;
  auto r = w.request(1, 10'000, 20'000);
  r.in_memory.emplace();
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
  w.now_ms += tiered_store::retry_interval_ms;
  applied = w.apply_one(w.request(2, 20'000, 30'000));
  BOOST_TEST(!w.tiers.degraded());
  BOOST_TEST(applied.outcome.now.covered_ms == 30'000);
  BOOST_TEST(w.in_hot()->covered.covered_ms() == 30'000);
  BOOST_CHECK((w.modes == std::vector<bool>{true, false}));
}

BOOST_AUTO_TEST_CASE(a_pair_that_cannot_be_read_fails_its_own_heartbeats_alone) {
  world w;
  w.fault = store_fault::corrupt;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::failed);
  BOOST_TEST(w.modes.empty());
  // Of several pairs it may be the store itself.
  auto other = w.request(1, 0, 10'000);
  other.credit.module = *module_id::parse("m2");
  const tiered_request both[] = {w.request(2, 0, 10'000), other};
  (void)w.tiers.apply(both, w.now_ms);
  BOOST_TEST(w.modes == std::vector<bool>{true}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_hot_store_is_back_though_it_cannot_read_one_pair) {
  world w;
  w.fault = store_fault::lost_request;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  w.fault = store_fault::none;
  w.of_merge = store_fault::corrupt;
  w.now_ms += 10'000;
  w.tiers.probe(w.now_ms);
  BOOST_TEST(w.modes == (std::vector<bool>{true, false}), boost::test_tools::per_element());
  BOOST_TEST(w.in_ledger()->covered.covered_ms() == 10'000);
}

BOOST_AUTO_TEST_CASE(what_the_hot_store_does_not_take_back_is_saved_in_the_ledger) {
  for (const auto fault : {store_fault::refused, store_fault::corrupt}) {
    world w;
    pair_progress known{{w.who, *module_id::parse("m1")}, {}};
    known.state.covered.add({0, 40'000});
    known.state.duration_ms = 100'000;
    w.of_merge = fault;
    BOOST_TEST(w.tiers.refill({&known, 1}, w.now_ms).has_value());
    BOOST_TEST(w.in_ledger()->covered.covered_ms() == 40'000);
    BOOST_TEST(!w.in_hot().has_value());
    w.of_merge = store_fault::lost_request;  // of a store that is away nothing is known
    BOOST_TEST(!w.tiers.refill({&known, 1}, w.now_ms).has_value());
  }
}

BOOST_AUTO_TEST_CASE(nothing_counts_when_both_are_away) {
  world w;
  w.fault = store_fault::lost_request;
  // A ledger that cannot be opened: its folder is a file.
  auto broken = make_sqlite_ledger("/dev/null/ledger.db");
  tiered_store tiers{w.hot,
                     *broken,
                     {.mode_changed = [](bool, const std::string&) {},
                      .hot_failed = [](const storage_failure&) {},
                      .ledger_failed = [](const storage_failure&) {},
                      .data_lost = [] {}}};
  const auto r = w.request(0, 0, 10'000);
  BOOST_CHECK(tiers.apply({&r, 1}, w.now_ms)[0].state == applied_state::failed);
  BOOST_CHECK(tiers.apply({&r, 1}, w.now_ms)[0].state == applied_state::failed);
}

BOOST_AUTO_TEST_CASE(a_hot_store_that_goes_away_is_noticed_without_a_heartbeat) {
  world w;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  w.fault = store_fault::lost_request;
  w.tiers.probe(w.now_ms + tiered_store::probe_interval_ms - 1);
  BOOST_TEST(!w.tiers.degraded());  // it answered a heartbeat just now
  w.now_ms += tiered_store::probe_interval_ms;
  w.tiers.probe(w.now_ms);
  BOOST_TEST(w.tiers.degraded());
  w.fault = store_fault::none;
  w.now_ms += tiered_store::retry_interval_ms;
  w.tiers.probe(w.now_ms);
  BOOST_TEST(!w.tiers.degraded());
  BOOST_TEST(w.modes == (std::vector<bool>{true, false}), boost::test_tools::per_element());
}

/// Stores whose calls take time when they hang; what was asked is counted.
struct hanging {
  explicit hanging(world& w) : deps(w) {}
  tiered_store::observer told() {
    return {.mode_changed = [](bool, const std::string&) {},
            .hot_failed = [](const storage_failure&) {},
            .ledger_failed = [](const storage_failure&) {},
            .data_lost = [] {},
            .heatmaps_grown = {},
            .now = [this] { return deps.now_ms; },
            .hot_successes =
                asks_elsewhere ? [this] { return elsewhere; } : std::function<std::uint64_t()>()};
  }
  store_fault of(std::string_view operation) {
    ++asked[std::string(operation)];
    if (!hangs) return store_fault::none;
    deps.now_ms += 2'000;
    return store_fault::lost_request;
  }
  world& deps;
  bool hangs = false;
  bool asks_elsewhere = true;
  std::uint64_t elsewhere = 0;
  std::map<std::string, int> asked;
  faulty_store hot{*deps.inner, [this](std::string_view operation) { return of(operation); }};
};

BOOST_AUTO_TEST_CASE(no_batch_waits_for_a_hot_store_that_hangs_but_the_first) {
  world w;
  hanging h(w);
  tiered_store tiers(h.hot, *w.ledger_of_record, h.told());
  const auto play = [&](std::uint32_t i) {
    const auto r =
        w.request(i, static_cast<media_ms>(i) * 1'000, static_cast<media_ms>(i) * 1'000 + 1'000);
    return tiers.apply({&r, 1}, w.now_ms)[0].outcome.status == credit_status::credited;
  };
  BOOST_TEST(play(0));
  h.hangs = true;
  BOOST_TEST(play(1));
  BOOST_TEST(tiers.degraded());
  const auto began_ms = w.now_ms;
  for (std::uint32_t i = 2; i < 20; ++i) BOOST_TEST(play(i));
  tiers.probe(w.now_ms + 60'000);
  BOOST_TEST(w.now_ms == began_ms);
  // It has answered somebody who could wait, and hangs once more: one batch learns of it.
  h.elsewhere = 1;
  w.now_ms += tiered_store::retry_interval_ms;
  BOOST_TEST(play(20));
  BOOST_TEST(w.now_ms == began_ms + tiered_store::retry_interval_ms + 2'000);
  w.now_ms += 60'000;
  BOOST_TEST(play(21));
  BOOST_TEST(w.now_ms == began_ms + tiered_store::retry_interval_ms + 62'000);
  h.hangs = false;
  BOOST_TEST(play(22));
  BOOST_TEST(tiers.degraded());
  h.elsewhere = 2;
  BOOST_TEST(play(23));
  BOOST_TEST(!tiers.degraded());
}

BOOST_AUTO_TEST_CASE(a_hot_store_that_greets_well_and_then_hangs_is_tried_less_and_less) {
  world w;
  hanging h(w);
  h.asks_elsewhere = false;
  tiered_store tiers(h.hot, *w.ledger_of_record, h.told());
  std::vector<std::int64_t> waits;
  std::uint32_t sequence = 0;
  for (int i = 0; i < 6; ++i) {
    h.hangs = true;
    const auto r = w.request(sequence, 0, 1'000);
    ++sequence;
    BOOST_CHECK(tiers.apply({&r, 1}, w.now_ms)[0].state == applied_state::done);
    BOOST_REQUIRE(tiers.degraded());
    h.hangs = false;  // it answers health() again at once
    const auto from_ms = w.now_ms;
    while (tiers.degraded()) {
      w.now_ms += 100;
      tiers.probe(w.now_ms);
    }
    waits.push_back(w.now_ms - from_ms);
  }
  const std::vector<std::int64_t> expected{500, 1'000, 2'000, 4'000, 4'000, 4'000};
  BOOST_TEST(waits == expected, boost::test_tools::per_element());
  w.now_ms += tiered_store::trust_after_ms;
  h.hangs = true;
  const auto r = w.request(sequence, 0, 1'000);
  (void)tiers.apply({&r, 1}, w.now_ms);
  h.hangs = false;
  tiers.probe(w.now_ms + 500);
  BOOST_TEST(!tiers.degraded());
}

BOOST_AUTO_TEST_CASE(a_hot_store_that_refuses_all_is_not_asked_for_each_pair) {
  world w;
  std::vector<pair_progress> pairs(200);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].key = {*student_id::parse("s" + std::to_string(i)), *module_id::parse("m1")};
    pairs[i].state.covered.add({0, 1'000});
    pairs[i].state.duration_ms = 100'000;
  }
  int merges = 0;
  faulty_store hot(*w.inner, [&](std::string_view operation) {
    if (operation == "merge") ++merges;
    return store_fault::refused;
  });
  hanging h(w);
  tiered_store tiers(hot, *w.ledger_of_record, h.told());
  BOOST_TEST(tiers.refill(pairs, w.now_ms).has_value());
  BOOST_TEST(merges == 1);
  const pair_key last[] = {pairs.back().key};
  BOOST_TEST((*w.ledger_of_record->read(last))[0]->covered.covered_ms() ==
             1'000);  // all are in the ledger
}

BOOST_AUTO_TEST_CASE(a_pair_of_which_everything_is_refused_is_not_made_in_the_ledger) {
  world w;
  w.fault = store_fault::lost_request;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).outcome.status == credit_status::credited);
  auto other = w.request(1, 0, 10'000);  // the session is bound to m1
  other.credit.module = *module_id::parse("m2");
  BOOST_CHECK(w.apply_one(other).outcome.why == problem::session_mismatch);
  const pair_key keys[] = {{w.who, *module_id::parse("m2")}};
  BOOST_TEST(!(*w.ledger_of_record->read(keys))[0].has_value());
  // Nor when the hot store is back, and is given what was credited meanwhile.
  w.fault = store_fault::none;
  w.now_ms += tiered_store::retry_interval_ms;
  BOOST_CHECK(w.apply_one(w.request(1, 10'000, 20'000)).outcome.status == credit_status::credited);
  BOOST_TEST(!w.tiers.degraded());
  BOOST_TEST(w.in_hot()->covered.covered_ms() == 20'000);
  BOOST_TEST(!(*w.inner->read(keys))[0].has_value());
}

BOOST_AUTO_TEST_CASE(what_is_refused_takes_nobodys_room) {
  world w;
  w.fault = store_fault::lost_request;
  tiered_store tiers{w.hot,
                     *w.ledger_of_record,
                     {.mode_changed = [](bool, const std::string&) {},
                      .hot_failed = [](const storage_failure&) {},
                      .ledger_failed = [](const storage_failure&) {},
                      .data_lost = [] {}},
                     {.pairs_max = 2}};
  const auto ask = [&](const char* module, std::uint32_t sequence) {
    auto r = w.request(sequence, 0, 10'000);
    r.credit.module = *module_id::parse(module);
    return tiers.apply({&r, 1}, w.now_ms)[0];
  };
  BOOST_CHECK(ask("m1", 0).outcome.status == credit_status::credited);
  for (const auto* module : {"m2", "m3", "m4"})
    BOOST_CHECK(ask(module, 1).outcome.why == problem::session_mismatch);
}

BOOST_AUTO_TEST_CASE(a_lone_pair_in_too_many_pieces_does_not_keep_the_hot_store_away) {
  world w;
  pair_progress shredded{{w.who, *module_id::parse("m1")}, {}};
  for (media_ms i = 0; i <= static_cast<media_ms>(limits::coverage_intervals_max); ++i)
    shredded.state.covered.add({i * 1'000, i * 1'000 + 100});
  shredded.state.duration_ms = 100'000;
  BOOST_REQUIRE(w.ledger_of_record->checkpoint({&shredded, 1}, w.now_ms).has_value());
  w.fault = store_fault::lost_request;
  BOOST_CHECK(w.apply_one(w.request(0, 100, 999)).state == applied_state::done);
  BOOST_TEST(w.tiers.degraded());
  w.fault = store_fault::none;
  w.now_ms += tiered_store::retry_interval_ms;
  w.tiers.probe(w.now_ms);
  BOOST_TEST(!w.tiers.degraded());
}

BOOST_AUTO_TEST_CASE(at_its_limits_degraded_mode_goes_on_with_those_that_it_has) {
  world w;
  w.fault = store_fault::lost_request;
  tiered_store tiers{w.hot,
                     *w.ledger_of_record,
                     {.mode_changed = [](bool, const std::string&) {},
                      .hot_failed = [](const storage_failure&) {},
                      .ledger_failed = [](const storage_failure&) {},
                      .data_lost = [] {}},
                     {.pairs_max = 2, .sessions_max = 3}};
  const auto ask = [&](const char* student, const char* session, std::uint32_t sequence) {
    auto r = w.request(sequence, 10'000 * sequence, 10'000 * sequence + 10'000);
    r.credit.student = *student_id::parse(student);
    r.credit.session = *session_id::parse(session);
    return r;
  };
  const auto how = [&](const std::vector<tiered_request>& asked) {
    std::string seen;
    for (const auto& each : tiers.apply(asked, w.now_ms))
      seen += each.state != applied_state::done                ? 'f'
              : each.outcome.status == credit_status::credited ? 'c'
                                                               : '?';
    return seen;
  };
  BOOST_TEST(how({ask("ann", "s1", 0), ask("bob", "t1", 0)}) == "cc");
  // A third pair has no room; the two in the same batch have.
  BOOST_TEST(how({ask("ann", "s1", 1), ask("cyd", "u1", 0), ask("bob", "t1", 1)}) == "cfc");
  // Ann's next session is the third, Bob's the fourth.
  BOOST_TEST(how({ask("ann", "s2", 2), ask("bob", "t2", 2), ask("bob", "t1", 3)}) == "cfc");
  BOOST_TEST(how({ask("ann", "s2", 3), ask("ann", "s1", 4), ask("cyd", "u1", 0)}) == "ccf");
  w.fault = store_fault::none;
  w.now_ms += tiered_store::retry_interval_ms;
  BOOST_TEST(how({ask("cyd", "u1", 0), ask("bob", "t2", 2)}) == "cc");
}

BOOST_AUTO_TEST_CASE(a_lost_answer_is_not_credited_twice) {
  world w;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  w.fault = store_fault::lost_reply;
  const auto r = w.request(1, 10'000, 20'000);
  BOOST_CHECK(w.apply_one(r).state == applied_state::done);
  w.fault = store_fault::none;
  w.now_ms += tiered_store::retry_interval_ms;
  const auto again = w.apply_one(r);
  BOOST_CHECK(again.outcome.status == credit_status::duplicate);
  BOOST_TEST(again.outcome.now.covered_ms == 20'000);
}

BOOST_AUTO_TEST_CASE(degraded_mastery_makes_one_completion) {
  world w;
  w.fault = store_fault::refused;
  for (std::uint32_t i = 0; i < 10; ++i) {
    const auto from_ms = static_cast<media_ms>(i) * 10'000;
    BOOST_CHECK(w.apply_one(w.request(i, from_ms, from_ms + 10'000)).state == applied_state::done);
    w.now_ms += 10'000;
  }
  BOOST_TEST(w.ledger_of_record->completions(0, 10)->size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_erased_student_stays_erased_while_degraded) {
  world w;
  w.fault = store_fault::lost_request;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  w.tiers.forget_student(w.who);
  const auto applied = w.apply_one(w.request(1, 10'000, 20'000));
  BOOST_CHECK(applied.outcome.status == credit_status::rejected);
  BOOST_CHECK(applied.outcome.why == problem::unknown_device);
  w.tiers.readmit_student(w.who);
  BOOST_CHECK(w.apply_one(w.request(2, 0, 10'000)).outcome.status == credit_status::credited);
}

// Another gateway erased the student, enrolled them anew and credited them, all while this one did
// not reach the hot store.
BOOST_AUTO_TEST_CASE(what_a_student_earned_elsewhere_after_an_erasure_survives_the_recovery) {
  world w;
  w.fault = store_fault::lost_request;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  BOOST_REQUIRE(w.inner->erase(w.who).has_value());
  w.tiers.forget_student(w.who);
  w.erase_in_ledger();
  BOOST_REQUIRE(w.inner->readmit(w.who).has_value());
  tiered_store other{*w.inner,
                     *w.ledger_of_record,
                     {.mode_changed = [](bool, const std::string&) {},
                      .hot_failed = [](const storage_failure&) {},
                      .ledger_failed = [](const storage_failure&) {},
                      .data_lost = [] {}}};
  const auto elsewhere = w.request(0, 20'000, 30'000);
  BOOST_CHECK(other.apply({&elsewhere, 1}, w.now_ms)[0].outcome.status == credit_status::credited);
  w.fault = store_fault::none;
  w.now_ms += tiered_store::retry_interval_ms;
  w.tiers.probe(w.now_ms);
  BOOST_TEST(!w.tiers.degraded());
  const auto after = w.apply_one(w.request(5, 30'000, 40'000));
  BOOST_CHECK(after.outcome.status == credit_status::credited);
  BOOST_TEST(after.outcome.now.covered_ms == 20'000);
}

BOOST_AUTO_TEST_CASE(a_student_enrolled_anew_while_degraded_earns_in_the_hot_store_afterwards) {
  world w;
  BOOST_REQUIRE(w.inner->erase(w.who).has_value());  // before the outage
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).outcome.why == problem::unknown_device);
  BOOST_TEST(!w.tiers.readmit_later(w.who));  // not degraded: the hot store can be told itself
  w.fault = store_fault::lost_request;
  auto other = w.request(0, 0, 10'000);
  other.credit.student = *student_id::parse("bob");
  BOOST_CHECK(w.apply_one(other).state == applied_state::done);
  BOOST_TEST(w.tiers.readmit_later(w.who));
  BOOST_CHECK(w.apply_one(w.request(1, 0, 10'000)).outcome.status == credit_status::credited);
  w.fault = store_fault::none;
  w.now_ms += tiered_store::retry_interval_ms;
  const auto applied = w.apply_one(w.request(2, 10'000, 20'000));
  BOOST_TEST(!w.tiers.degraded());
  BOOST_CHECK(applied.outcome.status == credit_status::credited);
  BOOST_TEST(applied.outcome.now.covered_ms == 20'000);
}

// The enrolment at another gateway reaches this one through the ledger only.
BOOST_AUTO_TEST_CASE(a_student_erased_here_and_enrolled_elsewhere_earns_here_while_degraded) {
  world w;
  w.fault = store_fault::lost_request;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  w.tiers.forget_student(w.who);
  BOOST_CHECK(w.apply_one(w.request(1, 0, 10'000)).outcome.why == problem::unknown_device);
  w.erase_in_ledger();
  w.tiers.drop_copies(w.who);  // the watcher has heard of it
  BOOST_CHECK(w.apply_one(w.request(2, 0, 10'000)).outcome.why == problem::unknown_device);
  BOOST_TEST(!w.in_ledger().has_value());
  w.enrol_in_ledger();
  const auto applied = w.apply_one(w.request(3, 20'000, 30'000));
  BOOST_TEST(w.tiers.degraded());
  BOOST_CHECK(applied.outcome.status == credit_status::credited);
  BOOST_TEST(applied.outcome.now.covered_ms == 10'000);
}

BOOST_AUTO_TEST_CASE(an_enrolment_before_an_erasure_does_not_lift_it_when_the_hot_store_is_back) {
  for (const bool here : {true, false}) {
    world w;
    w.tiers.start_degraded("away");
    w.fault = store_fault::lost_request;
    w.enrol_in_ledger();
    BOOST_TEST(w.tiers.readmit_later(w.who));
    BOOST_REQUIRE(w.inner->erase(w.who).has_value());
    if (here) w.tiers.forget_student(w.who);
    w.erase_in_ledger();
    w.tiers.drop_copies(w.who);
    w.fault = store_fault::none;
    w.now_ms += tiered_store::retry_interval_ms;
    BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).outcome.why == problem::unknown_device);
    BOOST_TEST(!w.tiers.degraded());
  }
}

BOOST_AUTO_TEST_CASE(late_news_of_an_erasure_does_not_undo_the_enrolment_after_it) {
  world w;
  w.tiers.start_degraded("away");
  w.fault = store_fault::lost_request;
  BOOST_REQUIRE(w.inner->erase(w.who).has_value());
  w.erase_in_ledger();
  w.enrol_in_ledger();
  BOOST_TEST(w.tiers.readmit_later(w.who));
  w.tiers.drop_copies(w.who);
  w.fault = store_fault::none;
  w.now_ms += tiered_store::retry_interval_ms;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).outcome.status == credit_status::credited);
  BOOST_TEST(!w.tiers.degraded());
}

BOOST_AUTO_TEST_SUITE_END()
