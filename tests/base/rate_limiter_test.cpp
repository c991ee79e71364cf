#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/rate_limiter.hpp"
#include "tests/base/manual_clock.hpp"
#include "tests/domain/support.hpp"

using namespace watchkeeper;

namespace {

constexpr rate_limit four_a_second{250'000, 64};
constexpr mono_ms first(345'000);

/// A bucket of `burst` events that leaks, in whole microseconds of debt.
struct leaky_bucket {
  std::int64_t debt_us = 0;
  mono_ms at;

  void advance(mono_ms now) {
    debt_us = std::max<std::int64_t>(0, debt_us - (now - at) * 1000);
    at = now;
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
  while (r.admits(first, four_a_second) && admitted < 1000) {
    r.charge(first, four_a_second);
    ++admitted;
  }
  BOOST_TEST(admitted == 64);
  BOOST_TEST(r.retry_after_ms(first, four_a_second) == 250);
  BOOST_TEST(!r.admits(first + 249, four_a_second));
  BOOST_TEST(r.admits(first + 250, four_a_second));
  r.charge(first + 250, four_a_second);
  BOOST_TEST(!r.admits(first + 250, four_a_second));
}

BOOST_AUTO_TEST_CASE(the_debt_is_bounded) {
  rate_limiter r;
  for (int i = 0; i < 10'000; ++i) r.charge(first, four_a_second);
  BOOST_TEST(r.retry_after_ms(first, four_a_second) == 65 * 250);
  BOOST_TEST(!r.admits(first + 65 * 250 - 1, four_a_second));
  BOOST_TEST(r.admits(first + 65 * 250, four_a_second));
}

BOOST_AUTO_TEST_CASE(a_wall_clock_that_is_set_back_changes_nothing) {
  test::manual_clock clock;
  rate_limiter r;
  for (int i = 0; i < 64; ++i) r.charge(clock.monotonic_now(), four_a_second);
  clock.step_wall(-3'600'000);
  BOOST_TEST(r.retry_after_ms(clock.monotonic_now(), four_a_second) == 250);
  clock.advance(250);
  BOOST_TEST(r.admits(clock.monotonic_now(), four_a_second));
}

BOOST_AUTO_TEST_CASE(threads_may_read_the_clock_a_little_apart) {
  rate_limiter r;
  for (int i = 0; i < 64; ++i) r.charge(first, four_a_second);
  BOOST_TEST(!r.admits(first - 5, four_a_second));
  BOOST_TEST(r.retry_after_ms(first - 5, four_a_second) == 255);
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
      model.at = first;
      mono_ms now = first;
      for (int step = 0; step < 200; ++step) {
        if (random.one_in(3))
          now += random.between<std::int64_t>(0, 3 * limit.interval_us / 1000 + 1);
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
      for (int i = 0; i < 20'000; ++i) r.charge(first, limit);
    });
  for (auto& t : threads) t.join();
  // 80,000 charges of 1 ms: with a burst of one the debt is told to the millisecond.
  BOOST_TEST(r.retry_after_ms(first, {1'000, 1'000'000}) == 0);
  BOOST_TEST(!r.admits(first, {1'000, 80'000}));
  BOOST_TEST(r.admits(first, {1'000, 80'001}));
}

BOOST_AUTO_TEST_SUITE_END()
