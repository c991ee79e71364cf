#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <vector>

#include "domain/coverage.hpp"
#include "tests/domain/media_bitmap.hpp"
#include "tests/domain/support.hpp"

using namespace watchkeeper;

namespace {

constexpr media_ms universe_ms = 6'000;

media_interval random_interval(test::random_source& random) {
  const auto from = random.between<media_ms>(0, universe_ms - 2);
  const auto longest = std::min<media_ms>(random.one_in(4) ? 2'000 : 150, universe_ms - from);
  return {from, from + random.between<media_ms>(1, longest)};
}

coverage random_coverage(test::random_source& random, test::media_bitmap* model = nullptr) {
  coverage made;
  for (int n = random.between(0, 8); n > 0; --n) {
    const auto added = random_interval(random);
    made.add(added);
    if (model) model->add(added);
  }
  return made;
}

coverage united(coverage a, const coverage& b) {
  a.unite(b);
  return a;
}

/// Also that the ranges are sorted, disjoint and none of them empty.
media_ms length_of(const coverage::intervals& ranges) {
  media_ms sum = 0;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    BOOST_REQUIRE_LT(ranges[i].from_ms, ranges[i].to_ms);
    if (i > 0) BOOST_REQUIRE_LT(ranges[i - 1].to_ms, ranges[i].from_ms);
    sum += ranges[i].length_ms();
  }
  return sum;
}

/// Fills what lies before the first and behind the last, if that is no longer than a gap.
void close_ends(std::vector<bool>& covered) {
  const auto first = std::find(covered.begin(), covered.end(), true);
  if (first == covered.end()) return;
  if (first - covered.begin() <= limits::gap_closed_ms) std::fill(covered.begin(), first, true);
  const auto last = std::find(covered.rbegin(), covered.rend(), true);
  if (last - covered.rbegin() <= limits::gap_closed_ms) std::fill(covered.rbegin(), last, true);
}

std::string raw(std::initializer_list<std::uint32_t> values) {
  std::string bytes;
  for (auto v : values)
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(v >> shift & 0xff);
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(coverages)

BOOST_AUTO_TEST_CASE(a_gap_of_250_is_closed_and_one_of_251_is_not) {
  coverage c;
  BOOST_TEST(c.add({0, 1000}) == 1000);
  BOOST_TEST(c.add({1250, 2000}) == 1000);
  BOOST_TEST(c.pieces().size() == 1u);
  BOOST_TEST(c.covered_ms() == 2000);
  BOOST_TEST(c.add({2251, 3000}) == 749);
  BOOST_TEST(c.pieces().size() == 2u);
  const auto bridge = c.gain_of({2100, 2200});
  BOOST_TEST(bridge.new_ms == 251);
  BOOST_TEST(bridge.closed_gap_ms == 151);
  BOOST_TEST(bridge.pieces == 1u);
}

// The gap before the first interval is not between two, so it stays.
BOOST_AUTO_TEST_CASE(nothing_is_closed_towards_the_start) {
  coverage c;
  c.add({100, 200});
  BOOST_TEST(c.covered_ms() == 100);
  BOOST_TEST(!c.contains({0, 100}));
}

BOOST_AUTO_TEST_CASE(any_sequence_equals_a_bitmap_of_milliseconds) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 60; ++round) {
      coverage c;
      test::media_bitmap model(universe_ms);
      for (int step = 0; step < 25; ++step) {
        const auto added = random_interval(random);
        const auto before = c;
        const auto expected = model.add(added);
        const auto predicted = c.gain_of(added);
        BOOST_REQUIRE(c == before);
        BOOST_REQUIRE_EQUAL(predicted.new_ms, expected.new_ms);
        const auto fresh = c.fresh_ranges(added);
        BOOST_REQUIRE_EQUAL(length_of(fresh), expected.new_ms);
        BOOST_REQUIRE_EQUAL(predicted.closed_gap_ms, expected.closed_gap_ms);
        BOOST_REQUIRE_EQUAL(c.add(added), expected.new_ms);
        BOOST_REQUIRE_EQUAL(predicted.pieces, c.pieces().size());
        BOOST_REQUIRE_EQUAL(c.covered_ms(), model.covered_ms());
        BOOST_REQUIRE(c.without(before) == fresh);
        const auto runs = model.runs();
        BOOST_REQUIRE(std::ranges::equal(c.pieces(), runs));
        const auto asked = random_interval(random);
        BOOST_REQUIRE_EQUAL(c.contains(asked), model.contains(asked));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(union_is_idempotent_commutative_and_associative) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 3'000; ++round) {
      const auto a = random_coverage(random), b = random_coverage(random),
                 c = random_coverage(random);
      BOOST_REQUIRE(united(a, a) == a);
      BOOST_REQUIRE(united(a, coverage{}) == a);
      BOOST_REQUIRE(united(coverage{}, a) == a);
      BOOST_REQUIRE(united(a, b) == united(b, a));
      BOOST_REQUIRE(united(united(a, b), c) == united(a, united(b, c)));
      BOOST_REQUIRE(united(united(a, b), b) == united(a, b));
      auto self = a;
      self.unite(self);
      BOOST_REQUIRE(self == a);
    }
  }
}

