#include <boost/test/unit_test.hpp>
#include <chrono>
#include <iostream>

#include "storage/limits.hpp"
#include "tests/storage/ledger_fixtures.hpp"

/// What a checkpoint of a full batch costs. Not run by default (figures, no checks of time):
///   storage_test --run_test=ledger_measure --log_level=message
/// WATCHKEEPER_POSTGRES_URL: a database to measure instead of the test's own, which has fsync off.
namespace watchkeeper::test {
using namespace storage;
namespace {

constexpr int batches = 20;

struct measured_postgres {
  static constexpr const char* name = "PostgreSQL";
  std::string url = [] {
    const char* given = std::getenv("WATCHKEEPER_POSTGRES_URL");
    return given != nullptr ? std::string(given) : postgres_server::instance().new_database();
  }();
  [[nodiscard]] std::unique_ptr<ledger> make() const { return make_postgres_ledger(url); }
};

/// µs a pair of the median batch; `state(i, batch)` is what is checkpointed.
template <class State>
void measure(ledger& tested, const char* what, State&& state) {
  std::vector<double> us;
  for (int batch = 0; batch < batches; ++batch) {
    std::vector<pair_progress> pairs;
    for (std::size_t i = 0; i < storage_limits::checkpoint_batch_pairs_max; ++i)
      pairs.push_back(
          {pair("student-" + std::to_string(i), "module-" + std::to_string(i % 20)), state(batch)});
    const auto begun = std::chrono::steady_clock::now();
    need(tested.checkpoint(pairs, wall_ms{batch}));
    const std::chrono::duration<double, std::micro> lasted =
        std::chrono::steady_clock::now() - begun;
    us.push_back(lasted.count() / static_cast<double>(pairs.size()));
  }
  std::sort(us.begin(), us.end());
  BOOST_TEST_MESSAGE("  " << what << ": median " << us[us.size() / 2] << ", worst " << us.back()
                          << " us a pair");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ledger_measure, *boost::unit_test::disabled())

using measured = std::tuple<sqlite_place, measured_postgres>;
BOOST_AUTO_TEST_CASE_TEMPLATE(checkpoint_of_512_pairs, Place, measured) {
  const Place place;
  const auto tested = make_migrated(place);
  BOOST_TEST_MESSAGE(need(tested->health()));
  enrol(*tested, names(static_cast<int>(storage_limits::checkpoint_batch_pairs_max),
                       [](int i) { return "student-" + std::to_string(i); }));
  const auto state = [](coverage covered, int batch) {
    return progress{.life = {1, 1},
                    .covered = std::move(covered),
                    .duration_ms = 3'600'000,
                    .updated_ms = wall_ms{batch}};
  };
  measure(*tested, "coverage grows at its end", [&](int batch) {
    return state(covering({{0, (batch + 1) * 30'000}}), batch);
  });
  measure(*tested, "each batch another piece, to be united", [&](int batch) {
    return state(covering({{1'000'000 + batch * 20'000, 1'010'000 + batch * 20'000}}), batch);
  });
  measure(*tested, "mastered already", [&](int batch) {
    return state(covering({{0, 3'600'000}}), batch);
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
