#include <boost/test/unit_test.hpp>
#include <numeric>

#include "domain/heatmap_bins.hpp"
#include "domain/heatmap_insights.hpp"
#include "tests/domain/support.hpp"

using namespace watchkeeper;

namespace {

std::uint64_t total(const bin_sums& sums) {
  return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

/// Durations that matter: short, around the edges of the rule, long.
media_ms random_duration(test::random_source& random) {
  switch (random.between(0, 4)) {
    case 0:
      return random.between<media_ms>(1, 3'000);
    case 1:
      return random.between<media_ms>(598'000, 602'000);
    case 2:
      return random.between<media_ms>(999'000, 1'003'000);
    default:
      return random.between<media_ms>(1'000, 40'000);
  }
}

media_interval random_range(test::random_source& random, media_ms until_ms) {
  const auto from = random.between<media_ms>(0, until_ms - 1);
  return {from, random.between<media_ms>(from + 1, std::min(until_ms, from + 9'000))};
}

/// A module that `students` saw once, from the start to the end.
heatmap_bins seen_once(media_ms duration_ms, std::uint64_t students) {
  heatmap_bins seen{heatmap_layout::of(duration_ms), {}, {}};
  for (std::size_t i = 0; i < seen.layout.bins; ++i)
    seen.viewer_ms.push_back(students * static_cast<std::uint64_t>(seen.layout.length_ms(i)));
  seen.play_ms = seen.viewer_ms;
  return seen;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(heatmaps)

BOOST_AUTO_TEST_CASE(bins_are_of_a_second_and_at_most_a_thousand) {
  const auto bins_of = [](media_ms duration_ms) { return heatmap_layout::of(duration_ms).bins; };
  const auto bin_ms_of = [](media_ms duration_ms) {
    return heatmap_layout::of(duration_ms).bin_ms;
  };
  BOOST_TEST(bins_of(0) == 0u);
  BOOST_TEST(bins_of(-1) == 0u);
  BOOST_TEST(bins_of(1) == 1u);
  BOOST_TEST(bins_of(600'000) == 600u);
  BOOST_TEST(bin_ms_of(600'000) == 1'000);
  BOOST_TEST(bins_of(600'001) == 601u);
  BOOST_TEST(bins_of(1'000'000) == 1'000u);
  BOOST_TEST(bin_ms_of(1'000'001) == 1'001);
  BOOST_TEST(bins_of(1'000'001) == 1'000u);
  BOOST_TEST(bins_of(limits::media_duration_ms_max) == 1'000u);
  BOOST_TEST(bin_ms_of(limits::media_duration_ms_max) == 86'400);
  const auto layout = heatmap_layout::of(2'500);
  BOOST_TEST(layout.length_ms(1) == 1'000);
  BOOST_TEST(layout.length_ms(2) == 500);
}

BOOST_AUTO_TEST_CASE(ranges_equal_one_millisecond_at_a_time) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 300; ++round) {
      const auto duration_ms = random_duration(random);
      const auto layout = heatmap_layout::of(duration_ms);
      BOOST_REQUIRE_LE(layout.bins, limits::heatmap_bins_max);
      bin_sums sums, slow(layout.bins);
      for (int i = 0; i < 12; ++i) {
        // Beyond the end as well: a module may have been longer.
        const auto range = random_range(random, duration_ms + (random.one_in(3) ? 5'000 : 0));
        add_range(sums, layout, range);
        for (auto t = range.from_ms; t < std::min(range.to_ms, duration_ms); ++t)
          ++slow[static_cast<std::size_t>(t / layout.bin_ms)];
      }
      BOOST_REQUIRE(sums == slow);
    }
  }
}

/// The sum over all bins is the time that was covered: whatever comes in which order, twice or not.
BOOST_AUTO_TEST_CASE(viewers_are_conserved) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 300; ++round) {
      const auto duration_ms = random_duration(random);
      const auto layout = heatmap_layout::of(duration_ms);
      bin_sums viewers(layout.bins);
      std::uint64_t covered_ms = 0;
      for (int student = 0; student < 4; ++student) {
        coverage held;
        for (int i = random.between(0, 6); i > 0; --i) {
          const auto added = random_range(random, duration_ms);
          for (const auto& fresh : held.fresh_ranges(added)) add_range(viewers, layout, fresh);
          held.add(added);
        }
        covered_ms += static_cast<std::uint64_t>(held.covered_ms());
      }
      BOOST_REQUIRE_EQUAL(total(viewers), covered_ms);
    }
  }
}

BOOST_AUTO_TEST_CASE(downsampling_keeps_every_millisecond) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 300; ++round) {
      heatmap_bins full{heatmap_layout::of(random_duration(random)), {}, {}};
      for (std::size_t i = 0; i < full.layout.bins; ++i) {
        full.viewer_ms.push_back(random.between<std::uint64_t>(0, 5'000));
        full.play_ms.push_back(random.between<std::uint64_t>(0, 9'000));
      }
      const auto wanted = random.between<std::size_t>(1, 1'000);
      const auto less = downsampled(full, wanted);
      BOOST_REQUIRE_LE(less.layout.bins, wanted);
      BOOST_REQUIRE_EQUAL(less.layout.duration_ms, full.layout.duration_ms);
      BOOST_REQUIRE_EQUAL(less.layout.start_ms(less.layout.bins), full.layout.duration_ms);
      for (std::size_t k = 0; k < less.layout.bins; ++k) {
        std::uint64_t viewers = 0, plays = 0;
        for (std::size_t i = 0; i < full.layout.bins; ++i)
          if (full.layout.start_ms(i) >= less.layout.start_ms(k) &&
              full.layout.start_ms(i) < less.layout.start_ms(k + 1)) {
            viewers += full.viewer_ms[i];
            plays += full.play_ms[i];
          }
        BOOST_REQUIRE_EQUAL(less.viewer_ms[k], viewers);
        BOOST_REQUIRE_EQUAL(less.play_ms[k], plays);
      }
      if (wanted >= full.layout.bins) BOOST_REQUIRE(less == full);
    }
  }
}

BOOST_AUTO_TEST_CASE(another_duration_keeps_what_lies_within_it) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 500; ++round) {
      const auto from = heatmap_layout::of(random_duration(random));
      const auto to = heatmap_layout::of(random_duration(random));
      bin_sums sums(from.bins);
      for (auto& each : sums) each = random.between<std::uint64_t>(0, 1'000'000'000'000);
      const auto moved = rebinned(sums, from, to);
      BOOST_REQUIRE_EQUAL(moved.size(), to.bins);
      BOOST_REQUIRE_LE(total(moved), total(sums));
      if (to.duration_ms >= from.duration_ms) BOOST_REQUIRE_EQUAL(total(moved), total(sums));
    }
  }
  // The same bins, a longer module: everything stays where it is.
  const bin_sums three{1, 2, 3};
  BOOST_TEST((rebinned(three, heatmap_layout::of(3'000), heatmap_layout::of(5'000)) ==
              bin_sums{1, 2, 3, 0, 0}));
  BOOST_TEST(
      (rebinned(three, heatmap_layout::of(3'000), heatmap_layout::of(2'000)) == bin_sums{1, 2}));
  BOOST_TEST(rebinned({}, {}, heatmap_layout::of(2'000)) == bin_sums(2),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_watched_again_and_again_is_a_hotspot) {
  auto seen = seen_once(600'000, 20);
  BOOST_TEST(hotspots_of(seen).empty());
  for (std::size_t i = 100; i < 110; ++i) seen.play_ms[i] *= 3;
  seen.play_ms[105] /= 3;  // a bin between that is not
  seen.play_ms[300] = seen.play_ms[300] * 8 / 5;
  const auto found = hotspots_of(seen);
  BOOST_REQUIRE(found.size() == 2u);
  BOOST_TEST(found[0].from_ms == 100'000);
  BOOST_TEST(found[0].to_ms == 110'000);
  BOOST_TEST(found[0].plays_per_viewer == 2.8, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(found[1].from_ms == 300'000);
  BOOST_TEST(found[1].plays_per_viewer == 1.6, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(one_student_of_many_makes_no_hotspot) {
  auto seen = seen_once(100'000, 100);
  seen.viewer_ms[90] = 4'000;  // 4 of 100: under a twentieth
  seen.play_ms[90] = 40'000;
  BOOST_TEST(hotspots_of(seen).empty());
  BOOST_TEST(hotspots_of({}).empty());
  BOOST_TEST(hotspots_of({heatmap_layout::of(3'000), bin_sums(3), bin_sums(3)}).empty());
}

BOOST_AUTO_TEST_CASE(where_many_leave_is_a_drop_off) {
  auto seen = seen_once(600'000, 100);
  for (std::size_t i = 200; i < 600; ++i) seen.viewer_ms[i] = 60'000;
  for (std::size_t i = 400; i < 600; ++i) seen.viewer_ms[i] = 55'000;
  const auto found = drop_offs_of(seen);
  BOOST_REQUIRE(found.size() == 2u);
  BOOST_TEST(found[0].at_ms == 200'000);
  BOOST_TEST(found[0].lost == 40);
  BOOST_TEST(found[0].share == 0.4, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(found[1].at_ms == 400'000);
  BOOST_TEST(found[1].lost == 5);
  BOOST_TEST(drop_offs_of(seen_once(600'000, 100)).empty());
  BOOST_TEST(drop_offs_of({}).empty());
  BOOST_TEST(drop_offs_of(seen_once(1, 100)).empty());
}

BOOST_AUTO_TEST_CASE(findings_are_few_in_order_and_true) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 400; ++round) {
      heatmap_bins seen{heatmap_layout::of(random_duration(random)), {}, {}};
      for (std::size_t i = 0; i < seen.layout.bins; ++i) {
        seen.viewer_ms.push_back(random.between<std::uint64_t>(0, 20) * 1'000);
        seen.play_ms.push_back(seen.viewer_ms.back() * random.between<std::uint64_t>(1, 4));
      }
      const auto hot = hotspots_of(seen);
      BOOST_REQUIRE_LE(hot.size(), limits::heatmap_findings_max);
      for (std::size_t i = 0; i < hot.size(); ++i) {
        BOOST_REQUIRE_LT(hot[i].from_ms, hot[i].to_ms);
        BOOST_REQUIRE_LE(hot[i].to_ms, seen.layout.duration_ms);
        BOOST_REQUIRE_GT(hot[i].plays_per_viewer, 1);
        if (i > 0) BOOST_REQUIRE_LT(hot[i - 1].to_ms, hot[i].from_ms);
      }
      const auto falls = drop_offs_of(seen);
      BOOST_REQUIRE_LE(falls.size(), limits::heatmap_findings_max);
      for (std::size_t i = 0; i < falls.size(); ++i) {
        BOOST_REQUIRE_GE(falls[i].lost, 1);
        BOOST_REQUIRE(falls[i].share > 0 && falls[i].share <= 1);
        BOOST_REQUIRE(falls[i].at_ms > 0 && falls[i].at_ms < seen.layout.duration_ms);
        if (i > 0) BOOST_REQUIRE_LT(falls[i - 1].at_ms, falls[i].at_ms);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