BOOST_AUTO_TEST_CASE(union_equals_adding_one_by_one) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 300; ++round) {
      test::media_bitmap model(universe_ms);
      auto a = random_coverage(random, &model);
      const auto b = random_coverage(random, &model);
      auto one_by_one = a;
      for (const auto& piece : b.pieces()) one_by_one.add(piece);
      a.unite(b);
      BOOST_REQUIRE(a == one_by_one);
      BOOST_REQUIRE(std::ranges::equal(a.pieces(), model.runs()));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_difference_equals_that_of_two_bitmaps) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 600; ++round) {
      const auto a = random_coverage(random), b = random_coverage(random);
      const auto rest = a.without(b);
      length_of(rest);
      std::vector<bool> in_rest(universe_ms);
      for (const auto& range : rest)
        for (auto t = range.from_ms; t < range.to_ms; ++t)
          in_rest[static_cast<std::size_t>(t)] = true;
      for (media_ms t = 0; t < universe_ms; ++t)
        BOOST_REQUIRE_EQUAL(in_rest[static_cast<std::size_t>(t)],
                            a.contains({t, t + 1}) && !b.contains({t, t + 1}));
      BOOST_REQUIRE(a.without(a).empty());
      BOOST_REQUIRE(std::ranges::equal(a.without({}), a.pieces()));
    }
  }
}

