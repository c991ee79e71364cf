#include <boost/test/unit_test.hpp>

#include <set>

#include "domain/replay_window.hpp"
#include "tests/domain/support.hpp"

using namespace watchkeeper;
using sequence_state = replay_window::sequence_state;

BOOST_AUTO_TEST_SUITE(replay_windows)

BOOST_AUTO_TEST_CASE(an_empty_window_takes_any_number) {
  for (const std::uint32_t n : {0u, 1u, 1000u, limits::sequence_max}) {
    replay_window w;
    BOOST_TEST(w.empty());
    BOOST_TEST(w.check(n) == sequence_state::fresh);
    w.mark(n);
    BOOST_TEST(w.check(n) == sequence_state::seen);
    BOOST_TEST(w.highest() == n);
    BOOST_TEST(w.seen() == 1u);
    BOOST_TEST(!w.empty());
  }
}

BOOST_AUTO_TEST_CASE(sixty_four_numbers_are_remembered) {
  replay_window w;
  w.mark(100);
  BOOST_TEST(w.check(37) == sequence_state::fresh);
  BOOST_TEST(w.check(36) == sequence_state::too_old);
  w.mark(37);
  BOOST_TEST(w.check(37) == sequence_state::seen);
  w.mark(101);
  BOOST_TEST(w.check(37) == sequence_state::too_old);
  BOOST_TEST(w.check(38) == sequence_state::fresh);
}

BOOST_AUTO_TEST_CASE(a_leap_forgets_all_before_it) {
  replay_window w;
  for (std::uint32_t n = 0; n < 64; ++n) w.mark(n);
  BOOST_TEST(w.seen() == ~std::uint64_t{0});
  w.mark(127);
  BOOST_TEST(w.seen() == 1u);
  w.mark(limits::sequence_max);
  BOOST_TEST(w.check(127) == sequence_state::too_old);
}

BOOST_AUTO_TEST_CASE(equals_a_set_of_all_numbers_ever_marked) {
  test::random_source random;
  WATCHKEEPER_REPLAY(random) {
    for (int round = 0; round < 200; ++round) {
      replay_window w;
      std::set<std::uint32_t> marked;
      std::uint32_t near = random.between(0u, 200u);
      for (int step = 0; step < 300; ++step) {
        if (random.one_in(10)) near += random.between(0u, 100u);
        const auto n = near + random.between(0u, 90u);
        const auto highest = marked.empty() ? 0u : *marked.rbegin();
        const auto expected = marked.empty()                     ? sequence_state::fresh
                              : std::uint64_t{n} + 64 <= highest ? sequence_state::too_old
                              : marked.count(n)                  ? sequence_state::seen
                                                                 : sequence_state::fresh;
        BOOST_REQUIRE(w.check(n) == expected);
        if (expected == sequence_state::fresh && !random.one_in(3)) {
          w.mark(n);
          marked.insert(n);
        }
        BOOST_REQUIRE((replay_window{w.highest(), w.seen()} == w));
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
