#include <array>
#include <boost/test/unit_test.hpp>
#include <string>

#include "storage/sqlite/database.hpp"
#include "tests/storage/ledger_fixtures.hpp"
#include "tests/storage/schema_before_lives.hpp"

/// A program from before lives has the file open, while one of today migrates it.
namespace watchkeeper::test {
using namespace storage;
namespace sqlite_before_lives {
namespace {

/// The writes of the version before lives, with the texts of its storage/sqlite/ledger_*.cpp, where
/// the question marks have ordinary values.
constexpr std::array writes{
    "INSERT OR REPLACE INTO progress (student_id, module_id, coverage, duration_ms, playtime_ms,"
    " resume_ms, resume_at_ms, updated_ms, mastered_ms)"
    " VALUES ('ada', 'm1', x'0000000000002328', 60000, 9000, 9000, 5, 5, 0)",
    "INSERT INTO completion (student_id, module_id, rule_version, covered_ms,"
    " duration_ms, threshold_centipercent, mastered_ms)"
    " VALUES ('ada', 'm1', 1, 59000, 60000, 9500, 7)"
    " ON CONFLICT (student_id, module_id, rule_version) DO NOTHING",
    "INSERT OR REPLACE INTO module (module_id, title, duration_ms,"
    " mastery_centipercent, max_rate_permille, updated_ms, preview_url)"
    " VALUES ('m1', 'T', 1000, 9500, 2000, 9, '')",
    "DELETE FROM module WHERE module_id = 'm1'",
    // Of a student who is not enrolled, or was erased.
    "INSERT INTO device (kid, student_id, algorithm, public_key, revoked, created_ms)"
    " VALUES (zeroblob(32), 'erased', 0, zeroblob(64), 0, 1)"
    " ON CONFLICT (kid) DO UPDATE SET algorithm = excluded.algorithm,"
    " public_key = excluded.public_key, revoked = excluded.revoked"
    " WHERE student_id = excluded.student_id",
    // The last statement of an erasure, with whose transaction everything is undone.
    "INSERT INTO audit (at_ms, actor, action, subject_sha256, progress_rows,"
    " completion_rows, assignment_rows, device_rows)"
    " VALUES (1, 'admin', 'student-erased', 'digest', 1, 1, 0, 1)",
};

std::string contents(sqlite_database& database) {
  std::string all;
  for (const char* sql :
       {"SELECT student_id || hex(coverage) || epoch || '.' || attempt FROM progress ORDER BY 1",
        "SELECT module_id || duration_ms || ' ' || revision FROM module ORDER BY 1",
        "SELECT count(*) || '' FROM completion", "SELECT count(*) || '' FROM device",
        "SELECT count(*) || '' FROM audit"}) {
    auto& row = database.prepared(sql);
    while (row.step()) all += std::string(row.text(0)) + '\n';
  }
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sqlite_ledger_before_lives)

BOOST_AUTO_TEST_CASE(what_that_program_writes_is_refused) {
  const sqlite_place place;
  sqlite_database old(place.url, {});
  before_lives::write_schema(old);
  old.execute(
      "INSERT INTO module VALUES ('m1', 'T', 60000, 9500, 2000, 1, '');"
      "INSERT INTO device VALUES (randomblob(32), 'ada', 0, zeroblob(64), 0, 1);"
      "INSERT INTO progress VALUES ('ada', 'm1', x'000000000000e678', 60000, 59000, 59000, 5, 5, "
      "7);"
      "INSERT INTO completion (student_id, module_id, rule_version, covered_ms, duration_ms,"
      " threshold_centipercent, mastered_ms) VALUES ('ada', 'm1', 1, 59000, 60000, 9500, 7)");
  for (const char* sql : writes) {
    sqlite_transaction work(old, sqlite_transaction::mode::write);
    old.prepared(sql).run();  // and is undone
  }
  const auto today = make_migrated(place);
  need(today->reset_progress(pair("ada", "m1"), {}, {"admin", "", wall_ms{9}}));
  const auto before = contents(old);
  for (const char* sql : writes) {
    BOOST_TEST_CONTEXT(sql) {
      BOOST_CHECK_THROW(old.prepared(sql).run(), sqlite_error);
      BOOST_TEST(contents(old) == before);
    }
  }
  BOOST_TEST(need(today->remove_module(module("m1"))));
  BOOST_TEST(need(today->put_module({module("m1"), "T", {.duration_ms = 1'000}, wall_ms{9}}))
                 ->module.revision == 2);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace sqlite_before_lives
}  // namespace watchkeeper::test
