// The table of a shard's pairs against the standard one.
#include "actors/credit/pair_table.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <random>
#include <set>

#include "tests/actors/support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::actors;
using namespace watchkeeper::actors::testing;

BOOST_AUTO_TEST_SUITE(holding_pairs)

BOOST_AUTO_TEST_CASE(any_sequence_of_operations_equals_the_standard_map) {
  std::mt19937_64 random{7};
  held_pairs pairs;
  std::map<pair_key, media_ms> model;
  std::map<pair_key, const held_pair*> places;
  const auto any = [&](int most) { return std::uniform_int_distribution<int>{0, most}(random); };
  for (int i = 0; i < 20'000; ++i) {
    const pair_key key{student(any(400)), module_named("m" + std::to_string(any(3)))};
    auto* held = pairs.find(key);
    BOOST_REQUIRE((held != nullptr) == model.contains(key));
    if (held) {
      BOOST_REQUIRE(held == places[key]);  // it stays where it is
      BOOST_REQUIRE(held->key == key);
      BOOST_REQUIRE(held->state.duration_ms == model[key]);
    }
    if (const auto what = any(99); what < 60) {
      if (!held) {
        held = &pairs.add(key);
        BOOST_REQUIRE(held->state == progress{});
        BOOST_REQUIRE(!held->dirty);
        places[key] = held;
      }
      model[key] = held->state.duration_ms = any(1'000'000);
    } else if (what < 98) {
      if (held) pairs.erase(*held);
      model.erase(key);
    } else {
      const auto below = any(1'000'000) / 8;
      pairs.erase_if([&](const held_pair& pair) { return pair.state.duration_ms < below; });
      std::erase_if(model, [&](const auto& item) { return item.second < below; });
    }
    BOOST_REQUIRE(pairs.size() == model.size());
  }
  std::set<pair_key> seen;
  pairs.visit_while([&](const held_pair& pair) { return seen.insert(pair.key).second; });
  BOOST_TEST(seen.size() == model.size());
  for (const auto& [key, value] : model) BOOST_TEST(seen.contains(key));
}

BOOST_AUTO_TEST_CASE(a_visit_ends_when_it_is_told) {
  held_pairs pairs;
  for (int i = 0; i < 100; ++i) pairs.add({student(i), module_named("m1")});
  int visited = 0;
  pairs.visit_while([&](const held_pair&) { return ++visited < 32; });
  BOOST_TEST(visited == 32);
}

BOOST_AUTO_TEST_SUITE_END()
