#include "actors/stores/batch_linger.hpp"

#include <boost/test/unit_test.hpp>

using namespace watchkeeper;
using actors::batch_linger;

namespace {

/// One that has taken `heartbeats` every `period_us` for `seconds`; the time of the last is put
/// into `now`.
batch_linger busy(std::size_t heartbeats, std::int64_t period_us, mono_us& now) {
  batch_linger linger;
  now = mono_us(1'000'000);
  for (int i = 0; i < 2000; ++i) linger.took(heartbeats, now += period_us);
  return linger;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(batch_linger_rules)

BOOST_AUTO_TEST_CASE(at_first_there_is_no_rate_so_it_does_not_wait) {
  BOOST_TEST(batch_linger().wait_us(1, mono_us(5)) == 0);
}

BOOST_AUTO_TEST_CASE(the_rate_is_that_of_the_recent_batches) {
  mono_us now;
  const auto linger = busy(8, 1'000, now);
  BOOST_TEST(linger.rate_at(now) == 8'000, boost::test_tools::tolerance(0.02));
  BOOST_TEST(linger.rate_at(now + 1'000'000) < 1);
}

BOOST_AUTO_TEST_CASE(it_waits_as_long_as_the_missing_ones_need) {
  mono_us now;
  const auto linger = busy(10, 1'000, now);
  const auto in_hand = batch_linger::enough - 10;  // ten more, of 10 a millisecond
  const auto wait_us = linger.wait_us(in_hand, now);
  BOOST_TEST((wait_us > 980 && wait_us < 1'020));
  BOOST_TEST(wait_us > linger.wait_us(in_hand + 1, now));
  // More are missing than can come: those that come are worth the longest wait.
  BOOST_TEST(linger.wait_us(1, now) == batch_linger::wait_us_max);
}

BOOST_AUTO_TEST_CASE(with_enough_in_hand_or_nothing_it_never_waits) {
  mono_us now;
  const auto linger = busy(64, 1'000, now);
  BOOST_TEST(linger.wait_us(batch_linger::enough - 1, now) > 0);
  BOOST_TEST(linger.wait_us(batch_linger::enough, now) == 0);
  BOOST_TEST(linger.wait_us(512, now) == 0);
  BOOST_TEST(linger.wait_us(0, now) == 0);
}

BOOST_AUTO_TEST_CASE(at_low_rates_it_never_waits) {
  mono_us now;
  // 10,000 devices, one heartbeat every 10 s of each.
  const auto steady = busy(1, 1'000, now);
  for (std::size_t in_hand = 0; in_hand <= 20; ++in_hand)
    BOOST_TEST(steady.wait_us(in_hand, now) == 0);
  const auto just_below = busy(3, 800, now);
  BOOST_TEST(just_below.wait_us(15, now) == 0);
}

BOOST_AUTO_TEST_CASE(it_never_waits_longer_than_its_limit) {
  for (std::int64_t period_us = 20; period_us < 2'000; period_us += 7) {
    mono_us now;
    const auto linger = busy(4, period_us, now);
    for (std::size_t in_hand = 1; in_hand < batch_linger::enough; ++in_hand)
      BOOST_TEST(linger.wait_us(in_hand, now) <= batch_linger::wait_us_max);
  }
}

BOOST_AUTO_TEST_CASE(a_burst_is_forgotten) {
  batch_linger linger;
  linger.took(512, mono_us(1'000'000));
  BOOST_TEST(linger.wait_us(8, mono_us(1'000'000)) > 0);
  BOOST_TEST(linger.wait_us(8, mono_us(1'100'000)) == 0);
}

BOOST_AUTO_TEST_CASE(a_moment_before_the_last_one_does_no_harm) {
  mono_us now;
  auto linger = busy(10, 1'000, now);
  linger.took(10, now - 500'000);
  BOOST_TEST(linger.wait_us(6, now - 500'000) <= batch_linger::wait_us_max);
  BOOST_TEST(linger.rate_at(now) == 10'200, boost::test_tools::tolerance(0.02));
}

BOOST_AUTO_TEST_SUITE_END()
