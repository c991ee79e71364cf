#include "domain/student_status.hpp"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

using namespace watchkeeper;

namespace {

constexpr wall_ms now{1'763'812'345'000};

progress seen(std::initializer_list<media_interval> pieces, media_ms resume_ms) {
  progress state;
  for (const auto& piece : pieces) state.covered.add(piece);
  state.duration_ms = 100'000;
  state.resume_ms = resume_ms;
  state.updated_ms = now;
  return state;
}

student_status of(const progress& state) {
  return student_status_of(state, now);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(attention_of_students)

BOOST_AUTO_TEST_CASE(more_than_five_seconds_left_out) {
  BOOST_CHECK(of(seen({{0, 10'000}, {15'000, 20'000}}, 20'000)) == student_status::none);
  BOOST_CHECK(of(seen({{0, 10'000}, {15'001, 20'000}}, 20'000)) == student_status::skipping);
  BOOST_CHECK(of(seen({{0, 10'000}, {15'001, 20'000}}, 15'001)) == student_status::none);
  BOOST_CHECK(of(seen({{0, 10'000}, {15'001, 20'000}}, 9'000)) == student_status::none);
  BOOST_CHECK(of(seen({{5'001, 10'000}}, 10'000)) == student_status::skipping);
  BOOST_CHECK(of(seen({{5'000, 10'000}}, 10'000)) == student_status::none);
  BOOST_CHECK(of(seen({}, 0)) == student_status::none);
}

BOOST_AUTO_TEST_CASE(the_most_pressing_counts) {
  auto state = seen({{0, 79'999}}, 79'999);
  BOOST_CHECK(of(state) == student_status::none);
  state = seen({{0, 80'000}}, 80'000);
  BOOST_CHECK(of(state) == student_status::nearly_done);
  state.updated_ms = now - stalled_after_ms + 1;
  BOOST_CHECK(of(state) == student_status::nearly_done);
  state.updated_ms = now - stalled_after_ms;
  BOOST_CHECK(of(state) == student_status::stalled);
  state.covered.add({90'000, 95'000});
  state.resume_ms = 95'000;
  BOOST_CHECK(of(state) == student_status::skipping);
  state.mastered_ms = now;
  BOOST_CHECK(of(state) == student_status::mastered);
  BOOST_TEST(name_of(student_status::mastered) == "none");
  BOOST_TEST(name_of(student_status::nearly_done) == "nearly_done");
}

/// The console labels live changes by the same rule: it is held to the same file.
BOOST_AUTO_TEST_CASE(the_vectors_shared_with_the_console) {
  std::ifstream file(std::string{WATCHKEEPER_SOURCE_DIR} + "/tests/vectors/attention.json");
  BOOST_REQUIRE(file);
  const auto vectors = nlohmann::json::parse(file);
  const wall_ms now_ms{vectors.at("now_ms").get<std::int64_t>()};
  BOOST_TEST(vectors.at("cases").size() > 10u);
  for (const auto& each : vectors.at("cases")) {
    progress state;
    for (const auto& piece : each.at("coverage")) state.covered.add({piece.at(0), piece.at(1)});
    state.duration_ms = vectors.at("duration_ms");
    state.resume_ms = each.at("resume_ms");
    state.updated_ms = now_ms - each.at("ago_ms").get<std::int64_t>();
    if (each.at("mastered")) state.mastered_ms = now_ms;
    coverage refused;
    for (const auto& piece : each.value("refused", nlohmann::json::array()))
      refused.add({piece.at(0), piece.at(1)});
    BOOST_TEST(name_of(student_status_of(state, now_ms, refused)) ==
                   each.at("attention").get<std::string>(),
               each.at("what").get<std::string>());
  }
}

BOOST_AUTO_TEST_SUITE_END()
