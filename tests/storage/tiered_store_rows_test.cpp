// A row of the ledger that cannot be read harms its own pair alone, whichever call meets it.
#include <boost/test/unit_test.hpp>

#include "storage/tiered_store.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/ledger_sql.hpp"
#include "tests/storage/tiered_store_world.hpp"

namespace watchkeeper::test {
using namespace storage;
using storage::testing::heartbeat;
using storage::testing::loading_store;
using storage::testing::pair_of;

namespace {

void damage(const sqlite_place& place, const std::string& student) {
  execute(place, "UPDATE progress SET coverage = x'00' WHERE student_id = '" + student + "'");
}
void damage(const postgres_place& place, const std::string& student) {
  execute(place, "UPDATE progress SET coverage = '{[0,1000),[1001,2000)}' WHERE student_id = '" +
                     student + "'");
}

/// Ten students with a row of 40 s each, of which that of s7 is damaged; and a hot store that may
/// be away.
template <class Place>
struct damaged_ledger {
  damaged_ledger() {
    enrol(*of_record, names(10, [](int who) { return "s" + std::to_string(who); }));
    std::vector<pair_progress> rows;
    for (int who = 0; who < 10; ++who) {
      pair_progress row{pair_of("s" + std::to_string(who), "m1"), storage::testing::blank()};
      row.state.covered.add({0, 40'000});
      row.state.duration_ms = 600'000;
      rows.push_back(row);
    }
    need(of_record->checkpoint(rows, wall_ms{1}));
  }
  /// One heartbeat of each student.
  std::vector<applied_credit> play(std::uint32_t sequence) {
    std::vector<tiered_request> asked(10);
    for (int who = 0; who < 10; ++who) {
      const auto from_ms = 40'000 + static_cast<media_ms>(sequence) * 1'000;
      asked[who].credit =
          heartbeat(pair_of("s" + std::to_string(who), "m1"), sequence, from_ms, from_ms + 1'000)
              .credit;
      asked[who].credit.device = storage::testing::kid_of(static_cast<std::uint8_t>(who));
    }
    return tiers.apply(asked);
  }
  void check(const std::vector<applied_credit>& applied, media_ms covered_ms) {
    for (int who = 0; who < 10; ++who) {
      BOOST_CHECK((applied[who].state == applied_state::done) == (who != 7));
      if (who != 7) BOOST_TEST(applied[who].outcome.now.covered_ms == covered_ms);
    }
  }

  Place place;
  std::unique_ptr<ledger> of_record = make_migrated(place);
  std::unique_ptr<hot_store> inner = make_memory_store();
  bool is_away = false;
  faulty_store hot{*inner, [this](std::string_view) {
                     return is_away ? store_fault::lost_request : store_fault::none;
                   }};
  manual_clock clock;
  std::vector<std::string> failures;
  loading_store tiers{
      hot,
      *of_record,
      clock,
      {.mode_changed = [](bool, const std::string&) {},
       .hot_failed = [](const storage_failure&) {},
       .ledger_failed = [this](const storage_failure& f) { failures.push_back(f.detail); },
       .data_lost = [] {}}};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(tiered_rows)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_pair_whose_row_cannot_be_read_does_not_begin_anew, place, places) {
  damaged_ledger<place> w;
  damage(w.place, "s7");
  w.check(w.play(0), 41'000);
  const pair_key bad[] = {pair_of("s7", "m1")};
  BOOST_TEST(!need(w.inner->read(bad))[0].has_value());
  BOOST_TEST(!w.tiers.degraded());
  BOOST_REQUIRE_EQUAL(w.failures.size(), 1u);
  BOOST_TEST(w.failures[0].starts_with("s7/m1: "));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_row_that_cannot_be_read_fails_no_other_pair_while_degraded, place,
                              places) {
  damaged_ledger<place> w;
  damage(w.place, "s7");
  w.is_away = true;
  w.check(w.play(0), 41'000);
  w.check(w.play(1), 42'000);
  BOOST_TEST(w.tiers.degraded());
}

BOOST_AUTO_TEST_CASE(a_row_that_is_damaged_while_degraded_fails_no_other_pair) {
  damaged_ledger<sqlite_place> w;
  w.is_away = true;
  BOOST_CHECK(w.play(0)[7].state == applied_state::done);
  damage(w.place, "s7");
  w.check(w.play(1), 42'000);
  // What failed left nothing behind: it counts once the row is repaired.
  execute(w.place, "DELETE FROM progress WHERE student_id = 's7'");
  BOOST_CHECK(w.play(1)[7].outcome.status == credit_status::credited);
}

BOOST_AUTO_TEST_CASE(what_is_handed_over_while_degraded_is_saved_but_for_a_damaged_row) {
  damaged_ledger<sqlite_place> w;
  damage(w.place, "s7");
  w.tiers.start_degraded("away");
  std::vector<pair_progress> pairs;
  for (int who = 0; who < 10; ++who) {
    pairs.push_back({pair_of("s" + std::to_string(who), "m1"), storage::testing::blank()});
    pairs.back().state.covered.add({50'000, 60'000});
  }
  BOOST_TEST(!w.tiers.refill(pairs).has_value());
  const pair_key others[] = {pairs[0].key, pairs[6].key, pairs[8].key};
  for (const auto& row : need(w.of_record->read(others)))
    BOOST_TEST(row->covered.covered_ms() == 50'000);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
