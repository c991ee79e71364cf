#include "tests/storage/tiered_store_world.hpp"

/// Students who are erased or enrolled anew while the hot store is away, by this gateway or
/// another.

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

BOOST_AUTO_TEST_SUITE(tiered)

BOOST_AUTO_TEST_CASE(an_erased_student_stays_erased_while_degraded) {
  tiered_store_world w;
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
  tiered_store_world w;
  w.fault = store_fault::lost_request;
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).state == applied_state::done);
  BOOST_REQUIRE(w.inner->erase(w.who).has_value());
  w.tiers.forget_student(w.who);
  w.erase_in_ledger();
  BOOST_REQUIRE(w.inner->readmit(w.who).has_value());
  tiered_store other{*w.inner, *w.ledger_of_record, w.clock, no_observer()};
  const auto elsewhere = w.request(0, 20'000, 30'000);
  BOOST_CHECK(other.apply({&elsewhere, 1})[0].outcome.status == credit_status::credited);
  w.fault = store_fault::none;
  w.clock.advance(tiered_store::retry_interval_ms);
  w.tiers.probe();
  BOOST_TEST(!w.tiers.degraded());
  const auto after = w.apply_one(w.request(5, 30'000, 40'000));
  BOOST_CHECK(after.outcome.status == credit_status::credited);
  BOOST_TEST(after.outcome.now.covered_ms == 20'000);
}

BOOST_AUTO_TEST_CASE(a_student_enrolled_anew_while_degraded_earns_in_the_hot_store_afterwards) {
  tiered_store_world w;
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
  w.clock.advance(tiered_store::retry_interval_ms);
  const auto applied = w.apply_one(w.request(2, 10'000, 20'000));
  BOOST_TEST(!w.tiers.degraded());
  BOOST_CHECK(applied.outcome.status == credit_status::credited);
  BOOST_TEST(applied.outcome.now.covered_ms == 20'000);
}

// The enrolment at another gateway reaches this one through the ledger only.
BOOST_AUTO_TEST_CASE(a_student_erased_here_and_enrolled_elsewhere_earns_here_while_degraded) {
  tiered_store_world w;
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
    tiered_store_world w;
    w.tiers.start_degraded("away");
    w.fault = store_fault::lost_request;
    w.enrol_in_ledger();
    BOOST_TEST(w.tiers.readmit_later(w.who));
    BOOST_REQUIRE(w.inner->erase(w.who).has_value());
    if (here) w.tiers.forget_student(w.who);
    w.erase_in_ledger();
    w.tiers.drop_copies(w.who);
    w.fault = store_fault::none;
    w.clock.advance(tiered_store::retry_interval_ms);
    BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).outcome.why == problem::unknown_device);
    BOOST_TEST(!w.tiers.degraded());
  }
}

BOOST_AUTO_TEST_CASE(late_news_of_an_erasure_does_not_undo_the_enrolment_after_it) {
  tiered_store_world w;
  w.tiers.start_degraded("away");
  w.fault = store_fault::lost_request;
  BOOST_REQUIRE(w.inner->erase(w.who).has_value());
  w.erase_in_ledger();
  w.enrol_in_ledger();
  BOOST_TEST(w.tiers.readmit_later(w.who));
  w.tiers.drop_copies(w.who);
  w.fault = store_fault::none;
  w.clock.advance(tiered_store::retry_interval_ms);
  BOOST_CHECK(w.apply_one(w.request(0, 0, 10'000)).outcome.status == credit_status::credited);
  BOOST_TEST(!w.tiers.degraded());
}

BOOST_AUTO_TEST_SUITE_END()
