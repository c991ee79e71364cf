#include <barrier>
#include <boost/test/unit_test.hpp>
#include <thread>

#include "storage/migrations.hpp"
#include "tests/storage/ledger_fixtures.hpp"
#include "tests/storage/ledger_sql.hpp"

namespace watchkeeper::test {
using namespace storage;
namespace {

/// Past the port: what another build, or an operator, might have done.

template <class T>
storage_error code_of(const stored<T>& applied) {
  BOOST_REQUIRE(!applied.has_value());
  return applied.error().code;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ledger_migration)

BOOST_AUTO_TEST_CASE_TEMPLATE(migrating_twice_changes_nothing, Place, places) {
  const Place place;
  const auto tested = place.make();
  auto version = need(tested->version());
  BOOST_TEST(version.applied == 0);
  BOOST_TEST(version.newest >= 1);
  need(tested->migrate());
  need(tested->put_module({module("m"), "M", {.duration_ms = 1}, wall_ms{1}}));
  need(tested->migrate());
  version = need(place.make()->version());
  BOOST_TEST(version.applied == version.newest);
  BOOST_TEST(need(tested->get_module(module("m"))).has_value());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(several_gateways_start_at_once, Place, places) {
  for (int round = 0; round < 3; ++round) {
    const Place place;
    constexpr int gateways = 4;
    std::barrier together(gateways);
    std::vector<std::string> failures(gateways);
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < gateways; ++i)
        threads.emplace_back([&, i] {
          const auto own = place.make();
          together.arrive_and_wait();
          const auto done = own->migrate();
          if (!done) failures[static_cast<std::size_t>(i)] = done.error().detail;
        });
    }
    for (const auto& failure : failures) BOOST_TEST(failure == "");
    const auto version = need(place.make()->version());
    BOOST_TEST(version.applied == version.newest);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(another_deployment_is_refused, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  execute(place, "UPDATE deployment SET value = '128' WHERE key = 'partitions'");
  const auto applied = tested->migrate();
  BOOST_TEST(code_of(applied) == storage_error::mismatch);
  BOOST_TEST(applied.error().detail.find("partitions = 128") != std::string::npos);
  execute(place, "UPDATE deployment SET value = '256' WHERE key = 'partitions'");
  need(tested->migrate());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_newer_schema_is_refused, Place, places) {
  const Place place;
  const auto tested = make_migrated(place);
  execute(place, "INSERT INTO schema_migration (number, name) VALUES (999, 'from the future')");
  BOOST_TEST(code_of(tested->migrate()) == storage_error::mismatch);
  BOOST_TEST(need(tested->version()).applied == 999);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_empty_database_is_a_mismatch, Place, places) {
  const Place place;
  const auto tested = place.make();
  BOOST_TEST(code_of(tested->changes(0, 1)) == storage_error::mismatch);
  need(tested->migrate());
  BOOST_TEST(need(tested->changes(0, 1)).empty());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(ids_of_erased_students_are_forgotten, Place, places) {
  constexpr bool sqlite = std::is_same_v<Place, sqlite_place>;
  const Place place;
  const auto tested = make_migrated(place);
  need(tested->erase_student(student("gone"), "admin", "00", wall_ms{1}, 0));
  BOOST_TEST(need(tested->changes(0, 10)).size() == 1u);
  BOOST_TEST(need(tested->erased_students()).size() == 1u);

  const std::string hour_ago =
      sqlite ? "unixepoch() - 3605" : "now() - interval '1 hour 5 seconds'";
  const auto age = [&] {
    execute(place, "UPDATE registry_change SET noted_at = " + hour_ago);
    execute(place, "UPDATE erased_student SET erased_at = " + hour_ago);
  };
  age();
  BOOST_TEST(need(tested->erased_students()).empty());
  const auto sequence = newest_change(*tested);
  need(tested->put_module({module("m"), "M", {.duration_ms = 1}, wall_ms{1}}));  // any write
  const auto left = need(tested->changes(0, 10));
  BOOST_REQUIRE(left.size() == 1u);
  BOOST_TEST(left[0].key == "m");
  BOOST_TEST(left[0].sequence > sequence);

  // Nobody writes any more: polling alone does it, sooner or later.
  need(tested->erase_student(student("gone"), "admin", "00", wall_ms{1}, 0));
  const auto newest = newest_change(*tested);
  age();
  for (int poll = 0; poll < 300; ++poll) need(tested->changes(newest, 10));
  BOOST_TEST(need(tested->changes(0, 10)).empty());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_cannot_be_read_is_corrupt, Place, places) {
  constexpr bool sqlite = std::is_same_v<Place, sqlite_place>;
  const Place place;
  const auto tested = make_migrated(place);
  const std::vector<pair_progress> batch{
      {pair("s", "m"), {.life = {1, 1}, .covered = covering({{0, 9}})}}};
  need(tested->put_device(device(1, "s"), {}));
  need(tested->checkpoint(batch, wall_ms{1}));
  // A gap of 100 ms that is not closed.
  execute(place, sqlite ? "UPDATE progress SET coverage = x'00000000000000090000006d000000ff'"
                        : "UPDATE progress SET coverage = '{[0,9),[109,255)}'");
  execute(place, "UPDATE device SET algorithm = 1");
  BOOST_TEST(
      (code_of(tested->read(std::vector<pair_key>{batch[0].key})) == storage_error::corrupt));
  BOOST_TEST(code_of(tested->progress_of_student(student("s"), "", 1)) == storage_error::corrupt);
  BOOST_TEST(code_of(tested->devices_of(student("s"))) == storage_error::corrupt);
  BOOST_TEST(newest_change(*tested) > 0);  // the others still work
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_cannot_be_read_keeps_nobody_from_being_erased_or_judged, Place,
                              places) {
  constexpr bool sqlite = std::is_same_v<Place, sqlite_place>;
  const Place place;
  const auto tested = make_migrated(place);
  for (const auto* name : {"m", "z"})
    need(tested->put_module({module(name),
                             "Title",
                             {.duration_ms = 10'000, .mastery_centipercent = 9'000},
                             wall_ms{1}}));
  std::vector<pair_progress> batch;
  for (const auto* name : {"a", "b", "c"}) {
    need(tested->put_device(device(name[0], name), {}));
    for (const auto* of : {"m", "z"})
      batch.push_back({pair(name, of),
                       {.life = {1, 1}, .covered = covering({{0, 8'000}}), .duration_ms = 10'000}});
  }
  need(tested->checkpoint(batch, wall_ms{1}));
  execute(place, std::string(sqlite ? "UPDATE progress SET coverage = x'0000'"
                                    : "UPDATE progress SET coverage = '{[0,9),[109,255)}'") +
                     " WHERE student_id = 'b' AND module_id = 'm'");
  for (const auto* name : {"m", "z"})
    need(tested->put_module({module(name),
                             "Title",
                             {.duration_ms = 10'000, .mastery_centipercent = 5'000},
                             wall_ms{2}}));
  std::vector<std::string> mastered, unreadable;
  const auto text = [](const pair_key& key) {
    return std::string(key.student.view()) + '/' + std::string(key.module.view());
  };
  // In steps of one pair: it is the first of a step, the last, and the only one.
  while (const auto step = need(tested->judge_next(wall_ms{3}, 1))) {
    for (const auto& each : step->mastered) mastered.push_back(text(each.key));
    for (const auto& each : step->unreadable) unreadable.push_back(text(each));
  }
  BOOST_TEST(mastered == (std::vector<std::string>{"a/m", "c/m", "a/z", "b/z", "c/z"}),
             boost::test_tools::per_element());
  BOOST_TEST(unreadable == std::vector<std::string>{"b/m"}, boost::test_tools::per_element());
  BOOST_TEST(need(tested->judgings(10)).empty());

  BOOST_TEST(need(tested->erase_student(student("b"), "admin", "00", wall_ms{4}, 2)));
  BOOST_TEST(need(tested->progress_of_student(student("b"), "", 10)).items.empty());
  BOOST_TEST(need(tested->heatmap_of(module("z")))->students == 2u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
