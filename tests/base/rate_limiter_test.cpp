#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/rate_limiter.hpp"
#include "tests/domain/support.hpp"

using namespace watchkeeper;

namespace {

constexpr rate_limit four_a_second{250'000, 64};
constexpr unix_ms first_ms = 1'763'812'345'000;

/// A bucket of `burst` events that leaks, in whole microseconds of debt.
struct leaky_bucket {
  std::int64_t debt_us = 0;
  unix_ms at_ms = 0;

  void advance(unix_ms now_ms) {
    debt_us = std::max<std::int64_t>(0, debt_us - (now_ms - at_ms) * 1000);
    at_ms = now_ms;
  }
  [[nodiscard]] bool admits(const rate_limit& l) const {
    return debt_us + l.interval_us <= l.burst * l.interval_us;
  }
  void charge(const rate_limit& l) {
    debt_us = std::min(debt_us + l.interval_us, 2 * l.burst * l.interval_us);
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(rate_limiters)

BOOST_AUTO_TEST_CASE(is_eight_bytes) {
  BOOST_TEST(sizeof(rate_limiter) == 8u);
}

BOOST_AUTO_TEST_CASE(admits_the_burst_and_then_the_rate) {
  rate_limiter r;
  int admitted = 0;
  while (r.admits(first_ms, four_a_second) && admitted < 1000) {
    r.charge(first_ms, four_a_second);
    ++admitted;
  }
  BOOST_TEST(admitted == 64);
  BOOST_TEST(r.retry_after_ms(first_ms, four_a_second) == 250);
  BOOST_TEST(!r.admits(first_ms + 249, four_a_second));
  BOOST_TEST(r.admits(first_ms + 250, four_a_second));
  r.charge(first_ms + 250, four_a_second);
  BOOST_TEST(!r.admits(first_ms + 250, four_a_second));
}

BOOST_AUTO_TEST_CASE(the_debt_is_bounded) {
  rate_limiter r;
  for (int i = 0; i < 10'000; ++i) r.charge(first_ms, four_a_second);
  BOOST_TEST(r.retry_after_ms(first_ms, four_a_second) == 65 * 250);
  BOOST_TEST(!r.admits(first_ms + 65 * 250 - 1, four_a_second));
  BOOST_TEST(r.admits(first_ms + 65 * 250, four_a_second));
}

BOOST_AUTO_TEST_CASE(a_clock_set_back_locks_nobody_out) {
  rate_limiter r;
  for (int i = 0; i < 200; ++i) r.charge(first_ms, four_a_second);
  const auto earlier = first_ms - 3'600'000;
  BOOST_TEST(r.admits(earlier, four_a_second));
  BOOST_TEST(r.retry_after_ms(earlier, four_a_second) == 0);
  int admitted = 0;
  for (; r.admits(earlier, four_a_second) && admitted < 1000; ++admitted)
    r.charge(earlier, four_a_second);
  BOOST_TEST(admitted == 64);
  // Threads that read the clock a little apart are no step of the clock.
  BOOST_TEST(!r.admits(earlier - 5, four_a_second));
}

BOOST_AUTO_TEST_CASE(equals_a_leaky_bucket) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    int refused = 0;
    for (int round = 0; round < 100; ++round) {
      const rate_limit limit{random.between<std::int64_t>(1, 2'000'000),
                             random.between<std::int64_t>(1, 20)};
      rate_limiter r;
      leaky_bucket model;
      model.at_ms = first_ms;
      unix_ms now = first_ms;
      for (int step = 0; step < 200; ++step) {
        if (random.one_in(3)) now += random.between<unix_ms>(0, 3 * limit.interval_us / 1000 + 1);
        model.advance(now);
        BOOST_REQUIRE_EQUAL(r.admits(now, limit), model.admits(limit));
        const auto wait = r.retry_after_ms(now, limit);
        BOOST_REQUIRE_EQUAL(wait == 0, r.admits(now, limit));
        BOOST_REQUIRE(r.admits(now + wait, limit));
        if (wait > 0) {
          ++refused;
          BOOST_REQUIRE(!r.admits(now + wait - 1, limit));
        }
        if (!random.one_in(4)) {
          r.charge(now, limit);
          model.charge(limit);
        }
      }
    }
    BOOST_TEST(refused > 100);
  }
}

BOOST_AUTO_TEST_CASE(threads_lose_no_charge) {
  constexpr rate_limit limit{1'000, 1'000'000};
  rate_limiter r;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) r.charge(first_ms, limit);
    });
  for (auto& t : threads) t.join();
  // 80,000 charges of 1 ms: with a burst of one the debt is told to the millisecond.
  BOOST_TEST(r.retry_after_ms(first_ms, {1'000, 1'000'000}) == 0);
  BOOST_TEST(!r.admits(first_ms, {1'000, 80'000}));
  BOOST_TEST(r.admits(first_ms, {1'000, 80'001}));
}

BOOST_AUTO_TEST_SUITE_END()
