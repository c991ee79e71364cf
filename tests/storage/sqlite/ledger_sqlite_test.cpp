#include <boost/test/unit_test.hpp>
#include <fstream>

#include "storage/sqlite/database.hpp"
#include "tests/storage/ledger_fixtures.hpp"

namespace watchkeeper::test {
using namespace storage;
namespace {

const std::vector<pair_progress> some_batch{
    {{student_id::parse("s").value(), module_id::parse("m").value()},
     {.life = {1, 1},
      .covered = covering({{0, 9'000}, {9'500, 9'600}}),
      .duration_ms = 20'000,
      .playtime_ms = 12'345,
      .resume_ms = 9'600,
      .resume_at_ms = wall_ms{13},
      .updated_ms = wall_ms{14}}}};

storage_error code_of_write(ledger& tested) {
  const auto applied = tested.checkpoint(some_batch, wall_ms{1});
  BOOST_REQUIRE(!applied.has_value());
  BOOST_TEST(!applied.error().detail.empty());
  return applied.error().code;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ledger_sqlite)

BOOST_AUTO_TEST_CASE(golden_row) {
  const sqlite_place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  need(tested->checkpoint(some_batch, wall_ms{15}));
  sqlite_database file(place.url, {});
  auto& row = file.prepared(
      "SELECT hex(coverage) || '|' || others FROM (SELECT coverage, student_id || '|' ||"
      " module_id || '|' || duration_ms || '|' || playtime_ms || '|' || resume_ms || '|' ||"
      " resume_at_ms || '|' || updated_ms || '|' || mastered_ms AS others FROM progress)");
  BOOST_REQUIRE(row.step());
  BOOST_TEST(row.text(0) == "00000000000023280000251C00002580|s|m|20000|12345|9600|13|14|0");
}

BOOST_AUTO_TEST_CASE(a_folder_that_is_not_there_is_unavailable_until_it_is) {
  const sqlite_place place;
  const auto folder = place.folder / "later";
  const auto tested = make_sqlite_ledger((folder / "ledger.db").string());
  const auto missing = tested->migrate();
  BOOST_REQUIRE(!missing.has_value());
  BOOST_TEST(missing.error().code == storage_error::unavailable);
  std::filesystem::create_directory(folder);
  need(tested->migrate());
}

BOOST_AUTO_TEST_CASE(a_file_of_something_else_is_corrupt) {
  const sqlite_place place;
  std::ofstream(place.url) << std::string(8'192, 'x');
  const auto tested = place.make();
  const auto applied = tested->migrate();
  BOOST_REQUIRE(!applied.has_value());
  BOOST_TEST(applied.error().code == storage_error::corrupt);
}

BOOST_AUTO_TEST_CASE(a_writer_that_does_not_end_makes_others_unavailable) {
  const sqlite_place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  {
    sqlite_database other(place.url, {});
    const sqlite_transaction held(other, sqlite_transaction::mode::write);
    BOOST_TEST(code_of_write(*tested) == storage_error::unavailable);  // after 5 s
    BOOST_TEST(newest_change(*tested) == 1);                           // readers go on
  }
  need(tested->checkpoint(some_batch, wall_ms{2}));
}

BOOST_AUTO_TEST_CASE(a_failed_checkpoint_leaves_nothing_behind) {
  const sqlite_place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  put_modules(*tested, {"mastered"}, 10);
  sqlite_database(place.url, {})
      .execute(
          "CREATE TRIGGER full BEFORE INSERT ON completion BEGIN SELECT RAISE(ABORT, 'no'); END");
  auto batch = some_batch;
  batch.push_back(
      {pair("s", "mastered"), {.life = {1, 1}, .covered = covering({{0, 10}}), .duration_ms = 10}});
  const auto applied = tested->checkpoint(batch, wall_ms{1});
  BOOST_REQUIRE(!applied.has_value());
  BOOST_TEST(applied.error().code == storage_error::refused);
  BOOST_TEST(need(tested->progress_of_student(student("s"), "", 10)).items.empty());
  sqlite_database(place.url, {}).execute("DROP TRIGGER full");
  need(tested->checkpoint(batch, wall_ms{2}));
  BOOST_TEST(need(tested->completions(0, 10)).size() == 1u);
}

namespace {

bool file_has(const std::string& file, const std::string& text) {
  std::ifstream from(file, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(from), {}};
  return content.find(text) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_removal_of_traces_forgets_old_rows_and_cuts_the_log_off) {
  const sqlite_place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"somebody-unique"});
  need(tested->erase_student(student("somebody-unique"), "admin", "an-id", wall_ms{1}, 0));
  BOOST_TEST((need(tested->remove_traces()) == trace_removal::done));
  BOOST_TEST(std::filesystem::file_size(place.url + "-wal") == 0u);
  BOOST_TEST(file_has(place.url, "somebody-unique"));  // other gateways have an hour to hear of it
  sqlite_database(place.url, {})
      .execute(
          "UPDATE registry_change SET noted_at = noted_at - 3601;"
          "UPDATE erased_student SET erased_at = erased_at - 3601");
  BOOST_TEST((need(tested->remove_traces()) == trace_removal::done));
  BOOST_TEST(!file_has(place.url, "somebody-unique"));
  BOOST_TEST(!file_has(place.url + "-wal", "somebody-unique"));
  BOOST_TEST(file_has(place.url, "an-id"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
