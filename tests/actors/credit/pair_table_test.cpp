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

BOOST_AUTO_TEST_SUITE(pair_tables)

BOOST_AUTO_TEST_CASE(any_sequence_of_operations_equals_the_standard_map) {
  std::mt19937_64 random{7};
  pair_table pairs;
  std::map<pair_key, media_ms> model;
  std::map<pair_key, const pair_entry*> places;
  const auto any = [&](int most) { return std::uniform_int_distribution<int>{0, most}(random); };
  for (int i = 0; i < 20'000; ++i) {
    const pair_key key{student(any(400)), module_named("m" + std::to_string(any(3)))};
    auto* entry = pairs.find(key);
    BOOST_REQUIRE((entry != nullptr) == model.contains(key));
    if (entry) {
      BOOST_REQUIRE(entry == places[key]);  // it stays where it is
      BOOST_REQUIRE(entry->key == key);
      BOOST_REQUIRE(entry->state.duration_ms == model[key]);
    }
    if (const auto what = any(99); what < 60) {
      if (!entry) {
        entry = &pairs.add(key);
        BOOST_REQUIRE(entry->state == progress{});
        BOOST_REQUIRE(!entry->dirty);
        places[key] = entry;
      }
      model[key] = entry->state.duration_ms = any(1'000'000);
    } else if (what < 98) {
      if (entry) pairs.erase(*entry);
      model.erase(key);
    } else {
      const auto below = any(1'000'000) / 8;
      pairs.erase_if([&](const pair_entry& pair) { return pair.state.duration_ms < below; });
      std::erase_if(model, [&](const auto& item) { return item.second < below; });
    }
    BOOST_REQUIRE(pairs.size() == model.size());
  }
  std::set<pair_key> seen;
  pairs.visit_while([&](const pair_entry& pair) { return seen.insert(pair.key).second; });
  BOOST_TEST(seen.size() == model.size());
  for (const auto& [key, value] : model) BOOST_TEST(seen.contains(key));
}

BOOST_AUTO_TEST_CASE(a_visit_ends_when_the_visitor_returns_false) {
  pair_table pairs;
  for (int i = 0; i < 100; ++i) pairs.add({student(i), module_named("m1")});
  int visited = 0;
  pairs.visit_while([&](const pair_entry&) { return ++visited < 32; });
  BOOST_TEST(visited == 32);
}

BOOST_AUTO_TEST_SUITE_END()
