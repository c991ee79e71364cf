// Epochs and attempts in the ledger: what has ended is not written, and a later life wins.
#include <boost/test/unit_test.hpp>

#include "tests/storage/ledger_fixtures.hpp"
#include "tests/storage/ledger_sql.hpp"

namespace watchkeeper::test {
using namespace storage;

BOOST_AUTO_TEST_SUITE(ledger_lives)

BOOST_AUTO_TEST_CASE_TEMPLATE(nothing_of_an_epoch_that_ended_is_written, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"gone", "here"});
  const std::vector<pair_progress> late{
      {pair("gone", "m"),
       {.life = {1, 1}, .covered = covering({{0, 9'999}}), .duration_ms = 10'000}},
      {pair("here", "m"), {.life = {1, 1}, .covered = covering({{0, 5}}), .duration_ms = 10'000}}};
  need(tested->checkpoint(late, wall_ms{1}));
  BOOST_TEST(need(tested->erase_student(student("gone"), "admin", "00ff", wall_ms{2'000}, 2)));
  BOOST_TEST(!need(tested->erase_student(student("gone"), "admin", "00ff", wall_ms{3'000}, 2)));
  BOOST_TEST(need(tested->completions(0, 10)).empty());
  BOOST_TEST(need(tested->life_of(student("gone"))).epoch == 0u);

  auto states = need(tested->checkpoint(late, wall_ms{4}));
  BOOST_TEST(has_ended(states[0]));
  BOOST_TEST(states[0].life.epoch == 2u);
  BOOST_TEST(states[1] == late[1].state);
  BOOST_TEST(!need(tested->read(std::vector<pair_key>{late[0].key}))[0].has_value());
  BOOST_TEST(need(tested->completions(0, 10)).empty());

  const auto erased = need(tested->erased_students());
  BOOST_REQUIRE(erased.size() == 1u);
  BOOST_TEST(erased[0].student == student("gone"));
  BOOST_TEST(erased[0].next_epoch == 2u);

  // Who enrols anew is in a later epoch, which begins with the erasure.
  const auto life = need(tested->put_device(device(1, "gone"), {}));
  BOOST_REQUIRE(life.has_value());
  BOOST_TEST(life->epoch == 2u);
  BOOST_TEST(life->begins_ms == wall_ms{3'000});
  BOOST_TEST(need(tested->get_devices(std::vector{device(1, "gone").kid}))[0]->epoch == 2u);
  states = need(tested->checkpoint(late, wall_ms{5}));
  BOOST_TEST(has_ended(states[0]));
  BOOST_TEST(states[0].life.epoch == 2u);
  const auto found = need(tested->look_up(std::vector<pair_key>{late[0].key}))[0];
  BOOST_TEST(found.student.epoch == 2u);
  BOOST_TEST(!found.state.has_value());
}

/// A hot store that came back older knows no epoch any more; and of two erasures, the one that
/// began first may be the last to reach the ledger.
BOOST_AUTO_TEST_CASE_TEMPLATE(an_erasure_takes_nothing_back_that_another_said, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  need(tested->erase_student(student("s"), "admin", "00ff", wall_ms{5'000}, 9));
  need(tested->erase_student(student("s"), "admin", "00ff", wall_ms{2'000}, 1));
  const auto erased = need(tested->erased_students());
  BOOST_REQUIRE(erased.size() == 1u);
  BOOST_TEST(erased[0].next_epoch == 9u);
  const auto life = need(tested->put_device(device(1, "s"), {}));
  BOOST_TEST((*life == student_life{.epoch = 9, .begins_ms = wall_ms{5'000}}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_later_life_wins_as_a_whole, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  const auto in = [](life_number life, coverage covered) {
    return std::vector<pair_progress>{
        {pair("s", "m"), {.life = life, .covered = std::move(covered), .duration_ms = 10'000}}};
  };
  const auto viewers = [&] {
    std::uint64_t total = 0;
    const auto found = need(tested->heatmap_of(module("m")));
    for (const auto ms : found->bins.viewer_ms) total += ms;
    return total;
  };
  need(tested->checkpoint(in({1, 1}, covering({{0, 9'600}})), wall_ms{10}));
  BOOST_TEST(viewers() == 9'600u);
  // A ledger that came back older learns of a reset from the hot store ...
  auto states = need(tested->checkpoint(in({1, 2}, covering({{0, 1'000}})), wall_ms{20}));
  BOOST_TEST(states[0].covered == covering({{0, 1'000}}));
  BOOST_TEST(states[0].mastered_ms == never);
  BOOST_TEST(viewers() == 1'000u);
  states = need(tested->checkpoint(in({1, 1}, covering({{0, 9'600}})), wall_ms{30}));
  BOOST_TEST(states[0].life == (life_number{1, 2}));
  BOOST_TEST(states[0].covered == covering({{0, 1'000}}));
  // ... and of an erasure, after which the student enrolled again.
  states = need(tested->checkpoint(in({7, 1}, covering({{2'000, 5'000}})), wall_ms{40}));
  BOOST_TEST(states[0].covered == covering({{2'000, 5'000}}));
  BOOST_TEST(need(tested->life_of(student("s"))).epoch == 7u);
  BOOST_TEST(viewers() == 3'000u);
  BOOST_TEST(need(tested->completions(0, 10)).empty());  // those of epoch 1 have gone
  BOOST_TEST(need(tested->recount_heatmap(module("m"), false)).right());
  // No later epoch is lower, whoever enrols.
  BOOST_TEST(need(tested->put_device(device(2, "another"), {}))->epoch == 7u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_reset_begins_the_next_attempt, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  put_modules(*tested, {"m"}, 10'000);
  const auto key = pair("s", "m");
  const reset_order order{.actor = "admin", .reason = "watched by another", .now_ms = wall_ms{50}};
  BOOST_TEST(!need(tested->reset_progress(key, std::nullopt, order)).has_value());
  const std::vector<pair_progress> first{
      {key, {.life = {1, 1}, .covered = covering({{0, 9'600}}), .duration_ms = 10'000}}};
  need(tested->checkpoint(first, wall_ms{10}));
  const auto change = newest_change(*tested);
  const auto begun = need(tested->reset_progress(key, std::nullopt, order));
  BOOST_REQUIRE(begun.has_value());
  const progress expected{
      .life = {1, 2}, .begins_ms = wall_ms{50}, .duration_ms = 10'000, .updated_ms = wall_ms{50}};
  BOOST_TEST(*begun == expected);
  BOOST_TEST(need(tested->read(std::vector<pair_key>{key}))[0] == expected);
  const auto changes = need(tested->changes(change, 10));
  BOOST_REQUIRE(changes.size() == 1u);
  BOOST_CHECK(changes[0].what == registry_change::kind::progress_reset);
  BOOST_TEST(changes[0].key == "s/m");
  BOOST_TEST(need(tested->recount_heatmap(module("m"), false)).right());
  // The earlier completion stays; what is carried of that attempt is not written.
  BOOST_TEST(need(tested->completions(0, 10)).size() == 1u);
  BOOST_TEST(need(tested->checkpoint(first, wall_ms{60}))[0] == expected);
  // The next completion is one of its own.
  auto second = first;
  second[0].state.life.attempt = 2;
  need(tested->checkpoint(second, wall_ms{70}));
  const auto events = need(tested->completions(0, 10));
  BOOST_REQUIRE(events.size() == 2u);
  BOOST_TEST(events[0].life.attempt == 1u);
  BOOST_TEST(events[1].life.attempt == 2u);
  // Memory may know of a later attempt than a ledger that has come back older.
  auto known = second[0].state;
  known.life.attempt = 5;
  BOOST_TEST(need(tested->reset_progress(key, known, order))->life.attempt == 6u);
  // Nobody's: not enrolled.
  BOOST_TEST(!need(tested->reset_progress(pair("x", "m"), known, order)).has_value());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_reset_is_in_the_audit_and_an_erasure_takes_the_student_out, Place,
                              places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  put_modules(*tested, {"m"}, 10'000);
  const std::vector<pair_progress> played{
      {pair("s", "m"), {.life = {1, 1}, .covered = covering({{0, 5'000}}), .duration_ms = 10'000}}};
  need(tested->checkpoint(played, wall_ms{10}));
  const reset_order order{.actor = "admin", .reason = "watched by another", .now_ms = wall_ms{50}};
  BOOST_REQUIRE(need(tested->reset_progress(pair("s", "m"), std::nullopt, order)).has_value());
  const auto audited = [&] {
    return query_text(
        place,
        "SELECT at_ms || ' by ' || actor || ': ' || student_id || '/' || module_id || "
        "', ' || reason FROM audit WHERE action = 'progress-reset'");
  };
  BOOST_TEST(audited() == "50 by admin: s/m, watched by another");
  BOOST_TEST(need(tested->erase_student(student("s"), "admin", "id", wall_ms{60}, 2)));
  BOOST_TEST(audited() == "50 by admin: /m, ");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_erasure_that_is_repeated_ends_no_later_epoch, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  const auto s = student("s");
  const auto first = need(tested->life_of(s)).epoch;
  BOOST_TEST(need(tested->repeat_erasure(s, "00", wall_ms{5'000}, first + 1)));
  BOOST_TEST(need(tested->life_of(s)).epoch == 0u);
  // The ledger had nothing of this one; it has to know when the next epoch begins.
  BOOST_TEST(need(tested->repeat_erasure(student("t"), "00", wall_ms{7'000}, 9)));
  enrol(*tested, {"s", "t"});
  BOOST_TEST((need(tested->life_of(s)) == student_life{9, wall_ms{5'000}}));
  BOOST_TEST((need(tested->life_of(student("t"))) == student_life{9, wall_ms{7'000}}));
  // Enrolled anew between the look at the epoch and the erasure.
  BOOST_TEST(!need(tested->repeat_erasure(s, "00", wall_ms{5'000}, 9)));
  BOOST_TEST((need(tested->life_of(s)) == student_life{9, wall_ms{5'000}}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_ledger_says_when_a_student_was_last_credited, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s", "t", "u"});
  auto state = blank_progress({.epoch = 1, .begins_ms = {}});
  state.covered.add({0, 1'000});
  state.playtime_ms = 1'000;
  const auto put = [&](const char* student, const char* of, std::int64_t updated_ms) {
    state.updated_ms = wall_ms{updated_ms};
    need(tested->checkpoint(std::vector<pair_progress>{{pair(student, of), state}}, wall_ms{1}));
  };
  put("s", "m1", 5'000);
  put("s", "m2", 7'000);
  put("u", "m1", 8'000);
  state.playtime_ms = 0;  // begun anew, and not played since
  put("s", "m4", 9'000);
  const std::vector<student_id> students{student("t"), student("s"), student("x"), student("u"),
                                         student("s")};
  const std::vector<wall_ms> expected{never, wall_ms{7'000}, never, wall_ms{8'000}, wall_ms{7'000}};
  BOOST_TEST(need(tested->last_credits(students)) == expected, boost::test_tools::per_element());
  BOOST_TEST(need(tested->last_credits({})).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
