#include <boost/test/unit_test.hpp>

#include <limits>

#include "domain/credit_bucket.hpp"
#include "tests/domain/support.hpp"

using namespace watchkeeper;

BOOST_AUTO_TEST_SUITE(credit_buckets)

BOOST_AUTO_TEST_CASE(starts_with_60_seconds_and_the_first_refill_sets_the_time) {
  credit_bucket b;
  BOOST_TEST(b.available_ms() == 60'000);
  b.refill(1'000'000, 2200);
  BOOST_TEST(b.available_ms() == 60'000);
  BOOST_TEST(b.refilled_at_ms() == 1'000'000);
  b.refill(1'000'010, 2200);
  BOOST_TEST(b.level_us() == 60'022'000);
}

BOOST_AUTO_TEST_CASE(holds_at_most_120_seconds) {
  credit_bucket b{119'999'000, 1'000};
  b.refill(1'001, 2200);
  BOOST_TEST(b.level_us() == limits::bucket_capacity_us);
  b.refill(std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int32_t>::max());
  BOOST_TEST(b.level_us() == limits::bucket_capacity_us);
}

BOOST_AUTO_TEST_CASE(a_clock_that_went_back_earns_nothing_and_is_not_remembered) {
  credit_bucket b{0, 10'000};
  b.refill(5'000, 2200);
  BOOST_TEST(b.level_us() == 0);
  BOOST_TEST(b.refilled_at_ms() == 10'000);
  b.refill(10'001, 2200);
  BOOST_TEST(b.level_us() == 2200);
}

BOOST_AUTO_TEST_CASE(debt_is_not_available_and_repaid_first) {
  credit_bucket b{100'000, 10'000};
  b.charge(100);
  b.charge(2 * limits::gap_closed_ms);
  BOOST_TEST(b.level_us() == -500'000);
  BOOST_TEST(b.available_ms() == 0);
  b.refill(10'250, 2000);
  BOOST_TEST(b.level_us() == 0);
  b.refill(10'251, 2000);
  BOOST_TEST(b.available_ms() == 2);
}

// However the time is cut up, the same is earned: two gateways refill at different moments.
BOOST_AUTO_TEST_CASE(many_refills_earn_what_one_does) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 500; ++round) {
      const auto rate = random.between<std::int32_t>(1, 4400);
      const credit_bucket start{random.between<credit_us>(-500'000, 120'000'000), 1'000};
      auto often = start, once = start;
      unix_ms now = 1'000;
      for (int i = 0; i < 20; ++i) {
        now += random.between<unix_ms>(0, 4'000);
        often.refill(now, rate);
      }
      once.refill(now, rate);
      BOOST_REQUIRE(often == once);
    }
  }
}

BOOST_AUTO_TEST_CASE(rates_are_rounded_to_the_nearest_permille) {
  BOOST_TEST(bucket_rate_permille(2.0) == 2200);
  BOOST_TEST(bucket_rate_permille(1.0) == 1100);
  BOOST_TEST(bucket_rate_permille(1.25) == 1375);
  BOOST_TEST(bucket_rate_permille(1.2345) == 1358);
  BOOST_TEST(bucket_rate_permille(0) == 0);
  BOOST_TEST(bucket_rate_permille(-1) == 0);
  BOOST_TEST(bucket_rate_permille(std::numeric_limits<double>::quiet_NaN()) == 0);
  BOOST_TEST(bucket_rate_permille(1e300) > 0);
}

BOOST_AUTO_TEST_SUITE_END()