BOOST_AUTO_TEST_CASE(encoding_has_golden_bytes) {
  coverage c;
  c.add({0, 10'000});
  c.add({66'000, 70'000});
  BOOST_TEST(c.encode() == raw({0, 10'000, 66'000, 70'000}));
  BOOST_TEST(c.encode().substr(4, 4) == std::string({0, 0, '\x27', '\x10'}));
  BOOST_TEST(coverage{}.encode().empty());
}

BOOST_AUTO_TEST_CASE(decoding_gives_back_what_was_encoded) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 500; ++round) {
      const auto c = random_coverage(random);
      const auto again = coverage::decode(c.encode());
      BOOST_REQUIRE(again.has_value());
      BOOST_REQUIRE(*again == c);
    }
  }
}

BOOST_AUTO_TEST_CASE(decoding_refuses_what_encoding_never_gives) {
  BOOST_TEST(coverage::decode("").has_value());
  BOOST_TEST(coverage::decode(raw({0, 0x7fff'ffff})).has_value());
  BOOST_TEST(!coverage::decode(raw({0, 0x8000'0000})));
  BOOST_TEST(!coverage::decode(raw({0xffff'fff0, 0xffff'ffff})));
  BOOST_TEST(!coverage::decode(raw({5, 5})));
  BOOST_TEST(!coverage::decode(raw({6, 5})));
  BOOST_TEST(!coverage::decode(raw({1000, 2000, 0, 500})));   // not sorted
  BOOST_TEST(!coverage::decode(raw({0, 2000, 1000, 3000})));  // overlapping
  BOOST_TEST(!coverage::decode(raw({0, 1000, 1000, 2000})));  // touching
  BOOST_TEST(!coverage::decode(raw({0, 1000, 1250, 2000})));  // a gap that is closed
  BOOST_TEST(coverage::decode(raw({0, 1000, 1251, 2000})).has_value());
  const auto good = raw({0, 1000, 2000, 3000});
  for (std::size_t n = 1; n < good.size(); ++n)
    BOOST_TEST(coverage::decode(good.substr(0, n)).has_value() == (n % 8 == 0));
}

BOOST_AUTO_TEST_CASE(decoding_stops_at_the_limit_of_intervals) {
  coverage c;
  for (std::size_t i = 0; i < limits::coverage_intervals_max; ++i)
    c.add({static_cast<media_ms>(i) * 1000, static_cast<media_ms>(i) * 1000 + 1});
  BOOST_TEST(c.pieces().size() == limits::coverage_intervals_max);
  BOOST_TEST(coverage::decode(c.encode()).has_value());
  c.add({2'000'000, 2'000'001});
  BOOST_TEST(!coverage::decode(c.encode()));
  c.trim();
  BOOST_TEST(coverage::decode(c.encode()).has_value());
}

BOOST_AUTO_TEST_CASE(positions_at_the_end_of_the_type_do_not_overflow) {
  auto c = coverage::decode(raw({0x7fff'ff00, 0x7fff'ffff})).value();
  BOOST_TEST(c.gain_of({0, 10}).pieces == 2u);
  BOOST_TEST(c.add({0x7fff'fe00, 0x7fff'fe10}) == 256);
  BOOST_TEST(c.pieces().size() == 1u);
  BOOST_TEST(c.add({0x7fff'fffe, 0x7fff'ffff}) == 0);
}

BOOST_AUTO_TEST_CASE(asking_for_the_gain_allocates_nothing) {
  coverage c;
  for (media_ms i = 0; i < 100; ++i) c.add({i * 1000, i * 1000 + 100});
  const auto before = test::allocations_of_this_thread();
  const auto gain = c.gain_of({50'000, 60'000});
  c.add({99'000, 99'900});  // the last piece grows
  BOOST_TEST(test::allocations_of_this_thread() == before);
  BOOST_TEST(gain.pieces == 90u);
}

BOOST_AUTO_TEST_CASE(covered_until_is_the_end_of_the_piece_or_where_it_began) {
  coverage c;
  BOOST_TEST(c.covered_until(5) == 5);
  c.add({1'000, 2'000});
  c.add({3'000, 4'000});
  BOOST_TEST(c.covered_until(999) == 999);
  BOOST_TEST(c.covered_until(1'000) == 2'000);
  BOOST_TEST(c.covered_until(1'999) == 2'000);
  BOOST_TEST(c.covered_until(2'000) == 2'000);
  BOOST_TEST(c.covered_until(3'500) == 4'000);
  BOOST_TEST(c.covered_until(9'000) == 9'000);
}

// As slowly as it can be said: one piece after the other is looked for and taken away.
std::vector<media_interval> longest_of(std::vector<media_interval> pieces, std::size_t pieces_max) {
  while (pieces.size() > pieces_max) {
    auto least = pieces.begin();
    for (auto at = pieces.begin(); at != pieces.end(); ++at)
      if (at->length_ms() < least->length_ms()) least = at;  // of equal ones the earliest
    pieces.erase(least);
  }
  return pieces;
}

coverage trimmed(coverage c, std::size_t pieces_max) {
  c.trim(pieces_max);
  return c;
}

BOOST_AUTO_TEST_CASE(trimming_keeps_the_longest_pieces) {
  coverage c;
  for (const auto& piece : {media_interval{0, 100}, media_interval{1'000, 1'050},
                            media_interval{2'000, 2'050}, media_interval{3'000, 3'200}})
    c.add(piece);
  BOOST_TEST(trimmed(c, 4).encode() == c.encode());
  BOOST_TEST(trimmed(c, 3).encode() == raw({0, 100, 2'000, 2'050, 3'000, 3'200}));
  BOOST_TEST(trimmed(c, 2).encode() == raw({0, 100, 3'000, 3'200}));
  BOOST_TEST(trimmed(c, 1).encode() == raw({3'000, 3'200}));
}

BOOST_AUTO_TEST_CASE(trimmed_unions_lose_no_length_and_add_nothing_unseen) {
  test::random_source random;
  int beyond = 0;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 2'000; ++round) {
      const auto most = random.between<std::size_t>(1, 5);
      test::media_bitmap seen(universe_ms);
      const auto a = trimmed(random_coverage(random, &seen), most);
      const auto b = trimmed(random_coverage(random, &seen), most);
      const auto both = united(a, b);
      const auto c = trimmed(both, most);
      beyond += both.pieces().size() > most;
      const auto expected = longest_of({both.pieces().begin(), both.pieces().end()}, most);
      BOOST_REQUIRE(std::ranges::equal(c.pieces(), expected));
      BOOST_REQUIRE(trimmed(c, most) == c);
      BOOST_REQUIRE(trimmed(united(a, a), most) == a);
      BOOST_REQUIRE(trimmed(united(b, a), most) == c);
      // Two copies that are united with each other agree, whichever came first.
      BOOST_REQUIRE(trimmed(united(a, c), most) == c);
      BOOST_REQUIRE(trimmed(united(c, b), most) == c);
      BOOST_REQUIRE_GE(c.covered_ms(), std::max(a.covered_ms(), b.covered_ms()));
      for (const auto& piece : c.pieces()) BOOST_REQUIRE(seen.contains(piece));
    }
  }
  BOOST_TEST(beyond > 500);
}

BOOST_AUTO_TEST_CASE(a_new_piece_takes_the_place_of_the_shortest_only_if_it_is_longer) {
  test::random_source random;
  int made_room = 0, refused = 0;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 200; ++round) {
      const auto most = random.between<std::size_t>(1, 6);
      const auto duration_ms = random.between<media_ms>(100, universe_ms);
      coverage c;
      test::media_bitmap seen(universe_ms);
      for (int step = 0; step < 60; ++step) {
        const auto added = random_interval(random);
        const auto before = c;
        if (c.gain_of(added).pieces > most) {
          const bool makes_room = c.makes_room_for(added, duration_ms);
          made_room += makes_room;
          refused += !makes_room;
          auto without_rule = united(c, coverage{});
          without_rule.add(added);
          without_rule.trim(most);
          if (makes_room)
            BOOST_REQUIRE(without_rule.contains(added));
          else
            BOOST_REQUIRE(!without_rule.contains(added) ||
                          without_rule.measured_ms(duration_ms) < c.measured_ms(duration_ms));
          if (!makes_room) continue;
        }
        seen.add(added);
        c.add(added);
        c.trim(most);
        BOOST_REQUIRE_LE(c.pieces().size(), most);
        BOOST_REQUIRE(c.contains(added));
        BOOST_REQUIRE_GE(c.covered_ms(), before.covered_ms());
        BOOST_REQUIRE_GE(c.measured_ms(duration_ms), before.measured_ms(duration_ms));
        for (const auto& piece : c.pieces()) BOOST_REQUIRE(seen.contains(piece));
      }
    }
  }
  BOOST_TEST(made_room > 100);
  BOOST_TEST(refused > 100);
}

BOOST_AUTO_TEST_CASE(a_piece_at_an_edge_gives_way_only_to_one_that_counts_as_much) {
  coverage c;
  c.add({200, 300});  // counts from 0 on
  c.add({5'000, 6'000});
  BOOST_TEST(!c.makes_room_for({2'000, 2'299}, 10'000));
  BOOST_TEST(c.makes_room_for({2'000, 2'300}, 10'000));
  BOOST_TEST(!c.makes_room_for({2'000, 2'100}, 10'000));
  BOOST_TEST(!coverage{}.makes_room_for({0, 1'000}, 10'000));
}

BOOST_AUTO_TEST_CASE(measured_is_cut_to_the_module_and_closed_at_its_ends) {
  const auto measured = [](std::initializer_list<media_interval> pieces, media_ms duration_ms) {
    coverage c;
    for (const auto& piece : pieces) c.add(piece);
    return c.measured(duration_ms).encode();
  };
  BOOST_TEST(measured({{250, 9'750}}, 10'000) == raw({0, 10'000}));
  BOOST_TEST(measured({{251, 9'749}}, 10'000) == raw({251, 9'749}));
  BOOST_TEST(measured({{500, 20'000}}, 10'000) == raw({500, 10'000}));
  BOOST_TEST(measured({{500, 1'000}, {9'999, 20'000}, {20'300, 21'000}}, 10'000) ==
             raw({500, 1'000, 9'999, 10'000}));
  BOOST_TEST(measured({{10'000, 20'000}}, 10'000) == raw({}));  // nothing of it lies within
  BOOST_TEST(measured({{100, 101}}, 200) == raw({0, 200}));
  BOOST_TEST(measured({{0, 1}}, 0) == raw({}));
}

BOOST_AUTO_TEST_CASE(measured_is_what_millisecond_by_millisecond_gives) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 500; ++round) {
      const auto c = random_coverage(random);
      const auto duration_ms = random.between<media_ms>(0, universe_ms);
      const auto cut = c.measured(duration_ms);
      std::vector<bool> expected(static_cast<std::size_t>(duration_ms));
      for (media_ms at = 0; at < duration_ms; ++at)
        expected[static_cast<std::size_t>(at)] = c.contains({at, at + 1});
      close_ends(expected);
      media_ms length_ms = 0;
      for (media_ms at = 0; at < duration_ms; ++at) {
        BOOST_REQUIRE_EQUAL(cut.contains({at, at + 1}), expected[static_cast<std::size_t>(at)]);
        length_ms += expected[static_cast<std::size_t>(at)] ? 1 : 0;
      }
      BOOST_REQUIRE_EQUAL(c.measured_ms(duration_ms), length_ms);
      BOOST_REQUIRE(cut.measured(duration_ms) == cut);
      BOOST_REQUIRE(coverage::decode(cut.encode()) == cut);
      // What is added later never takes anything away.
      auto more = c;
      more.add(random_interval(random));
      BOOST_REQUIRE_GE(more.measured_ms(duration_ms), c.measured_ms(duration_ms));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
