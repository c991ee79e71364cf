#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <map>

#include "domain/credit.hpp"
#include "tests/domain/credit_model.hpp"
#include "tests/domain/support.hpp"

using namespace watchkeeper;

namespace {

constexpr wall_ms start_ms{1'763'812'345'000};

credit_request request_for(std::uint32_t sequence, media_interval interval,
                           wall_ms now_ms = start_ms) {
  credit_request r;
  r.student = *student_id::parse("student");
  r.module = *module_id::parse("module-a");
  r.session = *session_id::parse("session");
  r.sequence = sequence;
  r.interval = interval;
  r.now_ms = now_ms;
  r.played_at_ms = now_ms;
  r.duration_ms = 600'000;
  r.mastery_measured_ms = 570'000;
  r.max_rate_permille = 2000;
  return r;
}

struct fixture {
  session_state session;
  credit_bucket bucket;
  progress pair;

  credit_outcome apply(const credit_request& r) { return apply_credit(r, session, bucket, pair); }

  /// Applies what must be refused, and checks that nothing has moved.
  problem refused(const credit_request& r) {
    const auto before = *this;
    const auto out = apply(r);
    BOOST_TEST(out.status == credit_status::rejected);
    BOOST_TEST(out.now == progress_summary{});
    BOOST_TEST(session == before.session);
    BOOST_TEST(bucket == before.bucket);
    BOOST_TEST(pair == before.pair);
    return out.why;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(credits, fixture)

BOOST_AUTO_TEST_CASE(a_first_heartbeat_is_credited) {
  const auto out = apply(request_for(0, {0, 10'000}));
  BOOST_TEST(out.status == credit_status::credited);
  BOOST_TEST(out.why == problem::none);
  BOOST_TEST(out.credited_ms == 10'000);
  BOOST_TEST((out.now == progress_summary{.covered_ms = 10'000,
                                          .measured_ms = 10'000,
                                          .duration_ms = 600'000,
                                          .playtime_ms = 10'000,
                                          .resume_ms = 10'000,
                                          .updated_ms = start_ms}));
  BOOST_TEST(session.module == *module_id::parse("module-a"));
  BOOST_TEST(bucket.level_us() == 55'000'000);  // 10 s of media at 2.0 are 5 s
  BOOST_TEST((out.played == media_interval{0, 10'000}));
  BOOST_TEST(bucket.refilled_at_ms() == start_ms);
}

BOOST_AUTO_TEST_CASE(only_what_lies_within_the_module_counts) {
  pair.covered.add({60'000, 115'000});  // of a time when the module was longer
  pair.duration_ms = 120'000;
  auto r = request_for(0, {0, 3'000});
  r.duration_ms = 60'000;
  r.mastery_measured_ms = 57'000;
  const auto out = apply(r);
  BOOST_TEST(!out.newly_mastered);
  BOOST_TEST(out.now.measured_ms == 3'000);
  BOOST_TEST(out.now.covered_ms == 58'000);
  BOOST_TEST(out.now.duration_ms == 60'000);
}

BOOST_AUTO_TEST_CASE(short_gaps_at_the_ends_count_as_seen) {
  for (const auto& [at_the_start_ms, mastered] :
       std::initializer_list<std::pair<media_ms, bool>>{{250, true}, {251, false}}) {
    fixture fresh;
    auto r = request_for(0, {at_the_start_ms, 9'750});
    r.duration_ms = r.mastery_measured_ms = 10'000;
    BOOST_TEST(fresh.apply(r).newly_mastered == mastered);
  }
}

BOOST_AUTO_TEST_CASE(a_session_keeps_to_its_first_module) {
  apply(request_for(0, {0, 10'000}));
  auto other = request_for(1, {0, 10'000});
  other.module = *module_id::parse("module-b");
  BOOST_TEST(refused(other) == problem::session_mismatch);
}

BOOST_AUTO_TEST_CASE(a_duplicate_changes_nothing_and_tells_the_progress) {
  apply(request_for(7, {0, 10'000}));
  const auto before = *this;
  const auto out = apply(request_for(7, {0, 10'000}, start_ms + 9'000));
  BOOST_TEST(out.status == credit_status::duplicate);
  BOOST_TEST((out.played == media_interval{}));
  BOOST_TEST(out.credited_ms == 0);
  BOOST_TEST(out.now == summarize(before.pair, 600'000));
  BOOST_TEST(bucket == before.bucket);
  BOOST_TEST(pair == before.pair);
  BOOST_TEST(session == before.session);
}

BOOST_AUTO_TEST_CASE(a_number_behind_the_window_is_stale) {
  apply(request_for(100, {0, 1'000}));
  BOOST_TEST(refused(request_for(36, {1'000, 2'000}, start_ms + 5'000)) == problem::stale_token);
  BOOST_TEST(apply(request_for(37, {1'000, 2'000})).status == credit_status::credited);
}

BOOST_AUTO_TEST_CASE(another_interval_under_a_used_number_counts_nothing) {
  apply(request_for(7, {0, 10'000}));
  const auto reused = [&](media_interval interval) {
    return refused(request_for(7, interval, start_ms + 9'000)) == problem::sequence_reused;
  };
  BOOST_TEST(reused({20'000, 30'000}));
  BOOST_TEST(reused({10'000, 20'000}));
  BOOST_TEST(reused({10'251, 10'300}));
}

// A gap that was closed afterwards: the number is not known to be of another interval.
BOOST_AUTO_TEST_CASE(a_used_number_with_an_interval_that_is_covered_is_a_duplicate) {
  apply(request_for(7, {0, 10'000}));
  apply(request_for(8, {10'200, 20'000}));
  BOOST_TEST(apply(request_for(7, {10'100, 10'150})).status == credit_status::duplicate);
}

BOOST_AUTO_TEST_CASE(an_interval_over_the_budget_is_cut_at_its_end) {
  bucket = credit_bucket{2'000'499, start_ms};
  const auto out = apply(request_for(0, {10'000, 20'000}));
  BOOST_TEST(out.status == credit_status::limited);
  BOOST_TEST(out.credited_ms == 4'000);
  BOOST_TEST(out.now.covered_ms == 4'000);
  BOOST_TEST(out.now.playtime_ms == 4'000);
  BOOST_TEST(out.now.resume_ms == 14'000);  // not beyond what counted
  BOOST_TEST(bucket.level_us() == 499);
  BOOST_TEST(pair.covered.contains({10'000, 14'000}));
}

BOOST_AUTO_TEST_CASE(a_limited_heartbeat_that_is_sent_again_earns_its_rest) {
  bucket = credit_bucket{2'000'000, start_ms};
  apply(request_for(0, {10'000, 20'000}));
  const auto again = apply(request_for(0, {10'000, 20'000}, start_ms + 2'000));
  BOOST_TEST(again.status == credit_status::limited);
  BOOST_TEST(again.credited_ms == 8'400);
  BOOST_TEST((again.played == media_interval{14'000, 18'400}));
  BOOST_TEST(again.now.playtime_ms == 8'400);
  const auto last = apply(request_for(0, {10'000, 20'000}, start_ms + 3'000));
  BOOST_TEST(last.status == credit_status::credited);
  BOOST_TEST(last.credited_ms == 10'000);
  BOOST_TEST(last.now.playtime_ms == 10'000);
  BOOST_TEST(apply(request_for(0, {10'000, 20'000}, start_ms + 3'000)).status ==
             credit_status::duplicate);
}

BOOST_AUTO_TEST_CASE(an_empty_budget_changes_nothing) {
  bucket = credit_bucket{499, start_ms};
  const auto before = *this;
  const auto out = apply(request_for(0, {10'000, 20'000}));
  BOOST_TEST(out.status == credit_status::limited);
  BOOST_TEST(out.credited_ms == 0);
  BOOST_TEST(out.now == summarize({}, 600'000));
  BOOST_TEST(session == before.session);
  BOOST_TEST(bucket == before.bucket);
  BOOST_TEST(pair == before.pair);
  BOOST_TEST(apply(request_for(0, {10'000, 20'000}, start_ms + 5'000)).status ==
             credit_status::credited);
}

BOOST_AUTO_TEST_CASE(five_heartbeats_of_30_s_fit_after_an_outage_even_at_a_rate_of_1) {
  bucket = credit_bucket{0, start_ms};
  for (std::uint32_t i = 0; i < 5; ++i) {
    auto kept =
        request_for(i, {static_cast<media_ms>(i) * 30'000, (static_cast<media_ms>(i) + 1) * 30'000},
                    start_ms + 150'000);
    kept.max_rate_permille = 1000;
    BOOST_TEST(apply(kept).status == credit_status::credited);
  }
}

// A fast module must not fill the bucket for a slow one.
BOOST_AUTO_TEST_CASE(a_module_with_a_high_max_rate_earns_nothing_for_another) {
  auto fast = request_for(0, {0, 1});
  fast.max_rate_permille = 16'000;
  bucket = credit_bucket{0, start_ms - 20'000};
  apply(fast);
  auto slow = request_for(1, {0, 400'000});
  slow.max_rate_permille = 1000;
  BOOST_TEST(apply(slow).credited_ms <= 22'000);  // 1.1 times the 20 s that have passed
}

BOOST_AUTO_TEST_CASE(a_closed_gap_is_charged_and_may_lead_into_debt) {
  bucket = credit_bucket{30'000'000, start_ms};
  apply(request_for(0, {0, 10'000}));
  apply(request_for(1, {10'600, 20'600}));
  bucket = credit_bucket{50'000, start_ms};
  const auto out = apply(request_for(2, {10'250, 10'350}));
  BOOST_TEST(out.status == credit_status::credited);
  BOOST_TEST(out.now.covered_ms == 20'600);
  BOOST_TEST(out.now.playtime_ms == 20'100);
  BOOST_TEST(bucket.level_us() == -250'000);
}

BOOST_AUTO_TEST_CASE(rewatching_adds_playtime_and_never_coverage) {
  apply(request_for(0, {0, 10'000}));
  const auto out = apply(request_for(1, {0, 10'000}));
  BOOST_TEST(out.now.covered_ms == 10'000);
  BOOST_TEST(out.now.playtime_ms == 20'000);
}

BOOST_AUTO_TEST_CASE(the_position_is_the_one_played_last_by_the_devices_clock) {
  auto late = request_for(1, {50'000, 60'000});
  apply(late);
  auto early = request_for(0, {0, 10'000}, start_ms + 100);
  early.played_at_ms = start_ms - 1;
  BOOST_TEST(apply(early).now.resume_ms == 60'000);
  auto tie = request_for(2, {20'000, 21'000}, start_ms - 50);
  tie.played_at_ms = start_ms;
  const auto out = apply(tie);
  BOOST_TEST(out.now.resume_ms == 21'000);
  BOOST_TEST(out.now.updated_ms == start_ms + 100);  // the server's clock went back meanwhile
}

BOOST_AUTO_TEST_CASE(mastery_comes_once_and_stays) {
  auto r = request_for(0, {0, 10'000});
  r.mastery_measured_ms = 15'000;
  BOOST_TEST(!apply(r).newly_mastered);
  r.sequence = 1, r.interval = {10'000, 15'000}, r.now_ms += 5'000;
  const auto out = apply(r);
  BOOST_TEST(out.newly_mastered);
  BOOST_TEST(out.now.mastered_ms == r.now_ms);
  r.sequence = 2, r.interval = {15'000, 20'000}, r.now_ms += 5'000;
  const auto again = apply(r);
  BOOST_TEST(!again.newly_mastered);
  BOOST_TEST(again.now.mastered_ms == out.now.mastered_ms);
  r.sequence = 3, r.mastery_measured_ms = 500'000;
  BOOST_TEST(apply(r).now.mastered_ms == out.now.mastered_ms);
}

BOOST_AUTO_TEST_CASE(at_the_limit_of_pieces_a_longer_one_takes_the_place_of_the_shortest) {
  for (media_ms i = 0; i < 1'024; ++i) pair.covered.add({i * 500, i * 500 + 10});
  pair.covered.add({7'000, 7'005});  // that of i = 14
  apply(request_for(0, {0, 5}));
  const auto covered_ms = pair.covered.covered_ms();
  BOOST_TEST(refused(request_for(1, {599'000, 599'009}, start_ms + 1)) ==
             problem::implausible_interval);
  // As long as the shortest: the later in the media stays.
  BOOST_TEST(apply(request_for(1, {599'000, 599'010})).status == credit_status::credited);
  BOOST_TEST(pair.covered.covered_ms() == covered_ms);
  BOOST_TEST(!pair.covered.contains({0, 10}));
  // Plain watching of a new place.
  for (std::uint32_t i = 0; i < 5; ++i) {
    const auto from_ms = 550'000 + static_cast<media_ms>(i) * 1'000;
    const auto out = apply(request_for(2 + i, {from_ms, from_ms + 1'000}, start_ms + 1));
    BOOST_TEST(out.status == credit_status::credited);
    BOOST_TEST(pair.covered.contains({550'000, from_ms + 1'000}));
  }
  BOOST_TEST(pair.covered.pieces().size() == 1'024u);
  BOOST_TEST(pair.covered.covered_ms() == covered_ms - 10 + 5'000);
  // Joining makes fewer pieces: nothing gives way.
  BOOST_TEST(apply(request_for(7, {511'000, 511'400})).status == credit_status::credited);
  BOOST_TEST(pair.covered.pieces().size() == 1'023u);
}

BOOST_AUTO_TEST_CASE(a_repetition_whose_piece_gave_way_is_a_duplicate) {
  for (media_ms i = 0; i < 1'023; ++i) pair.covered.add({i * 500, i * 500 + 20});
  apply(request_for(0, {590'000, 590'010}));
  apply(request_for(1, {550'000, 551'000}));
  BOOST_TEST(!pair.covered.contains({590'000, 590'001}));
  const auto before = *this;
  BOOST_TEST(apply(request_for(0, {590'000, 590'010}, start_ms + 1)).status ==
             credit_status::duplicate);
  BOOST_TEST(pair == before.pair);
  BOOST_TEST(bucket == before.bucket);
  // Below the limit it can be told from another interval.
  apply(request_for(2, {550'500, 551'100}));
  pair.covered = {};
  pair.covered.add({0, 10});
  BOOST_TEST(refused(request_for(0, {590'000, 590'010}, start_ms + 1)) == problem::sequence_reused);
}

// Random pieces, at the real limit, against a list that is searched and sorted.
BOOST_AUTO_TEST_CASE(credit_at_the_limit_of_pieces_never_falls_and_never_exceeds_it) {
  test::random_source random;
  constexpr media_ms duration_ms = 5'200'000;
  int gave_way = 0, implausible = 0;
  WATCHKEEPER_REPLAY(random) {
    for (media_ms i = 0; i < 1'024; ++i)
      pair.covered.add({i * 5'000, i * 5'000 + random.between<media_ms>(1, 400)});
    std::vector<bool> played(duration_ms);
    const auto mark = [&](media_interval piece) {
      for (auto t = piece.from_ms; t < piece.to_ms; ++t) played[static_cast<std::size_t>(t)] = true;
    };
    for (const auto& piece : pair.covered.pieces()) mark(piece);
    for (std::uint32_t step = 0; step < 3'000; ++step) {
      bucket = {};
      const auto from_ms = random.between<media_ms>(0, duration_ms - 501);
      auto request =
          request_for(step, {from_ms, from_ms + random.between<media_ms>(1, 500)}, start_ms);
      request.duration_ms = duration_ms;
      const auto before = pair.covered;
      const auto gain = before.gain_of(request.interval);
      const auto shortest_ms =
          std::ranges::min(before.pieces(), {}, &media_interval::length_ms).length_ms();
      const auto out = apply(request);
      if (out.status == credit_status::rejected) {
        ++implausible;
        BOOST_REQUIRE(out.why == problem::implausible_interval);
        BOOST_REQUIRE(pair.covered == before);
        BOOST_REQUIRE_EQUAL(gain.pieces, 1'025u);
        BOOST_REQUIRE_LE(request.interval.length_ms(), shortest_ms + 2 * limits::gap_closed_ms);
        continue;
      }
      mark(request.interval);
      gave_way += gain.pieces > 1'024;
      BOOST_REQUIRE_LE(pair.covered.pieces().size(), 1'024u);
      BOOST_REQUIRE(pair.covered.contains(request.interval));
      BOOST_REQUIRE_EQUAL(pair.covered.covered_ms() - before.covered_ms(),
                          gain.new_ms - (gain.pieces > 1'024 ? shortest_ms : 0));
      BOOST_REQUIRE_GE(pair.covered.covered_ms(), before.covered_ms());
      BOOST_REQUIRE_GE(pair.covered.measured_ms(duration_ms), before.measured_ms(duration_ms));
      BOOST_REQUIRE(coverage::decode(pair.covered.encode()) == pair.covered);
    }
    // Nothing that was not played is covered, except gaps of up to 250 ms.
    media_ms unseen_ms = 0;
    for (const auto& piece : pair.covered.pieces()) {
      BOOST_REQUIRE(played[static_cast<std::size_t>(piece.from_ms)]);
      BOOST_REQUIRE(played[static_cast<std::size_t>(piece.to_ms - 1)]);
      for (auto t = piece.from_ms; t < piece.to_ms; ++t) {
        unseen_ms = played[static_cast<std::size_t>(t)] ? 0 : unseen_ms + 1;
        BOOST_REQUIRE_LE(unseen_ms, limits::gap_closed_ms);
      }
    }
  }
  BOOST_TEST(gave_way > 100);
  BOOST_TEST(implausible > 100);
}

BOOST_AUTO_TEST_CASE(any_sequence_equals_the_slow_model) {
  test::random_source random;
  constexpr media_ms universe_ms = 40'000;
  std::array<int, 4> outcomes{};
  int mastered = 0;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 40; ++round) {
      test::credit_model model{universe_ms};
      session_state mine;
      credit_bucket budget;
      std::map<std::string, progress> pairs;
      wall_ms now = start_ms;
      std::uint32_t near = 0;
      media_ms place = 0;
      for (int step = 0; step < 60; ++step) {
        now += random.one_in(20) ? random.between<std::int64_t>(-3'000, 60'000)
                                 : random.between<std::int64_t>(0, 3'000);
        if (random.one_in(15)) near += random.between(0u, 70u);
        if (random.one_in(5)) place = random.between<media_ms>(0, universe_ms - 1);
        const auto from =
            std::clamp<media_ms>(place + random.between<media_ms>(-300, 300), 0, universe_ms - 1);
        const auto to = random.between<media_ms>(
            from + 1, std::min<media_ms>(from + (random.one_in(4) ? 10 : 6'000), universe_ms));
        place = std::min(to, universe_ms - 1);
        auto r =
            request_for(random.one_in(6) ? random.between(0u, near + 3) : near++, {from, to}, now);
        r.played_at_ms = now - random.between<std::int64_t>(0, 5'000);
        // A catalogue that changes all the time.
        r.duration_ms = random.one_in(2) ? universe_ms : random.between<media_ms>(to, universe_ms);
        r.mastery_measured_ms = random.between<media_ms>(10'000, r.duration_ms + 10'000);
        r.max_rate_permille = random.between<std::int32_t>(0, round % 2 == 0 ? 2000 : 300);
        if (random.one_in(12)) r.module = *module_id::parse("module-b");

        const std::string module{r.module.view()};
        auto& mine_pair = pairs[module];
        const auto expected = model.apply(r);
        const auto got = apply_credit(r, mine, budget, mine_pair);
        BOOST_REQUIRE(got.status == expected.status);
        BOOST_REQUIRE(got.why == expected.why);
        BOOST_REQUIRE_EQUAL(got.credited_ms, expected.credited_ms);
        BOOST_REQUIRE(got.played == expected.played);
        BOOST_REQUIRE_EQUAL(got.newly_mastered, expected.newly_mastered);
        BOOST_REQUIRE(got.now == expected.now);
        BOOST_REQUIRE(budget == model.bucket());
        BOOST_REQUIRE_EQUAL(mine.module.view(), model.bound_to());
        BOOST_REQUIRE(std::ranges::equal(mine_pair.covered.pieces(), model.runs(module)));
        ++outcomes[static_cast<std::size_t>(got.status)];
        mastered += got.newly_mastered ? 1 : 0;
      }
    }
  }
  for (const int count : outcomes) BOOST_TEST(count > 20);  // nothing above was vacuous
  BOOST_TEST(mastered > 0);
}

// I8: modules of any max_rate, any number of sessions, a clock that jumps. What was earned is never
// more than what a bucket holds at the start, and what the clock has told since; a jump forward
// fills the bucket at most once.
BOOST_AUTO_TEST_CASE(no_mix_of_modules_earns_more_real_time_than_the_bucket_allows) {
  test::random_source random;
  int limited = 0, jumps = 0;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 200; ++round) {
      credit_bucket budget;
      std::map<std::int32_t, std::pair<session_state, progress>> modules;
      wall_ms now = start_ms;
      double allowed_us = 60'000'000, earned_us = 0;
      double since_jump_allowed_us = 150'000'000, since_jump_us = 0;
      const bool jumps_about = round % 2 == 0;
      for (std::uint32_t step = 0; step < 150; ++step) {
        const auto elapsed_ms =
            random.between<std::int64_t>(0, random.one_in(10) ? 200'000 : 9'000);
        now += elapsed_ms;
        allowed_us += 1'100.0 * static_cast<double>(elapsed_ms);
        since_jump_allowed_us += 1'100.0 * static_cast<double>(elapsed_ms);
        if (jumps_about && random.one_in(20)) {
          const auto jump_ms = random.between<std::int64_t>(-7'200'000, 7'200'000);
          now += jump_ms;
          // Forward it earns at most a full bucket; back it earns nothing.
          allowed_us += std::clamp(1'100.0 * static_cast<double>(jump_ms), 0.0, 150'000'000.0);
          since_jump_allowed_us = 150'000'000, since_jump_us = 0;
          ++jumps;
        }
        const auto rate = random.pick(std::array{250, 1'000, 1'500, 2'000, 16'000});
        auto& [session, pair_of_module] = modules[rate];
        const auto from_ms = random.between<media_ms>(0, 570'000);
        auto r = request_for(step, {from_ms, from_ms + random.between<media_ms>(1, 30'000)}, now);
        r.session = *session_id::parse("s" + std::to_string(rate));
        r.module = *module_id::parse("m" + std::to_string(rate));
        r.max_rate_permille = rate;
        r.mastery_measured_ms = 600'000;
        const auto out = apply_credit(r, session, budget, pair_of_module);
        limited += out.status == credit_status::limited;
        const auto cost_us = 1'000'000.0 * out.played.length_ms() / rate;
        earned_us += cost_us;
        since_jump_us += cost_us;
        BOOST_REQUIRE_LE(earned_us, allowed_us);
        BOOST_REQUIRE_LE(since_jump_us, since_jump_allowed_us);
        BOOST_REQUIRE_LE(budget.level_us(), limits::bucket_capacity_us);
      }
    }
  }
  BOOST_TEST(limited > 1'000);
  BOOST_TEST(jumps > 300);
}

// Whoever plays at normal speed, in a module that allows no more, notices nothing of a clock that
// ran ahead for a while and was set right: not even a student who began while it was wrong.
BOOST_AUTO_TEST_CASE(a_clock_that_ran_ahead_limits_nobody_who_plays_at_normal_speed) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 400; ++round) {
      session_state own;
      credit_bucket budget;
      progress watched;
      const auto interval_ms = random.between<media_ms>(1'000, 30'000);
      const auto ahead_ms = random.one_in(3) ? random.between<std::int64_t>(1, 30'000)
                                             : random.between<std::int64_t>(30'001, 100'000'000);
      const auto begins = random.between<std::uint32_t>(0, 20);
      const auto ends = begins + random.between<std::uint32_t>(1, 20);
      for (std::uint32_t i = random.between<std::uint32_t>(0, ends); i < ends + 60; ++i) {
        const auto wrong_ms = i >= begins && i < ends ? ahead_ms : 0;
        auto r = request_for(
            i, {static_cast<media_ms>(i) * interval_ms, static_cast<media_ms>(i + 1) * interval_ms},
            start_ms + std::int64_t{i} * interval_ms + wrong_ms);
        r.max_rate_permille = 1'000;
        BOOST_REQUIRE(apply_credit(r, own, budget, watched).status == credit_status::credited);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
