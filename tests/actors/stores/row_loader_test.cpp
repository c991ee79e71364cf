#include "actors/stores/row_loader.hpp"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "actors/shared/actor_limits.hpp"
#include "tests/actors/simulation/simulated_ledger.hpp"
#include "tests/actors/support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

namespace {

/// Counts the calls, and throws when told so.
class counting_ledger final : public simulated_ledger {
 public:
  counting_ledger(test::ledger_model& model, weather_plan plan, fate& end, std::size_t& calls,
                  bool& throws)
      : simulated_ledger(model, plan, end), calls_(calls), throws_(throws) {}
  storage::stored<std::vector<storage::recorded_pair>> look_up(
      std::span<const pair_key> keys) override {
    ++calls_;
    if (throws_) throw std::runtime_error("out of memory");
    BOOST_TEST(keys.size() <= storage_limits::batch_heartbeats_max);
    return simulated_ledger::look_up(keys);
  }

 private:
  std::size_t& calls_;
  bool& throws_;
};

struct loading {
  explicit loading(bool own_thread = false)
      : rows({.ledger = std::make_unique<counting_ledger>(ledger, plan, never, calls, throws),
              .ledger_state = ledger_state,
              .time = clock,
              .loaded =
                  [this](std::shared_ptr<credit_batch> b) {
                    if (loaded.size() == room) throw std::bad_alloc();
                    loaded.push_back(std::move(b));
                  },
              .failed = [this](std::shared_ptr<credit_batch> b) { failed.push_back(std::move(b)); },
              .log = [this](log_level, const std::string&,
                            const std::string& text) { log.push_back(text); },
              .own_thread = own_thread}) {}

  static std::shared_ptr<credit_batch> batch(std::initializer_list<int> who) {
    auto made = std::make_shared<credit_batch>();
    for (const int each : who) {
      storage::tiered_request request;
      request.credit.student = student(each);
      request.credit.module = module_named("m1");
      made->requests.push_back(request);
    }
    made->count = made->requests.size();
    return made;
  }
  static std::shared_ptr<credit_batch> batch_of(std::size_t count) {
    auto made = batch({1});
    made->requests.resize(count, made->requests.front());
    made->count = count;
    return made;
  }
  static pair_key pair(int who) { return {student(who), module_named("m1")}; }
  void played(int who, media_ms to_ms) {
    auto& state = ledger.pairs[test::ledger_model::key_of(pair(who))];
    state = blank();
    state.covered.add({0, to_ms});
  }
  void turn() { rows.turn(std::chrono::milliseconds(0)); }

  manual_clock clock;
  test::ledger_model ledger{.has_everybody = true};
  store_weather weather;
  store_link link;
  fate never;
  std::mt19937_64 random{1};
  weather_plan plan{weather, link, never, random};
  std::size_t calls = 0;
  bool throws = false;
  std::size_t room = SIZE_MAX;  // for what is loaded
  ledger_probe ledger_state;
  std::vector<std::shared_ptr<credit_batch>> loaded, failed;
  std::vector<std::string> log;
  row_loader rows;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(row_loading)

BOOST_AUTO_TEST_CASE(what_several_wait_for_is_read_once) {
  loading l;
  l.played(1, 5'000);
  l.rows.load(l.batch({1, 2, 1}));
  l.rows.load(l.batch({2, 3}));
  BOOST_TEST(l.rows.waiting() == 5u);
  l.turn();
  BOOST_TEST(l.calls == 1u);
  BOOST_TEST(l.rows.waiting() == 0u);
  BOOST_REQUIRE(l.loaded.size() == 2u);
  BOOST_TEST(l.failed.empty());
  const auto* const row = l.loaded[0]->rows->find(l.pair(1));
  BOOST_REQUIRE(row);
  BOOST_REQUIRE(row->has_value());
  BOOST_TEST((*row)->state->covered.covered_ms() == 5'000);
  BOOST_REQUIRE(l.loaded[1]->rows->find(l.pair(3)));
  BOOST_TEST(!(*l.loaded[1]->rows->find(l.pair(3)))->state.has_value());
  BOOST_TEST(!l.loaded[0]->rows->find(l.pair(4)));
}

BOOST_AUTO_TEST_CASE(more_than_one_call_takes_is_read_in_parts) {
  loading l;
  for (int first = 0; first < 1200; first += 300) {
    auto batch = std::make_shared<credit_batch>();
    for (int who = first; who < first + 300; ++who)
      batch->requests.push_back(loading::batch({who})->requests[0]);
    batch->count = batch->requests.size();
    l.rows.load(batch);
  }
  l.turn();
  BOOST_TEST(l.calls == 3u);
  BOOST_TEST(l.loaded.size() == 4u);
  BOOST_TEST(l.loaded[0]->rows->find(l.pair(1199)));
}

BOOST_AUTO_TEST_CASE(beyond_the_limit_heartbeats_fail_at_once_and_the_others_go_on) {
  loading l;
  const auto one = storage_limits::batch_heartbeats_max;
  std::size_t sent = 0;
  for (; sent + one <= actor_limits::row_loads_waiting_max; sent += one)
    l.rows.load(l.batch_of(one));
  BOOST_TEST(l.failed.empty());
  l.rows.load(l.batch_of(actor_limits::row_loads_waiting_max - sent + 1));
  BOOST_TEST(l.failed.size() == 1u);
  BOOST_TEST(l.rows.waiting() == sent);
  l.turn();
  BOOST_TEST(l.loaded.size() == sent / one);
  l.rows.load(l.batch_of(one));
  BOOST_TEST(l.failed.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_ledger_that_is_away_is_said_with_the_batch) {
  loading l;
  l.weather.is_down = true;
  l.rows.load(l.batch({1}));
  l.turn();
  BOOST_REQUIRE(l.loaded.size() == 1u);
  BOOST_TEST(!l.loaded[0]->rows->rows.has_value());
  BOOST_TEST(!l.loaded[0]->rows->find(l.pair(1)));
  BOOST_TEST(l.ledger_state.failures > 0u);
}

BOOST_AUTO_TEST_CASE(a_fault_fails_the_batches_in_hand_and_not_those_that_come_later) {
  loading l;
  l.throws = true;
  l.rows.load(l.batch({1}));
  l.rows.load(l.batch({2, 3}));
  l.turn();
  BOOST_TEST(l.failed.size() == 2u);
  BOOST_TEST(l.rows.waiting() == 0u);
  BOOST_TEST(l.log.size() == 1u);
  l.throws = false;
  l.rows.load(l.batch({1}));
  l.turn();
  BOOST_TEST(l.loaded.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_batch_that_cannot_be_handed_over_comes_back_failed) {
  loading l;
  l.room = 1;
  for (const int who : {1, 2, 3}) l.rows.load(l.batch({who}));
  l.turn();
  BOOST_TEST(l.loaded.size() == 1u);
  BOOST_TEST(l.failed.size() == 2u);
  BOOST_TEST(l.rows.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(what_waits_at_the_end_is_loaded_and_what_comes_later_fails) {
  loading l(true);
  l.rows.load(l.batch({1}));
  l.rows.close();
  BOOST_TEST(l.loaded.size() == 1u);
  l.rows.load(l.batch({2}));
  BOOST_TEST(l.failed.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
