#include "sdk/c/interval_cutter.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <vector>

using namespace watchkeeper;
using namespace watchkeeper::sdk;

namespace {

constexpr auto unknown = interval_cutter::unknown;
using pieces = std::vector<media_interval>;

pieces take(interval_cutter& from) {
  pieces made;
  while (const auto piece = from.next()) made.push_back(piece->interval);
  return made;
}

}  // namespace

namespace watchkeeper {
std::ostream& boost_test_print_type(std::ostream& out, const media_interval& i) {
  return out << '[' << i.from_ms << ", " << i.to_ms << ')';
}
}  // namespace watchkeeper

BOOST_AUTO_TEST_SUITE(interval_cutter_suite)

BOOST_AUTO_TEST_CASE(a_heartbeat_for_each_ten_seconds_and_the_rest_at_a_pause) {
  interval_cutter c;
  c.play(0, mono_ms{1000});
  for (int ms = 250; ms < 10'000; ms += 250) {
    c.position(ms, mono_ms{1000 + ms});
    BOOST_CHECK(take(c).empty());
  }
  c.position(10'100, mono_ms{11'100});
  BOOST_CHECK((take(c) == pieces{{0, 10'000}}));
  c.pause(12'345, mono_ms{13'345});
  BOOST_CHECK((take(c) == pieces{{10'000, 12'345}}));
  BOOST_CHECK(!c.running());
  c.position(20'000, mono_ms{30'000});  // paused: it counts nothing
  c.pause(20'000, mono_ms{31'000});
  BOOST_CHECK(take(c).empty());
}

