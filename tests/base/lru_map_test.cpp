// The bounded map against a list that is searched from end to end.
#include "base/lru_map.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace watchkeeper;

namespace {

/// All keys in one place of the table: equality has to decide.
struct same_hash {
  std::size_t operator()(int) const noexcept { return 7; }
};

auto has_key(int key) {
  return [key](const std::pair<int, int>& each) { return each.first == key; };
}

/// The same map, slow: the entry that was used least recently comes first.
class slow_lru_map {
 public:
  explicit slow_lru_map(std::size_t entries_max) : entries_max_(entries_max) {}

  const int* peek(int key) const {
    const auto at = place_of(key);
    return at == entries_.end() ? nullptr : &at->second;
  }
  const int* find(int key) {
    const auto at = std::find_if(entries_.begin(), entries_.end(), has_key(key));
    if (at == entries_.end()) return nullptr;
    std::rotate(at, at + 1, entries_.end());
    return &entries_.back().second;
  }
  bool try_emplace(int key, int value) {
    if (find(key)) return false;
    entries_.emplace_back(key, value);
    if (entries_.size() > entries_max_) entries_.erase(entries_.begin());
    return true;
  }
  void put(int key, int value) {
    if (!try_emplace(key, value)) entries_.back().second = value;
  }
  bool erase(int key) { return std::erase_if(entries_, has_key(key)) > 0; }
  void evict_oldest() { entries_.erase(entries_.begin()); }
  void clear() { entries_.clear(); }
  [[nodiscard]] const std::vector<std::pair<int, int>>& entries() const { return entries_; }

 private:
  std::vector<std::pair<int, int>>::const_iterator place_of(int key) const {
    return std::find_if(entries_.begin(), entries_.end(), has_key(key));
  }

  std::size_t entries_max_;
  std::vector<std::pair<int, int>> entries_;
};

template <class Map>
std::vector<std::pair<int, int>> entries_of(const Map& map) {
  std::vector<std::pair<int, int>> all;
  map.for_each([&](int key, int value) { all.emplace_back(key, value); });
  return all;
}

template <class Hash>
void compare(std::uint64_t seed, std::size_t entries_max, int keys) {
  std::mt19937_64 random{seed};
  const auto any = [&](int most) { return std::uniform_int_distribution<int>{0, most}(random); };
  lru_map<int, int, Hash> map(entries_max);
  slow_lru_map model(entries_max);
  for (int i = 0; i < 5000; ++i) {
    const auto key = any(keys);
    const auto value = any(1'000'000);
    const auto what = any(999);
    if (what < 300) {
      const auto* const found = map.find(key);
      const auto* const expected = model.find(key);
      BOOST_REQUIRE((found != nullptr) == (expected != nullptr));
      if (found) BOOST_REQUIRE(*found == *expected);
    } else if (what < 400) {
      const auto* const found = map.peek(key);
      const auto* const expected = model.peek(key);
      BOOST_REQUIRE((found != nullptr) == (expected != nullptr));
      BOOST_REQUIRE(map.contains(key) == (expected != nullptr));
      if (found) BOOST_REQUIRE(*found == *expected);
    } else if (what < 600) {
      map.put(key, value);
      model.put(key, value);
    } else if (what < 850) {
      const auto [found, is_new] = map.try_emplace(key, value);
      BOOST_REQUIRE(is_new == model.try_emplace(key, value));
      BOOST_REQUIRE(found == model.entries().back().second);
    } else if (what < 950) {
      BOOST_REQUIRE(map.erase(key) == model.erase(key));
    } else if (what < 998) {
      if (!map.empty()) {
        map.evict_oldest();
        model.evict_oldest();
      }
    } else {
      map.clear();
      model.clear();
    }
    BOOST_REQUIRE(map.size() == model.entries().size());
    BOOST_REQUIRE(map.size() <= entries_max);
    BOOST_REQUIRE(entries_of(map) == model.entries());
    BOOST_REQUIRE((map.oldest() == nullptr) == map.empty());
    if (map.oldest()) BOOST_REQUIRE(map.oldest()->key == model.entries().front().first);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(lru_maps)

BOOST_AUTO_TEST_CASE(any_sequence_of_operations_equals_the_slow_map) {
  const char* seed_text = std::getenv("WATCHKEEPER_SEED");
  const std::uint64_t seed = seed_text ? std::strtoull(seed_text, nullptr, 10) : 11;
  BOOST_TEST_CONTEXT("replay: WATCHKEEPER_SEED=" << seed) {
    compare<std::hash<int>>(seed, 1, 3);
    compare<std::hash<int>>(seed, 20, 40);
    compare<std::hash<int>>(seed, 1000, 100);  // never at its limit
    compare<same_hash>(seed, 8, 16);
  }
}

BOOST_AUTO_TEST_CASE(at_the_limit_the_entry_used_least_recently_goes) {
  lru_map<std::string, int> map(3);
  map.put("a", 1);
  map.put("b", 2);
  map.put("c", 3);
  BOOST_REQUIRE(map.find("a"));
  BOOST_REQUIRE(map.peek("b"));  // a peek is no use
  map.put("d", 4);
  BOOST_TEST(map.size() == 3u);
  BOOST_TEST(!map.contains("b"));
  BOOST_TEST(map.contains("a"));
  map.put("c", 5);  // a replacement evicts nothing
  BOOST_TEST(map.size() == 3u);
  BOOST_TEST(map.oldest()->key == "a");
}

BOOST_AUTO_TEST_CASE(an_entry_stays_at_its_address_and_may_be_of_any_movable_type) {
  lru_map<int, std::unique_ptr<int>> map(1000);
  const auto [first, is_new] = map.try_emplace(0, std::make_unique<int>(7));
  BOOST_TEST(is_new);
  for (int i = 1; i < 1000; ++i) map.try_emplace(i, std::make_unique<int>(i));
  BOOST_TEST(map.find(0) == &first);
  BOOST_TEST(*first == 7);
}

BOOST_AUTO_TEST_CASE(an_evicted_value_is_destroyed_at_once) {
  lru_map<int, std::shared_ptr<int>> map(1);
  const auto value = std::make_shared<int>(1);
  map.put(1, value);
  BOOST_TEST(value.use_count() == 2);
  map.put(2, nullptr);
  BOOST_TEST(value.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
