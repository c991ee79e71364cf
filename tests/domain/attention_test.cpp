#include "domain/attention.hpp"

#include <boost/test/unit_test.hpp>

using namespace watchkeeper;

namespace {

constexpr unix_ms now = 1'763'812'345'000;

progress seen(std::initializer_list<media_interval> pieces, media_ms resume_ms) {
  progress state;
  for (const auto& piece : pieces) state.covered.add(piece);
  state.duration_ms = 100'000;
  state.resume_ms = resume_ms;
  state.updated_ms = now;
  return state;
}

attention of(const progress& state) {
  return attention_of(state, now);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(attention_of_students)

BOOST_AUTO_TEST_CASE(more_than_five_seconds_left_out) {
  BOOST_CHECK(of(seen({{0, 10'000}, {15'000, 20'000}}, 20'000)) == attention::none);
  BOOST_CHECK(of(seen({{0, 10'000}, {15'001, 20'000}}, 20'000)) == attention::skipping);
  BOOST_CHECK(of(seen({{0, 10'000}, {15'001, 20'000}}, 15'001)) == attention::none);
  BOOST_CHECK(of(seen({{0, 10'000}, {15'001, 20'000}}, 9'000)) == attention::none);
  BOOST_CHECK(of(seen({{5'001, 10'000}}, 10'000)) == attention::skipping);
  BOOST_CHECK(of(seen({{5'000, 10'000}}, 10'000)) == attention::none);
  BOOST_CHECK(of(seen({}, 0)) == attention::none);
}

BOOST_AUTO_TEST_CASE(the_most_pressing_counts) {
  auto state = seen({{0, 79'999}}, 79'999);
  BOOST_CHECK(of(state) == attention::none);
  state = seen({{0, 80'000}}, 80'000);
  BOOST_CHECK(of(state) == attention::nearly_done);
  state.updated_ms = now - attention_stalled_ms + 1;
  BOOST_CHECK(of(state) == attention::nearly_done);
  state.updated_ms = now - attention_stalled_ms;
  BOOST_CHECK(of(state) == attention::stalled);
  state.covered.add({90'000, 95'000});
  state.resume_ms = 95'000;
  BOOST_CHECK(of(state) == attention::skipping);
  state.mastered_ms = now;
  BOOST_CHECK(of(state) == attention::mastered);
  BOOST_TEST(name_of(attention::mastered) == "none");
  BOOST_TEST(name_of(attention::nearly_done) == "nearly_done");
}

BOOST_AUTO_TEST_SUITE_END()
