#include <boost/test/unit_test.hpp>

#include "domain/progress.hpp"
#include "tests/domain/support.hpp"

using namespace watchkeeper;

namespace {

// Few distinct values, so that ties are frequent.
progress random_progress(test::random_source& random) {
  progress p;
  for (int n = random.between(0, 4); n > 0; --n) {
    const auto from = random.between<media_ms>(0, 5'000);
    p.covered.add({from, from + random.between<media_ms>(1, 900)});
  }
  p.duration_ms = random.between<media_ms>(5, 7) * 1000;
  p.playtime_ms = random.between<std::int64_t>(0, 5);
  p.resume_ms = random.between<media_ms>(0, 3);
  p.resume_at_ms = wall_ms{random.between<std::int64_t>(0, 2)};
  p.updated_ms = wall_ms{random.between<std::int64_t>(0, 2)};
  p.mastered_ms = wall_ms{random.between<std::int64_t>(0, 2)};
  return p;
}

progress merged(progress a, const progress& b) {
  merge(a, b);
  return a;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(progresses)

BOOST_AUTO_TEST_CASE(merging_is_idempotent_commutative_and_associative) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 5'000; ++round) {
      const auto a = random_progress(random), b = random_progress(random),
                 c = random_progress(random);
      BOOST_REQUIRE(merged(a, a) == a);
      BOOST_REQUIRE(merged(a, b) == merged(b, a));
      BOOST_REQUIRE(merged(merged(a, b), c) == merged(a, merged(b, c)));
    }
  }
}

