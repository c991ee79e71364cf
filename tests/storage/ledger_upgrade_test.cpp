#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <numeric>
#include <pqxx/nontransaction.hxx>
#include <string>
#include <vector>

#include "storage/completion_event.hpp"
#include "tests/storage/ledger_before_lives.hpp"
#include "tests/storage/ledger_fixtures.hpp"

/// A ledger that the version before lives wrote, with 100,000 pairs, becomes one of today.
namespace watchkeeper::test {
using namespace storage;
using namespace before_lives;
namespace {

constexpr wall_ms now_ms{1'800'000'000'000};

/// The ids of the erasures in the audit, and whether the digests are in the file.
std::string audited(const sqlite_place& place) {
  for (const auto* ending : {"", "-wal"}) {
    std::ifstream file(place.url + ending, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    BOOST_TEST(content.find("digest-of-an-id") == std::string::npos);
  }
  return query_text(place, "SELECT group_concat('(' || erasure_id || ')') FROM audit");
}
std::string audited(const postgres_place& place) {
  // A dead row of it, too, would need a page.
  return query_text(place,
                    "SELECT string_agg('(' || erasure_id || ')', ',') FROM audit"
                    " WHERE ctid = '(0,1)'");
}

std::vector<completion> all_completions(ledger& from) {
  std::vector<completion> all;
  for (;;) {
    const auto page = need(from.completions(all.empty() ? 0 : all.back().sequence, 500));
    if (page.empty()) return all;
    all.insert(all.end(), page.begin(), page.end());
  }
}

void check_pairs(ledger& upgraded) {
  constexpr int at_a_time = 500;
  for (int first = 0; first < pairs; first += at_a_time) {
    std::vector<pair_key> keys;
    for (int i = first; i < first + at_a_time; ++i)
      keys.push_back(key_of(i / modules, i % modules));
    const auto found = need(upgraded.look_up(keys));
    BOOST_REQUIRE(found.size() == keys.size());
    for (int i = 0; i < at_a_time; ++i) {
      const auto& row = found[static_cast<std::size_t>(i)];
      const int who = (first + i) / modules;
      BOOST_REQUIRE((row.student == student_life{.epoch = 1, .begins_ms = never}));
      BOOST_REQUIRE(row.state.has_value());
      BOOST_REQUIRE(*row.state == progress_of(who, (first + i) % modules));
      BOOST_REQUIRE(row.duration_ms == duration_ms);
    }
  }
}

void check_registry(ledger& upgraded) {
  for (int what = 0; what < modules; ++what) {
    const auto found = need(upgraded.get_module(module(module_name(what))));
    const module_record expected{
        .id = module(module_name(what)),
        .title = "Title",
        .rules = {.duration_ms = duration_ms, .mastery_centipercent = threshold_of(what)},
        .updated_ms = wall_ms{1},
        .preview_url = "https://video.example/1",
        .revision = 1};
    BOOST_REQUIRE((found == expected));
  }
  constexpr int at_a_time = 500;
  for (int first = 0; first < students; first += at_a_time) {
    std::vector<device_record> expected;
    std::vector<thumbprint> kids;
    for (int who = first; who < first + at_a_time; ++who) {
      expected.push_back(device_of(who));
      kids.push_back(expected.back().kid);
    }
    const auto found = need(upgraded.get_devices(kids));
    BOOST_REQUIRE(std::equal(found.begin(), found.end(), expected.begin(), expected.end()));
  }
  for (int who = 0; who < 20; ++who)
    for (int what = 0; what < modules; ++what)
      BOOST_REQUIRE(need(upgraded.is_assigned(key_of(who, what))) == is_assigned(who, what));
}

void check_heatmaps(ledger& upgraded) {
  for (int what = 0; what < 4; ++what)
    BOOST_TEST(need(upgraded.recount_heatmap(module(module_name(what)), false)).right());
  const auto of_m3 = need(upgraded.heatmap_of(module("m3")));
  BOOST_REQUIRE(of_m3.has_value());
  BOOST_TEST(of_m3->students == static_cast<std::uint64_t>(students));
  BOOST_TEST(std::accumulate(of_m3->bins.play_ms.begin(), of_m3->bins.play_ms.end(),
                             std::uint64_t{0}) == static_cast<std::uint64_t>(played_ms));
}

/// Those whom the threshold of today masters, and whom nobody had looked at since, get it now.
void check_judging(ledger& upgraded) {
  const auto before = completions();
  while (need(upgraded.judge_next(now_ms, 500)).has_value()) {
  }
  const auto after = all_completions(upgraded);
  BOOST_REQUIRE(after.size() > before.size());
  BOOST_TEST(std::equal(before.begin(), before.end(), after.begin()));
  std::size_t expected = 0;
  for (int i = 0; i < pairs; ++i) expected += is_mastered(i / modules, i % modules);
  BOOST_TEST(after.size() == expected);
  for (auto i = before.size(); i < after.size(); ++i) BOOST_TEST(after[i].module == module("m0"));
}

/// A pair goes on where it was, and its student can be erased for good.
void check_further_life(ledger& upgraded) {
  pair_progress more{key_of(1, 5), progress_of(1, 5)};
  more.state.covered.add({2'000, duration_ms});
  more.state.updated_ms = now_ms;
  const std::vector<pair_progress> batch{more};
  const auto united = need(upgraded.checkpoint(batch, now_ms)).at(0);
  BOOST_TEST(united.covered == covering({{0, 1'500}, {2'000, duration_ms}}));
  BOOST_TEST(united.mastered_ms == now_ms);
  const auto newest = need(upgraded.newest_completions(INT64_MAX, 1)).at(0);
  BOOST_TEST(newest.student == more.key.student);
  BOOST_TEST(newest.sequence > completions().back().sequence);

  BOOST_TEST(need(upgraded.erase_student(more.key.student, "admin", "1", now_ms, 2)));
  BOOST_TEST(has_ended(need(upgraded.checkpoint(batch, now_ms)).at(0)));
  BOOST_TEST(need(upgraded.progress_of_student(more.key.student, "", 500)).items.empty());
  const auto anew = need(upgraded.put_device(device_of(1), {.now_ms = now_ms}));
  BOOST_REQUIRE(anew.has_value());
  BOOST_TEST(anew->epoch > 1u);
  BOOST_TEST(has_ended(need(upgraded.checkpoint(batch, now_ms)).at(0)));
  BOOST_TEST(need(upgraded.recount_heatmap(module("m5"), false)).right());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ledger_upgrade)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_ledger_from_before_lives_loses_nothing, Place, places) {
  const Place place;
  before_lives::write(place);
  const auto upgraded = make_migrated(place);
  check_pairs(*upgraded);
  BOOST_TEST((all_completions(*upgraded) == completions()));
  // Receivers know a completion by this id, which that version gave it.
  BOOST_TEST(completion_event_id(completions().at(1)) == "e7da0dc7-01ab-5f34-8839-c24b647e976c");
  check_registry(*upgraded);
  check_heatmaps(*upgraded);
  BOOST_TEST(audited(place) == "()");
  // Whoever was erased shortly before begins an epoch above that of the copies of before.
  auto enrolled = device(1, "erased");
  enrolled.kid.bytes.fill(9);
  const auto again = need(upgraded->put_device(enrolled, {.now_ms = wall_ms{1}}));
  BOOST_REQUIRE(again.has_value());
  BOOST_TEST(again->epoch == 2u);
  check_judging(*upgraded);
  check_further_life(*upgraded);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
