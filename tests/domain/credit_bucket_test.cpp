#include <boost/test/unit_test.hpp>

#include <limits>

#include "domain/credit_bucket.hpp"
#include "tests/domain/support.hpp"

using namespace watchkeeper;

BOOST_AUTO_TEST_SUITE(credit_buckets)

BOOST_AUTO_TEST_CASE(starts_with_60_seconds_and_the_first_refill_sets_the_time) {
  credit_bucket b;
  BOOST_TEST(b.available_ms(1000) == 60'000);
  b.refill(wall_ms{1'000'000});
  BOOST_TEST(b.available_ms(1000) == 60'000);
  BOOST_TEST(b.refilled_at_ms() == wall_ms{1'000'000});
  b.refill(wall_ms{1'000'010});
  BOOST_TEST(b.level_us() == 60'011'000);
}

BOOST_AUTO_TEST_CASE(media_costs_its_length_divided_by_the_rate) {
  credit_bucket b{10'000'000, wall_ms{1'000}};
  BOOST_TEST(b.available_ms(1000) == 10'000);
  BOOST_TEST(b.available_ms(2000) == 20'000);
  BOOST_TEST(b.available_ms(250) == 2'500);
  BOOST_TEST(b.available_ms(0) == 0);
  b.charge(10'000, 2000);
  BOOST_TEST(b.level_us() == 5'000'000);
  b.charge(1, 3000);  // a third of a millisecond, rounded up
  BOOST_TEST(b.level_us() == 4'999'666);
}

BOOST_AUTO_TEST_CASE(what_is_available_can_be_paid) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 2'000; ++round) {
      credit_bucket b{random.between<credit_us>(-500'000, limits::bucket_capacity_us),
                      wall_ms{1'000}};
      const auto rate = random.between<std::int32_t>(1, 16'000);
      const auto available_ms = b.available_ms(rate);
      if (available_ms == 0) continue;
      b.charge(available_ms, rate);
      BOOST_REQUIRE_GE(b.level_us(), 0);
      BOOST_REQUIRE_EQUAL(b.available_ms(rate), 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(holds_at_most_150_seconds) {
  credit_bucket b{149'999'000, wall_ms{1'000}};
  b.refill(wall_ms{1'001});
  BOOST_TEST(b.level_us() == limits::bucket_capacity_us);
  b.refill(wall_ms{std::numeric_limits<std::int64_t>::max()});
  BOOST_TEST(b.level_us() == limits::bucket_capacity_us);
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_a_little_behind_earns_nothing_and_is_not_remembered) {
  credit_bucket b{0, wall_ms{100'000}};
  b.refill(wall_ms{95'000});
  BOOST_TEST(b.level_us() == 0);
  BOOST_TEST(b.refilled_at_ms() == wall_ms{100'000});
  b.refill(wall_ms{100'001});
  BOOST_TEST(b.level_us() == 1'100);
}

BOOST_AUTO_TEST_CASE(a_clock_that_was_set_back_costs_nothing) {
  credit_bucket b{5'000'000, wall_ms{7'200'000}};
  b.refill(wall_ms{3'600'000});
  BOOST_TEST(b.level_us() == 5'000'000);
  b.refill(wall_ms{3'601'000});
  BOOST_TEST(b.level_us() == 6'100'000);
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_ahead_by_no_more_than_clocks_differ_is_waited_for) {
  for (const auto ahead_ms :
       {limits::clock_difference_ms_max, limits::clock_difference_ms_max + 1}) {
    credit_bucket b{0, wall_ms{100'000} + ahead_ms};
    b.refill(wall_ms{100'000});
    b.refill(wall_ms{101'000});
    BOOST_TEST(b.level_us() == (ahead_ms > limits::clock_difference_ms_max ? 1'100'000 : 0));
  }
}

BOOST_AUTO_TEST_CASE(without_its_bucket_a_student_has_what_was_earned_since_the_last_credit) {
  const wall_ms now{1'000'000'000};
  BOOST_TEST(credit_bucket::since(now, now).available_ms(1000) == 0);
  BOOST_TEST(credit_bucket::since(now - 10'000, now).available_ms(1000) == 11'000);
  BOOST_TEST(credit_bucket::since(now - 54'545, now).available_ms(1000) == 59'999);
  BOOST_TEST(credit_bucket::since(now - 54'546, now).available_ms(1000) == 60'000);
  BOOST_TEST(credit_bucket::since(now - 900'000'000, now).available_ms(1000) == 60'000);
  BOOST_TEST(credit_bucket::since(now - 10'000, now).refilled_at_ms() == now);
  BOOST_TEST(credit_bucket::since(never, now).available_ms(1000) == 60'000);
  // Another gateway's clock is a little ahead; or it was set back since.
  BOOST_TEST(credit_bucket::since(now + 30'000, now).available_ms(1000) == 0);
  BOOST_TEST(credit_bucket::since(now + 30'001, now).available_ms(1000) == 60'000);
}

BOOST_AUTO_TEST_CASE(debt_is_not_available_and_repaid_first) {
  credit_bucket b{100'000, wall_ms{10'000}};
  b.charge(100, 1000);
  b.charge(2 * limits::gap_closed_ms, 1000);
  BOOST_TEST(b.level_us() == -500'000);
  BOOST_TEST(b.available_ms(1000) == 0);
  b.refill(wall_ms{10'455});
  BOOST_TEST(b.available_ms(1000) == 0);
  b.refill(wall_ms{10'456});
  BOOST_TEST(b.available_ms(1000) == 1);
}

// However the time is cut up, the same is earned: two gateways refill at different moments.
BOOST_AUTO_TEST_CASE(many_refills_earn_what_one_does) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 500; ++round) {
      const credit_bucket start{random.between<credit_us>(-500'000, limits::bucket_capacity_us),
                                wall_ms{1'000}};
      auto often = start, once = start;
      wall_ms now{1'000};
      for (int i = 0; i < 20; ++i) {
        now += random.between<std::int64_t>(0, 4'000);
        often.refill(now);
      }
      once.refill(now);
      BOOST_REQUIRE(often == once);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
