#include <boost/test/unit_test.hpp>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/latency_histogram.hpp"
#include "base/result.hpp"
#include "domain/problem.hpp"

using namespace watchkeeper;

BOOST_AUTO_TEST_SUITE(small_types)

BOOST_AUTO_TEST_CASE(a_result_is_a_value_or_an_error) {
  result<std::string, problem> good{std::string{"yes"}};
  BOOST_TEST(good.has_value());
  BOOST_TEST(static_cast<bool>(good));
  BOOST_TEST(*good == "yes");
  BOOST_TEST(good->size() == 3u);
  BOOST_CHECK_THROW((void)good.error(), std::bad_variant_access);

  result<std::string, problem> bad{problem::conflict};
  BOOST_TEST(!bad);
  BOOST_TEST(bad.error() == problem::conflict);
  BOOST_CHECK_THROW((void)bad.value(), std::bad_variant_access);

  result<std::unique_ptr<int>, problem> moved{std::make_unique<int>(7)};
  const auto out = std::move(moved).value();
  BOOST_TEST(*out == 7);
}

BOOST_AUTO_TEST_CASE(histogram_buckets_are_narrow_and_in_order) {
  std::uint64_t last = 0;
  for (std::size_t b = 1; b < latency_histogram::buckets; ++b) {
    const auto upper = latency_histogram::upper_bound_us(b);
    BOOST_TEST(upper > last);
    BOOST_TEST(latency_histogram::bucket_of(upper) == b);
    BOOST_TEST(latency_histogram::bucket_of(last + 1) == b);
    if (last >= 8)
      BOOST_TEST(static_cast<double>(upper - last) <= 0.125 * static_cast<double>(last + 1));
    last = upper;
  }
  BOOST_TEST(last > 3'600'000'000u);  // over an hour
  BOOST_TEST(latency_histogram::bucket_of(~std::uint64_t{0}) == latency_histogram::buckets - 1);
}

BOOST_AUTO_TEST_CASE(histogram_quantiles_bound_the_recorded_values) {
  latency_histogram h;
  BOOST_TEST(h.quantile_us(0.5) == 0u);
  for (std::int64_t us = 1; us <= 1000; ++us) h.record_us(us);
  BOOST_TEST(h.count() == 1000u);
  BOOST_TEST(h.sum_us() == 500'500u);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    const auto exact = q * 1000;
    BOOST_TEST(static_cast<double>(h.quantile_us(q)) >= exact);
    BOOST_TEST(static_cast<double>(h.quantile_us(q)) <= exact * 1.13 + 1);
  }
  latency_histogram sum;
  sum.add(h);
  sum.add(h);
  BOOST_TEST(sum.count() == 2000u);
  BOOST_TEST(sum.sum_us() == 1'001'000u);
  sum.record_us(5, 3);
  BOOST_TEST(sum.count() == 2003u);
}

BOOST_AUTO_TEST_CASE(histogram_loses_nothing_between_threads) {
  latency_histogram h;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&h, t] {
      for (int i = 0; i < 10'000; ++i) h.record_us(t);
    });
  for (auto& t : threads) t.join();
  BOOST_TEST(h.count() == 40'000u);
  BOOST_TEST(h.sum_us() == 60'000u);
}

BOOST_AUTO_TEST_SUITE_END()
