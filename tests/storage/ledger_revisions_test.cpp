#include <boost/test/unit_test.hpp>
#include <thread>

#include "tests/storage/ledger_fixtures.hpp"

namespace watchkeeper::test {
using namespace storage;
namespace {

constexpr std::size_t any_number = 500;

void put(ledger& into, media_ms duration_ms, std::int32_t threshold_centipercent) {
  need(
      into.put_module({module("m"),
                       "Title",
                       {.duration_ms = duration_ms, .mastery_centipercent = threshold_centipercent},
                       wall_ms{1}}));
}
progress checkpoint(ledger& into, std::string_view who, std::initializer_list<media_interval> seen,
                    wall_ms mastered_ms = never) {
  const pair_progress one{pair(who, "m"),
                          {.life = {1, 1},
                           .covered = covering(seen),
                           .duration_ms = 120'000,
                           .mastered_ms = mastered_ms}};
  return need(into.checkpoint({&one, 1}, wall_ms{100}))[0];
}
/// Whom the judging masters.
std::vector<std::string> judge(ledger& by) {
  std::vector<std::string> mastered;
  while (const auto step = need(by.judge_next(wall_ms{200}, any_number)))
    for (const auto& each : step->mastered) mastered.emplace_back(each.key.student.view());
  return mastered;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ledger_revisions)

BOOST_AUTO_TEST_CASE_TEMPLATE(mastery_is_decided_by_the_catalogue, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  need(tested->put_module(
      {module("m"), "M", {.duration_ms = 10'000, .mastery_centipercent = 9'000}, wall_ms{1}}));
  enrol(*tested, {"s"});
  progress state{.life = {1, 1}, .covered = covering({{0, 8'999}}), .duration_ms = 10'000};
  const auto checkpoint = [&](std::string_view m, wall_ms now_ms) {
    return need(tested->checkpoint(std::vector<pair_progress>{{pair("s", m), state}}, now_ms))[0];
  };
  BOOST_TEST(checkpoint("m", wall_ms{100}).mastered_ms == never);
  state.covered.add({8'999, 9'000});
  BOOST_TEST(checkpoint("m", wall_ms{200}).mastered_ms == wall_ms{200});
  BOOST_TEST(checkpoint("m", wall_ms{300}).mastered_ms == wall_ms{200});  // once and for good
  BOOST_TEST(checkpoint("unknown", wall_ms{400}).mastered_ms == never);
  state.covered.add({9'000, 9'500});
  // Nobody knows its threshold.
  BOOST_TEST(checkpoint("unknown", wall_ms{500}).mastered_ms == never);
  need(tested->remove_module(module("m")));
  BOOST_TEST(checkpoint("m", wall_ms{600}).mastered_ms == wall_ms{200});

  const auto events = need(tested->completions(0, 10));
  BOOST_REQUIRE(events.size() == 1u);
  const completion first{events[0].sequence, student("s"), module("m"), 1, 9'000, 10'000, 9'000,
                         wall_ms{200},       {1, 1}};
  BOOST_TEST(events[0] == first);
  BOOST_TEST(need(tested->completions(events[0].sequence, 10)).empty());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_lies_beyond_the_end_does_not_count, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  put(*tested, 120'000, 9'500);
  BOOST_TEST(checkpoint(*tested, "s", {{60'000, 115'000}}).mastered_ms == never);
  put(*tested, 60'000, 9'500);
  BOOST_TEST(checkpoint(*tested, "s", {{0, 3'000}}).mastered_ms == never);
  BOOST_TEST(judge(*tested).empty());
  BOOST_TEST(need(tested->summarize_modules())[0].average_centipercent == 500);
  // It counts again if the module is longer again.
  put(*tested, 120'000, 4'800);
  BOOST_TEST(judge(*tested) == std::vector<std::string>{"s"}, boost::test_tools::per_element());
  const auto event = need(tested->completions(0, 10)).at(0);
  BOOST_TEST(event.revision == 3);
  BOOST_TEST(event.covered_ms == 58'000);
  BOOST_TEST(event.duration_ms == 120'000);
  BOOST_TEST(event.threshold_centipercent == 4'800);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_duration_or_a_threshold_alone_is_reason_to_judge, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s", "t"});
  put(*tested, 100'000, 9'500);
  BOOST_TEST(judge(*tested).empty());
  BOOST_TEST(checkpoint(*tested, "s", {{0, 90'000}}).mastered_ms == never);
  BOOST_TEST(checkpoint(*tested, "t", {{0, 80'000}}).mastered_ms == never);
  put(*tested, 90'000, 9'500);
  BOOST_TEST(judge(*tested) == std::vector<std::string>{"s"}, boost::test_tools::per_element());
  const auto event = need(tested->completions(0, 10)).at(0);
  BOOST_TEST(event.revision == 2);
  BOOST_TEST(event.duration_ms == 90'000);
  put(*tested, 90'000, 8'000);
  BOOST_TEST(judge(*tested) == std::vector<std::string>{"t"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_removed_module_masters_nobody_until_it_is_back, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s", "t"});
  put(*tested, 100'000, 10'000);
  BOOST_TEST(need(tested->remove_module(module("m"))));
  BOOST_TEST(!need(tested->remove_module(module("m"))));
  BOOST_TEST(!need(tested->get_module(module("m"))).has_value());
  BOOST_TEST(need(tested->list_modules("", 10)).items.empty());
  BOOST_TEST(checkpoint(*tested, "s", {{0, 96'000}}).mastered_ms == never);
  BOOST_TEST(checkpoint(*tested, "t", {{0, 100'000}}).mastered_ms == never);
  BOOST_TEST(judge(*tested).empty());
  put(*tested, 100'000, 10'000);
  BOOST_TEST(judge(*tested) == std::vector<std::string>{"t"}, boost::test_tools::per_element());
  BOOST_TEST(need(tested->completions(0, 10)).at(0).revision == 2);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_event_names_the_rules_that_mastered_the_pair, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s", "t", "u"});
  put(*tested, 100'000, 9'000);
  put(*tested, 100'000, 9'500);
  // The hot store mastered both by the first revision, before its gateway knew the second.
  checkpoint(*tested, "s", {{0, 91'000}}, wall_ms{50});
  checkpoint(*tested, "t", {{0, 96'000}}, wall_ms{50});
  checkpoint(*tested, "u", {{0, 1'000}}, wall_ms{50});  // by rules that nobody knows
  const auto events = need(tested->completions(0, 10));
  BOOST_REQUIRE(events.size() == 3u);
  BOOST_TEST(events[0].revision == 1);
  BOOST_TEST(events[0].threshold_centipercent == 9'000);
  BOOST_TEST(events[1].revision == 2);
  BOOST_TEST(events[2].revision == 2);
  // A higher threshold takes nothing away, and gives no second event.
  put(*tested, 100'000, 10'000);
  BOOST_TEST(judge(*tested).empty());
  BOOST_TEST(need(tested->completions(0, 10)).size() == 3u);
  BOOST_TEST(need(tested->read(std::vector<pair_key>{pair("s", "m")}))[0]->mastered_ms ==
             wall_ms{50});
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_module_that_is_put_late_completes_whom_the_hot_store_mastered,
                              Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  checkpoint(*tested, "s", {{0, 96'000}}, wall_ms{50});
  BOOST_TEST(need(tested->completions(0, 10)).empty());  // nobody knows the rules
  put(*tested, 100'000, 9'500);
  BOOST_TEST(judge(*tested).empty());  // it was mastered before
  BOOST_TEST(need(tested->completions(0, 10)).size() == 1u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(revisions_beyond_the_limit_are_forgotten, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s", "t"});
  const auto all = storage_limits::module_revisions_max + 1;
  // The first two have the lowest thresholds.
  for (int i = 1; i <= all; ++i) put(*tested, 100'000, 1'000 * std::min(i, 3) + i);
  checkpoint(*tested, "s", {{0, 10'100}}, wall_ms{50});  // by the first, which is forgotten
  checkpoint(*tested, "t", {{0, 20'100}}, wall_ms{50});
  const auto events = need(tested->completions(0, 10));
  BOOST_REQUIRE(events.size() == 2u);
  BOOST_TEST(events[0].revision == all);
  BOOST_TEST(events[1].revision == 2);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gateways_judge_together, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  constexpr int students = 300;
  const auto all = names(students, [](int i) { return "s" + std::to_string(1'000 + i); });
  enrol(*tested, all);
  put(*tested, 100'000, 9'500);
  for (const auto& who : all) checkpoint(*tested, who, {{0, 91'000}});
  put(*tested, 100'000, 9'000);
  std::atomic<int> mastered{0};
  std::atomic<int> failures{0};
  {
    std::vector<std::jthread> gateways;
    for (int i = 0; i < 3; ++i)
      gateways.emplace_back([&] {
        const auto own = place.make();
        while (!need(own->judgings(1)).empty()) {
          const auto step = own->judge_next(wall_ms{200}, 7);
          if (!step)
            ++failures;
          else if (*step)
            mastered += static_cast<int>((*step)->mastered.size());
        }
      });
  }
  BOOST_TEST(failures == 0);
  BOOST_TEST(mastered == students);
  BOOST_TEST(need(tested->completions(0, 500)).size() == std::size_t{students});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
