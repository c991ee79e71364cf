// The log of erasures against a ledger that came back older.
#include "actors/stores/repeated_erasures.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "tests/actors/simulation/simulated_ledger.hpp"
#include "tests/actors/support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

constexpr wall_ms erased_at_ms{1'000};

/// A ledger that cannot erase one of its students.
class stubborn_ledger final : public simulated_ledger {
 public:
  stubborn_ledger(test::ledger_model& shared, const weather_plan& plan, fate& end,
                  storage::storage_error why)
      : simulated_ledger(shared, plan, end), why_(why) {}
  storage::stored<bool> repeat_erasure(const student_id& who, std::string_view erasure,
                                       wall_ms at_ms, std::uint32_t next_epoch) override {
    if (who == student(1)) return storage::storage_failure{why_, "injected"};
    return simulated_ledger::repeat_erasure(who, erasure, at_ms, next_epoch);
  }

 private:
  storage::storage_error why_;
};

/// Three students in epoch 1, whom the log has as erased.
struct older_ledger {
  storage::stored<std::size_t> repeat(storage::storage_error why, const auto& is_time_up) {
    stubborn_ledger tested(ledger, plan, never, why);
    return repeat_erasures(
        tested, logged, erased_at_ms + 5'000,
        [this](const storage::erased_student& erased) { again.push_back(erased.student); },
        is_time_up);
  }
  test::ledger_model ledger{.has_everybody = true};
  std::vector<storage::logged_erasure> logged{
      {student(1), 2, erased_at_ms}, {student(2), 2, erased_at_ms}, {student(3), 2, erased_at_ms}};
  std::vector<student_id> again;
  store_weather weather;
  store_link link;
  fate never;
  std::mt19937_64 random{1};
  weather_plan plan{weather, link, never, random};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(repeated_erasures)

BOOST_FIXTURE_TEST_CASE(who_cannot_be_erased_keeps_no_other_from_it, older_ledger) {
  const auto done = repeat(storage::storage_error::corrupt, [] { return false; });
  BOOST_REQUIRE(!done);
  BOOST_TEST(int(done.error().code) == int(storage::storage_error::corrupt));
  BOOST_TEST((again == std::vector{student(2), student(3)}));
}

BOOST_FIXTURE_TEST_CASE(a_ledger_that_is_away_is_asked_once, older_ledger) {
  const auto done = repeat(storage::storage_error::unavailable, [] { return false; });
  BOOST_REQUIRE(!done);
  BOOST_TEST(again.empty());
}

BOOST_FIXTURE_TEST_CASE(a_stop_breaks_it_off, older_ledger) {
  int asked = 0;
  const auto done = repeat(storage::storage_error::corrupt, [&] { return ++asked > 2; });
  BOOST_REQUIRE(!done);
  BOOST_TEST(int(done.error().code) == int(storage::storage_error::unavailable));
  BOOST_TEST((again == std::vector{student(2)}));
}

BOOST_AUTO_TEST_SUITE_END()
