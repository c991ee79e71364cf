#include "storage/tiered_store.hpp"

#include <unistd.h>
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "storage/faulty_store.hpp"

using namespace watchkeeper;

namespace {

struct world {
  world() {
    BOOST_REQUIRE(behind->migrate().has_value());
    module_record module;
    module.id = *module_id::parse("m1");
    module.title = "one";
    module.rules.duration_ms = 100'000;
    BOOST_REQUIRE(behind->put_module(module).has_value());
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
    BOOST_REQUIRE(behind->erase_student(who, "an admin", "asked for it", now_ms).has_value());
  }
  void enrol_in_ledger() {
    device_record device;
    device.student = who;
    BOOST_REQUIRE(behind->put_device(device).value());
  }
  std::optional<progress> in_ledger() {
    const pair_key keys[] = {{who, *module_id::parse("m1")}};
    return (*behind->read(keys))[0];
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
  std::unique_ptr<ledger> behind = make_sqlite_ledger((folder_made() / "ledger.db").string());
  int lost = 0;
  std::vector<bool> modes;
  tiered_store tiers{
      hot,
      *behind,
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
  BOOST_REQUIRE(w.behind->checkpoint({&earlier, 1}, w.now_ms).has_value());
  const auto applied = w.apply_one(w.request(0, 40'000, 50'000));
  BOOST_CHECK(applied.how == applied_credit::state::done);
  BOOST_TEST(applied.outcome.now.covered_ms == 50'000);
  BOOST_REQUIRE(applied.covered.has_value());
  BOOST_TEST(applied.covered->covered_ms() == 50'000);
  BOOST_TEST(w.lost == 0);
}

BOOST_AUTO_TEST_CASE(a_pair_in_more_pieces_than_the_hot_store_takes_is_refused_and_not_failed) {
  world w;
  // Each half is within the limit; two gateways' credit, united, is not.
  for (const media_ms from_ms : {0, 40'000'000}) {
    pair_progress part{{w.who, *module_id::parse("m1")}, {}};
    for (int i = 0; i < 600; ++i)
      part.state.covered.add({from_ms + i * 1'000, from_ms + i * 1'000 + 500});
    part.state.duration_ms = 80'000'000;
    BOOST_REQUIRE(w.behind->checkpoint({&part, 1}, w.now_ms).has_value());
  }
  const auto applied = w.apply_one(w.request(0, 30'000'000, 30'010'000));
  BOOST_CHECK(applied.how == applied_credit::state::done);
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
  r.known.emplace();
  r.known->covered.add({0, 20'000});
  const auto applied = w.apply_one(r);
  BOOST_TEST(applied.outcome.now.covered_ms == 30'000);
  BOOST_TEST(w.lost == 1);
  BOOST_TEST(*w.inner->dirty_count() == 1u);
}

BOOST_AUTO_TEST_CASE(the_ledger_takes_over_while_the_hot_store_is_away_and_gives_back) {
  world w;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).how == applied_credit::state::done);
  w.fault = store_fault::lost_request;
  auto r = w.request(1, 10'000, 20'000);
  r.known.emplace();
  r.known->covered.add({0, 10'000});
  auto applied = w.apply_one(r);
  BOOST_CHECK(applied.how == applied_credit::state::done);
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
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).how == applied_credit::state::failed);
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
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).how == applied_credit::state::done);
  w.fault = store_fault::none;
  w.of_merge = store_fault::corrupt;
  w.now_ms += 10'000;
  w.tiers.try_recover(w.now_ms);
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
  BOOST_CHECK(tiers.apply({&r, 1}, w.now_ms)[0].how == applied_credit::state::failed);
  BOOST_CHECK(tiers.apply({&r, 1}, w.now_ms)[0].how == applied_credit::state::failed);
}

BOOST_AUTO_TEST_CASE(a_lost_answer_is_not_credited_twice) {
  world w;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).how == applied_credit::state::done);
  w.fault = store_fault::lost_answer;
  const auto r = w.request(1, 10'000, 20'000);
  BOOST_CHECK(w.apply_one(r).how == applied_credit::state::done);
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
    BOOST_CHECK(w.apply_one(w.request(i, from_ms, from_ms + 10'000)).how ==
                applied_credit::state::done);
    w.now_ms += 10'000;
  }
  BOOST_TEST(w.behind->completions(0, 10)->size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_erased_student_stays_erased_while_degraded) {
  world w;
  w.fault = store_fault::lost_request;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).how == applied_credit::state::done);
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
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).how == applied_credit::state::done);
  BOOST_REQUIRE(w.inner->erase(w.who).has_value());
  w.tiers.forget_student(w.who);
  w.erase_in_ledger();
  BOOST_REQUIRE(w.inner->readmit(w.who).has_value());
  tiered_store other{*w.inner,
                     *w.behind,
                     {.mode_changed = [](bool, const std::string&) {},
                      .hot_failed = [](const storage_failure&) {},
                      .ledger_failed = [](const storage_failure&) {},
                      .data_lost = [] {}}};
  const auto elsewhere = w.request(0, 20'000, 30'000);
  BOOST_CHECK(other.apply({&elsewhere, 1}, w.now_ms)[0].outcome.status == credit_status::credited);
  w.fault = store_fault::none;
  w.now_ms += tiered_store::retry_interval_ms;
  w.tiers.try_recover(w.now_ms);
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
  BOOST_CHECK(w.apply_one(other).how == applied_credit::state::done);
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
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).how == applied_credit::state::done);
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