BOOST_AUTO_TEST_CASE(each_break_cuts_and_nothing_counts_until_it_is_over) {
  interval_cutter c;
  mono_ms now;
  c.play(0, now);
  c.seeking(1000, now += 1000);
  BOOST_CHECK((take(c) == pieces{{0, 1000}}));
  c.position(5000, now += 500);  // while seeking
  c.sought(50'000, now += 500);
  c.stalled(51'000, now += 1000);
  BOOST_CHECK((take(c) == pieces{{50'000, 51'000}}));
  c.position(51'400, now += 400);
  c.resumed(51'400, now += 100);
  c.background(52'000, now += 600);
  BOOST_CHECK((take(c) == pieces{{51'400, 52'000}}));
  c.position(55'000, now += 3000);
  c.foreground(55'000, now += 10);
  BOOST_CHECK(c.rate(56'000, 2000, now += 1000));
  BOOST_CHECK((take(c) == pieces{{55'000, 56'000}}));
  c.ended(60'000, now += 2000);
  const auto last = c.next();
  BOOST_REQUIRE(last);
  BOOST_CHECK((last->interval == media_interval{56'000, 60'000}));
  BOOST_CHECK_EQUAL(last->rate_permille, 2000);
  BOOST_CHECK(take(c).empty());
}

BOOST_AUTO_TEST_CASE(a_seek_that_nobody_reported_is_cut_at_the_last_position_that_was) {
  interval_cutter c;
  c.play(0, mono_ms{0});
  c.position(2000, mono_ms{2000});
  c.position(40'000, mono_ms{2250});
  BOOST_CHECK((take(c) == pieces{{0, 2000}}));
  c.position(40'250, mono_ms{2500});
  c.position(10'000, mono_ms{2750});  // backwards
  BOOST_CHECK((take(c) == pieces{{40'000, 40'250}}));
  c.pause(59'000, mono_ms{3000});  // the report that ends it is one itself
  BOOST_CHECK(take(c).empty());
}

BOOST_AUTO_TEST_CASE(positions_run_ahead_of_the_clock_by_the_slack_and_no_further) {
  for (const auto& [ahead_ms, whole] : {std::pair{750, true}, std::pair{751, false}}) {
    interval_cutter c;
    c.play(0, mono_ms{0});
    c.position(ahead_ms, mono_ms{0});
    c.pause(unknown, mono_ms{1});
    BOOST_CHECK_EQUAL(take(c).size(), whole ? 1 : 0);
  }
  // Many small steps ahead do not add up.
  interval_cutter c;
  c.play(0, mono_ms{0});
  std::int64_t claimed = 0;
  for (int i = 1; i <= 1000; ++i) {
    c.position(i * 400, mono_ms{i * 10});  // forty times as fast as the clock
    for (const auto& piece : take(c)) claimed += piece.length_ms();
  }
  c.pause(unknown, mono_ms{10'000});
  for (const auto& piece : take(c)) claimed += piece.length_ms();
  BOOST_TEST_MESSAGE("claimed " << claimed);
  BOOST_CHECK_LE(claimed, 10'000 * 101 / 100 + 1000 * 750);
}

BOOST_AUTO_TEST_CASE(a_stall_that_nobody_reported_is_no_room_for_a_jump) {
  // Stands for 20 s, reported four times a second, then jumps. A second and a half are made up for.
  for (const auto& [jump_ms, counts] : {std::pair{1750, true}, {1760, false}, {20'000, false}}) {
    for (const std::int32_t rate : {1000, 4000}) {
      interval_cutter c;
      c.rate(0, rate, mono_ms{0});
      c.play(0, mono_ms{0});
      for (int i = 1; i <= 80; ++i) c.position(0, mono_ms{i * 250});
      const auto at = jump_ms * rate / 1000;
      c.position(at, mono_ms{20'250});
      c.pause(unknown, mono_ms{20'250});
      std::int64_t claimed = 0;
      for (const auto& piece : take(c)) claimed += piece.length_ms();
      BOOST_CHECK_EQUAL(claimed, counts ? at : 0);
    }
  }
  // Nor do many such stalls add up.
  interval_cutter c;
  c.play(0, mono_ms{0});
  for (int i = 1; i <= 10; ++i)
    for (int look = 1; look <= 40; ++look)
      c.position((i - 1) * 250, mono_ms{i * 10'000 + look * 250});
  c.position(60'000, mono_ms{110'250});
  c.pause(unknown, mono_ms{110'250});
  std::int64_t claimed = 0;
  for (const auto& piece : take(c)) claimed += piece.length_ms();
  BOOST_CHECK_LE(claimed, 2250);
}

BOOST_AUTO_TEST_CASE(players_that_report_whole_seconds_and_clocks_that_differ_lose_nothing) {
  for (const std::int32_t rate : {250, 1000, 2000, 4000}) {
    interval_cutter c;
    c.rate(0, rate, mono_ms{0});
    c.play(0, mono_ms{0});
    std::int64_t claimed = 0;
    const auto count_pieces = [&] {
      while (const auto piece = c.next()) claimed += piece->interval.length_ms();
    };
    for (int ms = 250; ms <= 600'000; ms += 250) {
      c.position(static_cast<media_ms>(std::int64_t{ms} * rate / 1'000'000 * 1000), mono_ms{ms});
      count_pieces();
    }
    c.ended(unknown, mono_ms{600'000});
    count_pieces();
    BOOST_CHECK_EQUAL(claimed, 600 * rate);
  }
  interval_cutter c;  // sound that is one percent fast, received a hundred times a second
  c.play(0, mono_ms{0});
  std::int64_t claimed = 0;
  for (int ms = 10; ms <= 600'000; ms += 10) {
    c.position(ms + ms / 100, mono_ms{ms});
    while (const auto piece = c.next()) claimed += piece->interval.length_ms();
  }
  c.ended(unknown, mono_ms{600'000});
  while (const auto piece = c.next()) claimed += piece->interval.length_ms();
  BOOST_CHECK_EQUAL(claimed, 606'000);
}

BOOST_AUTO_TEST_CASE(scrubbing_gives_no_pieces_of_a_few_ms) {
  for (const auto& [played_ms, given] : {std::pair{99, 0}, std::pair{100, 20}}) {
    interval_cutter c;
    mono_ms now;
    int count = 0;
    c.play(0, now);
    for (int i = 1; i <= 20; ++i) {
      c.seeking(i == 1 ? played_ms : (i - 1) * 5000 + played_ms, now += played_ms);
      for (const auto& piece : take(c)) count += piece.length_ms() == played_ms;
      c.sought(i * 5000, now += 10);
      BOOST_CHECK(take(c).empty());
    }
    BOOST_CHECK_EQUAL(count, given);
  }
}

BOOST_AUTO_TEST_CASE(short_pieces_that_go_on_where_the_last_stopped_are_put_together) {
  interval_cutter c;
  mono_ms now;
  pieces made;
  for (int at = 0; at < 400; at += 40) {  // a player that stalls every 40 ms
    c.play(at, now);
    c.pause(at + 40, now += 40);
    for (const auto& piece : take(c)) made.push_back(piece);
    now += 1000;
  }
  BOOST_CHECK((made == pieces{{0, 120}, {120, 240}, {240, 360}}));
  // A short piece belongs to its place: elsewhere it is no beginning.
  c.play(5000, now);
  c.pause(5200, now += 200);
  BOOST_CHECK((take(c) == pieces{{5000, 5200}}));
  // Nor at another rate.
  c.play(6000, now);
  c.rate(6050, 2000, now += 50);
  c.pause(6250, now += 100);
  BOOST_CHECK((take(c) == pieces{{6050, 6250}}));
}

BOOST_AUTO_TEST_CASE(a_short_rest_of_what_gave_a_heartbeat_is_given) {
  interval_cutter c;
  c.play(0, mono_ms{0});
  c.position(10'000, mono_ms{10'000});
  BOOST_CHECK((take(c) == pieces{{0, 10'000}}));
  c.seeking(10'005, mono_ms{10'005});
  BOOST_CHECK((take(c) == pieces{{10'000, 10'005}}));
}

BOOST_AUTO_TEST_CASE(a_short_end_is_given_once_for_each_place_it_began) {
  for (const bool pauses_first : {false, true}) {
    interval_cutter c;
    mono_ms now;
    const auto play_end = [&](media_ms from) {
      c.sought(from, now);
      c.play(from, now);
      if (pauses_first) c.pause(60'000, now + 60'000 - from);
      c.ended(60'000, now += 60'000 - from);
      return take(c);
    };
    BOOST_CHECK((play_end(59'960) == pieces{{59'960, 60'000}}));
    for (int i = 0; i < 10; ++i) BOOST_CHECK(play_end(59'960 + i).empty());
    BOOST_CHECK((play_end(59'950) == pieces{{59'950, 60'000}}));
    BOOST_CHECK((play_end(59'900) == pieces{{59'900, 60'000}}));
  }
}

BOOST_AUTO_TEST_CASE(one_late_report_gives_what_was_played_in_pieces) {
  interval_cutter c;
  c.play(0, mono_ms{0});
  c.pause(35'000, mono_ms{35'000});
  BOOST_CHECK(
      (take(c) == pieces{{0, 10'000}, {10'000, 20'000}, {20'000, 30'000}, {30'000, 35'000}}));
}

BOOST_AUTO_TEST_CASE(positions_that_are_not_known_or_impossible) {
  interval_cutter c;
  c.play(unknown, mono_ms{0});  // begins with the first position
  BOOST_CHECK(!c.running());
  c.position(5000, mono_ms{100});
  BOOST_CHECK(c.running());
  c.position(6000, mono_ms{1100});
  c.pause(unknown, mono_ms{5000});
  BOOST_CHECK((take(c) == pieces{{5000, 6000}}));
  c.play(0, mono_ms{6000});
  c.sought(unknown, mono_ms{7000});
  BOOST_CHECK(!c.running());
  c.position(9000, mono_ms{7100});
  c.position(9500, mono_ms{7600});
  c.ended(limits::media_duration_ms_max + 1, mono_ms{7700});
  BOOST_CHECK((take(c) == pieces{{9000, 9500}}));
}

BOOST_AUTO_TEST_CASE(with_a_rate_out_of_range_nothing_counts_until_a_good_one_comes) {
  interval_cutter c;
  c.play(0, mono_ms{0});
  for (const auto rate : {0, 249, 4001, -1000}) BOOST_CHECK(!c.rate(1000, rate, mono_ms{1000}));
  BOOST_CHECK((take(c) == pieces{{0, 1000}}));
  c.position(5000, mono_ms{5000});
  BOOST_CHECK(c.rate(5000, 4000, mono_ms{5000}));
  c.pause(9000, mono_ms{6000});
  BOOST_CHECK((take(c) == pieces{{5000, 9000}}));
}

BOOST_AUTO_TEST_CASE(a_clock_that_goes_back_claims_nothing_more) {
  interval_cutter c;
  c.play(0, mono_ms{3'600'000});
  c.position(400, mono_ms{0});
  c.position(2000, mono_ms{1000});  // an hour back: beyond the slack
  c.pause(unknown, mono_ms{1000});
  BOOST_CHECK((take(c) == pieces{{0, 400}}));
}

namespace {

/// A player that keeps a mark for each millisecond of media it really showed, and knows nothing
/// else.
class true_player {
 public:
  explicit true_player(std::uint64_t seed) : random_(seed), shown_(200'000, 0) {}

  void act(interval_cutter& c, bool honest) {
    let_time_pass();
    const auto at = static_cast<media_ms>(position_ / 1000);
    switch (pick(12)) {
      case 0:
        playing_ = true;
        stalled_ = false;
        return c.play(at, now_);
      case 1:
        playing_ = stalled_ = false;
        return c.pause(at, now_);
      case 2: {
        ++breaks_;
        c.seeking(at, now_);
        now_ += pick(300);
        position_ = std::int64_t{pick(150'000)} * 1000;
        return c.sought(static_cast<media_ms>(position_ / 1000), now_);
      }
      case 3:
        stalled_ = playing_;
        if (stalled_) c.stalled(at, now_);
        return;
      case 4:
        if (stalled_) c.resumed(at, now_);
        stalled_ = false;
        return;
      case 5: {
        ++breaks_;
        static constexpr std::int32_t rates[] = {250, 500, 1000, 1250, 2000, 4000};
        rate_ = rates[pick(6)];
        BOOST_REQUIRE(c.rate(at, rate_, now_));
        return;
      }
      case 6:
        ++breaks_;
        background_ = true;
        return c.background(at, now_);
      case 7:
        background_ = false;
        return c.foreground(at, now_);
      case 8:
        if (!honest) position_ = std::int64_t{pick(150'000)} * 1000;  // and tells nobody
        return;
      default:
        return c.position(at, now_);
    }
  }
  [[nodiscard]] bool shown(media_ms from, media_ms to) const {
    for (auto ms = from; ms < to; ++ms)
      if (shown_[static_cast<std::size_t>(ms)] == 0) return false;
    return true;
  }
  [[nodiscard]] std::int64_t counted_ms() const { return counted_us_ / 1000; }
  /// After which playback goes on elsewhere, or in another way.
  [[nodiscard]] int breaks() const { return breaks_; }
  [[nodiscard]] mono_ms now() const { return now_; }
  [[nodiscard]] media_ms at() const { return static_cast<media_ms>(position_ / 1000); }

 private:
  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  void let_time_pass() {
    for (auto left = pick(4) == 0 ? pick(20'000) : pick(400); left > 0; --left) {
      now_ += 1;
      if (!playing_ || stalled_) continue;
      const auto next = position_ + rate_;
      if (static_cast<std::size_t>(next / 1000) >= shown_.size()) shown_.resize(shown_.size() * 2);
      if (!background_) {
        counted_us_ += rate_;
        for (auto ms = position_ / 1000; ms <= (next - 1) / 1000; ++ms)
          shown_[static_cast<std::size_t>(ms)] = 1;
      }
      position_ = next;
    }
  }

  std::mt19937_64 random_;
  std::vector<char> shown_;
  mono_ms now_{1'000'000};
  std::int64_t position_ = 0;  // in microseconds of media
  std::int64_t counted_us_ = 0;
  std::int32_t rate_ = 1000;
  int breaks_ = 0;
  bool playing_ = false, stalled_ = false, background_ = false;
};

}  // namespace

BOOST_AUTO_TEST_CASE(whatever_a_player_does_only_what_it_showed_is_claimed) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    true_player player{seed};
    interval_cutter c;
    std::int64_t claimed = 0;
    for (int step = 0; step < 120; ++step) {
      player.act(c, true);
      while (const auto piece = c.next()) {
        const auto [from, to] = piece->interval;
        claimed += to - from;
        BOOST_REQUIRE_MESSAGE(from < to && to - from <= 10'000, "seed " << seed);
        BOOST_REQUIRE_MESSAGE(player.shown(from, to),
                              "seed " << seed << ": [" << from << ", " << to << ") was not shown");
      }
    }
    c.ended(player.at(), player.now());
    while (const auto piece = c.next()) claimed += piece->interval.length_ms();
    BOOST_REQUIRE_MESSAGE(claimed <= player.counted_ms() + 1, "seed " << seed);
    // And nearly all of it: a millisecond may be lost at each report, to rounding, and less than
    // the shortest piece where playback went on elsewhere.
    BOOST_REQUIRE_MESSAGE(
        claimed + 400 + player.breaks() * interval_cutter::piece_ms_min >= player.counted_ms(),
        "seed " << seed << ": " << claimed << " of " << player.counted_ms());
  }
}

BOOST_AUTO_TEST_CASE(seeks_that_are_not_reported_add_no_more_than_the_slack_each) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    true_player player{seed};
    interval_cutter c;
    std::int64_t claimed = 0;
    for (int step = 0; step < 120; ++step) {
      player.act(c, false);
      while (const auto piece = c.next()) claimed += piece->interval.length_ms();
    }
    // Beside the slack, at four times the rate, one percent for clocks that differ.
    BOOST_REQUIRE_MESSAGE(claimed <= player.counted_ms() * 102 / 100 + 120 * 750 * 4,
                          "seed " << seed);
  }
}

BOOST_AUTO_TEST_SUITE_END()