BOOST_AUTO_TEST_CASE(merging_never_takes_anything_back) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 2'000; ++round) {
      const auto a = random_progress(random), b = random_progress(random);
      const auto both = merged(a, b);
      for (const auto& piece : a.covered.pieces()) BOOST_REQUIRE(both.covered.contains(piece));
      for (const auto& piece : b.covered.pieces()) BOOST_REQUIRE(both.covered.contains(piece));
      BOOST_REQUIRE(both.playtime_ms >= a.playtime_ms);
      BOOST_REQUIRE(both.updated_ms >= a.updated_ms);
      if (a.mastered_ms != never) {
        BOOST_REQUIRE(both.mastered_ms != never);
        BOOST_REQUIRE(both.mastered_ms <= a.mastered_ms);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(the_later_position_wins_and_the_earliest_mastery) {
  progress a, b;
  a.resume_ms = 9'000, a.resume_at_ms = wall_ms{100}, a.mastered_ms = never, a.duration_ms = 5,
  a.updated_ms = wall_ms{1};
  b.resume_ms = 1'000, b.resume_at_ms = wall_ms{200}, b.mastered_ms = wall_ms{70},
  b.duration_ms = 4, b.updated_ms = wall_ms{2};
  const auto both = merged(a, b);
  BOOST_TEST(both.resume_ms == 1'000);
  BOOST_TEST(both.resume_at_ms == wall_ms{200});
  BOOST_TEST(both.mastered_ms == wall_ms{70});
  BOOST_TEST(both.duration_ms == 4);
}

// At the limit two copies become one that every store can read again.
BOOST_AUTO_TEST_CASE(merging_never_gives_more_pieces_than_a_store_takes) {
  progress even, odd;
  for (media_ms i = 0; i < static_cast<media_ms>(limits::coverage_intervals_max); ++i) {
    even.covered.add({i * 2'000, i * 2'000 + 500});
    odd.covered.add({i * 2'000 + 1'000, i * 2'000 + 1'400});
  }
  const auto both = merged(even, odd);
  BOOST_TEST(both.covered.pieces().size() == limits::coverage_intervals_max);
  BOOST_REQUIRE(coverage::decode(both.covered.encode()).has_value());
  BOOST_REQUIRE(both == even);  // its pieces are the longer ones
  BOOST_REQUIRE(merged(odd, even) == even);
  BOOST_REQUIRE(merged(both, odd) == even);
}

// Positions are those of copies of one pair: where the one that was played last ended, also if a
// budget cut it there.
BOOST_AUTO_TEST_CASE(a_merged_position_is_never_farther_than_what_counted_last) {
  progress whole, cut;
  whole.covered.add({0, 60'000}), whole.resume_ms = 60'000, whole.resume_at_ms = wall_ms{100};
  cut.covered.add({10'000, 14'000}), cut.resume_ms = 14'000, cut.resume_at_ms = wall_ms{101};
  BOOST_TEST(merged(whole, cut).resume_ms == 14'000);
  BOOST_TEST(merged(cut, whole).resume_ms == 14'000);
  BOOST_TEST(merged(cut, progress{}).resume_ms == 14'000);
}

BOOST_AUTO_TEST_CASE(a_summary_has_the_numbers) {
  progress p;
  p.covered.add({0, 1'500});
  p.covered.add({2'500, 4'500});  // beyond the end
  p.duration_ms = 3'000, p.playtime_ms = 9, p.resume_ms = 8, p.updated_ms = wall_ms{7},
  p.mastered_ms = wall_ms{6};
  BOOST_TEST((summarize(p, 3'200) == progress_summary{.covered_ms = 3'500,
                                                      .measured_ms = 2'200,
                                                      .duration_ms = 3'200,
                                                      .playtime_ms = 9,
                                                      .resume_ms = 8,
                                                      .updated_ms = wall_ms{7},
                                                      .mastered_ms = wall_ms{6}}));
}

BOOST_AUTO_TEST_CASE(playback_goes_on_at_the_end_at_the_latest) {
  BOOST_TEST(resume_within(59'999, 60'000) == 59'999);
  BOOST_TEST(resume_within(60'000, 60'000) == 60'000);
  BOOST_TEST(resume_within(115'000, 60'000) == 60'000);
  BOOST_TEST(resume_within(0, 0) == 0);
}

BOOST_AUTO_TEST_CASE(mastery_is_reached_by_what_lies_within_the_module) {
  coverage covered;
  covered.add({60'000, 115'000});
  covered.add({0, 3'000});
  BOOST_TEST(!reaches_mastery(covered, {.duration_ms = 60'000}));
  BOOST_TEST(!reaches_mastery(covered, {.duration_ms = 120'000}));
  covered.add({3'000, 57'000});
  BOOST_TEST(reaches_mastery(covered, {.duration_ms = 60'000}));
  BOOST_TEST(!reaches_mastery(covered, {.duration_ms = 0, .mastery_centipercent = 0}));
}

BOOST_AUTO_TEST_CASE(percentages_are_rounded_down) {
  BOOST_TEST(seconds_watched(999) == 0);
  BOOST_TEST(seconds_watched(170'999) == 170);
  BOOST_TEST(completion_centipercent(170'000, 600'000) == 2833);
  BOOST_TEST(completion_centipercent(599'999, 600'000) == 9999);
  BOOST_TEST(completion_centipercent(600'000, 600'000) == 10'000);
  BOOST_TEST(completion_centipercent(700'000, 600'000) == 10'000);
  BOOST_TEST(completion_centipercent(1, 0) == 0);
  BOOST_TEST(completion_centipercent(limits::media_duration_ms_max,
                                     limits::media_duration_ms_max) == 10'000);
}

BOOST_AUTO_TEST_CASE(mastery_begins_exactly_where_the_percentage_reaches_the_threshold) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 20'000; ++round) {
      module_rules rules;
      rules.duration_ms = random.one_in(2) ? random.between<media_ms>(1, 2'000)
                                           : random.between<media_ms>(1, 86'400'000);
      rules.mastery_centipercent = random.between<std::int32_t>(1, 10'000);
      const auto needed = mastery_measured_ms(rules);
      BOOST_REQUIRE(completion_centipercent(needed, rules.duration_ms) >=
                    rules.mastery_centipercent);
      BOOST_REQUIRE(completion_centipercent(needed - 1, rules.duration_ms) <
                    rules.mastery_centipercent);
    }
  }
  BOOST_TEST(mastery_measured_ms({600'000, 9500, 2000}) == 570'000);
  BOOST_TEST(mastery_measured_ms({600'000, 0, 2000}) == 1);
  BOOST_TEST(mastery_measured_ms({0, 9500, 2000}) == 1);
}

BOOST_AUTO_TEST_SUITE_END()
