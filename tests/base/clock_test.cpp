#include "base/clock.hpp"

#include <boost/test/unit_test.hpp>
#include <concepts>
#include <type_traits>

using namespace watchkeeper;

// Wall time and monotonic time do not mix, and a bare number is neither.
static_assert(!std::is_convertible_v<wall_ms, mono_ms>);
static_assert(!std::is_constructible_v<mono_ms, wall_ms>);
static_assert(!std::is_assignable_v<wall_ms&, mono_ms>);
static_assert(!std::is_convertible_v<std::int64_t, mono_ms>);
static_assert(!std::is_convertible_v<mono_ms, std::int64_t>);
static_assert(!std::equality_comparable_with<wall_ms, mono_ms>);

template <class A, class B>
concept subtractable = requires(A a, B b) {
  a - b;
};
static_assert(subtractable<mono_ms, mono_ms> && !subtractable<mono_ms, wall_ms>);

BOOST_AUTO_TEST_SUITE(clock_test)

BOOST_AUTO_TEST_CASE(moments_of_one_clock) {
  constexpr mono_ms begin(1000);
  constexpr auto end = begin + 250;
  BOOST_TEST(end - begin == 250);
  BOOST_TEST(begin - end == -250);
  BOOST_TEST((end - 250 == begin));
  BOOST_TEST((begin < end));
  BOOST_TEST(end.value() == 1250);
}

BOOST_AUTO_TEST_CASE(the_clocks_of_the_system) {
  const auto& time = system_time_source();
  const auto before = time.monotonic_now();
  BOOST_TEST((before <= time.monotonic_now()));
  BOOST_TEST(before.value() > 0);
  BOOST_TEST(time.wall_now() > wall_ms{1'700'000'000'000});  // in 2023 or later
}

BOOST_AUTO_TEST_SUITE_END()
