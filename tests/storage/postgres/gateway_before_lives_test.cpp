#include <array>
#include <boost/test/unit_test.hpp>
#include <pqxx/connection.hxx>
#include <pqxx/nontransaction.hxx>
#include <pqxx/result_iterator.hxx>
#include <pqxx/transaction.hxx>
#include <string>

#include "tests/storage/ledger_fixtures.hpp"
#include "tests/storage/ledger_sql.hpp"
#include "tests/storage/schema_before_lives.hpp"

/// A gateway from before lives goes on beside one of today, which has migrated the ledger.
namespace watchkeeper::test {
using namespace storage;
namespace {

/// A write of the version before lives, as that program has it prepared: the text is that of its
/// storage/postgres/statements.cpp, because what protects the ledger is how PostgreSQL takes
/// exactly this text on the schema of today. The arguments are ordinary ones of that program.
struct old_write {
  const char* name;
  const char* sql;
  const char* with_arguments;
};

constexpr std::array old_writes{
    old_write{
        "checkpoint",
        "WITH given AS ("
        " SELECT * FROM unnest($1::text[], $2::text[], $3::int4multirange[], $4::int4[], "
        "$5::int8[],"
        "  $6::int4[], $7::int8[], $8::int8[], $9::int8[]) AS g (student_id, module_id, coverage,"
        "  duration_ms, playtime_ms, resume_ms, resume_at_ms, updated_ms, mastered_ms)"
        " WHERE NOT EXISTS (SELECT FROM erased_student e WHERE e.student_id = g.student_id"
        "  AND e.erased_at >= now() - interval '1 hour')"
        "), united AS ("
        " INSERT INTO progress AS p (student_id, module_id, coverage, duration_ms, playtime_ms,"
        "  resume_ms, resume_at_ms, updated_ms, mastered_ms)"
        "  SELECT * FROM given ORDER BY student_id, module_id"
        " ON CONFLICT (student_id, module_id) DO UPDATE SET prior = p.coverage,"
        "  coverage = CASE WHEN excluded.coverage @> p.coverage THEN excluded.coverage"
        "   WHEN p.coverage @> excluded.coverage THEN p.coverage"
        "   ELSE watchkeeper_unite(p.coverage, excluded.coverage) END,"
        "  duration_ms = CASE WHEN excluded.updated_ms > p.updated_ms THEN excluded.duration_ms"
        "   WHEN excluded.updated_ms < p.updated_ms THEN p.duration_ms"
        "   ELSE greatest(p.duration_ms, excluded.duration_ms) END,"
        "  playtime_ms = greatest(p.playtime_ms, excluded.playtime_ms),"
        "  resume_ms = CASE WHEN excluded.resume_at_ms > p.resume_at_ms THEN excluded.resume_ms"
        "   WHEN excluded.resume_at_ms < p.resume_at_ms THEN p.resume_ms"
        "   ELSE greatest(p.resume_ms, excluded.resume_ms) END,"
        "  resume_at_ms = greatest(p.resume_at_ms, excluded.resume_at_ms),"
        "  updated_ms = greatest(p.updated_ms, excluded.updated_ms),"
        "  mastered_ms = CASE WHEN p.mastered_ms = 0 THEN excluded.mastered_ms"
        "   WHEN excluded.mastered_ms = 0 THEN p.mastered_ms"
        "   ELSE least(p.mastered_ms, excluded.mastered_ms) END"
        " RETURNING *)"
        "SELECT u.student_id, u.module_id, u.coverage, u.duration_ms, u.playtime_ms, u.resume_ms,"
        " u.resume_at_ms, u.updated_ms, u.mastered_ms, m.duration_ms, m.mastery_centipercent,"
        " EXISTS (SELECT FROM completion c WHERE c.student_id = u.student_id"
        "  AND c.module_id = u.module_id AND c.rule_version = $10), u.coverage - u.prior"
        " FROM united u LEFT JOIN module m ON m.module_id = u.module_id",
        "('{ada,ada}', '{m1,m2}', ARRAY['{[0,9000)}', '{[0,1)}']::int4multirange[],"
        " '{60000,60000}', '{9000,1}', '{9000,1}', '{5,5}', '{5,5}', '{0,0}', 1)"},
    old_write{
        "add_completions",
        "INSERT INTO completion (student_id, module_id, rule_version, covered_ms, duration_ms,"
        "  threshold_centipercent, mastered_ms)"
        " SELECT g.student_id, g.module_id, $7::int4, g.covered_ms, g.duration_ms, g.threshold,"
        "  g.mastered_ms FROM unnest($1::text[], $2::text[], $3::int4[], $4::int4[], $5::int4[],"
        "  $6::int8[]) AS g (student_id, module_id, covered_ms, duration_ms, threshold, "
        "mastered_ms)"
        " ON CONFLICT (student_id, module_id, rule_version) DO NOTHING",
        "('{ada}', '{m1}', '{59000}', '{60000}', '{9500}', '{7}', 1)"},
    old_write{
        "put_module",
        "WITH put AS (INSERT INTO module AS m (module_id, title, duration_ms, mastery_centipercent,"
        "  max_rate_permille, updated_ms, preview_url) VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (module_id) DO UPDATE SET title = excluded.title,"
        "  duration_ms = excluded.duration_ms, mastery_centipercent = "
        "excluded.mastery_centipercent,"
        "  max_rate_permille = excluded.max_rate_permille, updated_ms = excluded.updated_ms,"
        "  preview_url = excluded.preview_url"
        " RETURNING m.module_id)"
        "SELECT watchkeeper_note_change(0, put.module_id) FROM put",
        "('m1', 'Title', 1000, 9500, 2000, 9, '')"},
    old_write{"remove_module",
              "WITH gone AS (DELETE FROM module WHERE module_id = $1 RETURNING module_id)"
              "SELECT watchkeeper_note_change(0, gone.module_id) FROM gone",
              "('m1')"},
    // Of a student who is not enrolled, or was erased.
    old_write{
        "put_device",
        "WITH put AS (INSERT INTO device AS d (kid, student_id, algorithm, public_key, revoked,"
        "  created_ms) VALUES ($1::bytea, $2, $3, $4::bytea, $5, $6)"
        " ON CONFLICT (kid) DO UPDATE SET algorithm = excluded.algorithm,"
        "  public_key = excluded.public_key, revoked = excluded.revoked"
        "  WHERE d.student_id = excluded.student_id RETURNING d.kid"
        "), back AS (DELETE FROM erased_student WHERE student_id = $2"
        "  AND EXISTS (SELECT FROM put))"
        "SELECT watchkeeper_note_change(1, $7) FROM put",
        "(sha256('k'), 'erased', 0, decode(repeat('6b', 64), 'hex'), false, 1, 'kid')"},
    old_write{"erase_student",
              "WITH p AS (DELETE FROM progress WHERE student_id = $1 RETURNING 1),"
              " c AS (DELETE FROM completion WHERE student_id = $1 RETURNING 1),"
              " a AS (DELETE FROM assignment WHERE student_id = $1 RETURNING 1),"
              " d AS (DELETE FROM device WHERE student_id = $1 RETURNING 1),"
              " refused AS (INSERT INTO erased_student (student_id) VALUES ($1)"
              "  ON CONFLICT (student_id) DO UPDATE SET erased_at = now()),"
              " audited AS (INSERT INTO audit (at_ms, actor, action, subject_sha256, progress_rows,"
              "  completion_rows, assignment_rows, device_rows)"
              "  SELECT $4::int8, $2::text, 'student-erased', $3::text, (SELECT count(*) FROM p), "
              "(SELECT "
              "count(*) FROM c),"
              "   (SELECT count(*) FROM a), (SELECT count(*) FROM d)"
              "  RETURNING progress_rows + completion_rows + assignment_rows + device_rows AS gone)"
              "SELECT audited.gone, watchkeeper_note_change(3, $1) FROM audited",
              "('ada', 'admin', 'digest', 1)"},
};

/// The schema of before, with a student who has progress in two modules, and one who was erased.
void write_small_ledger(const std::string& url) {
  pqxx::connection connection(url);
  pqxx::work work(connection);
  before_lives::write_schema(work);
  work.exec(
      "INSERT INTO module VALUES ('m1', 'T', 60000, 9500, 2000, 1), ('m2', 'T', 60000, 9500, 2000, "
      "1);"
      "INSERT INTO device VALUES (sha256('a'), 'ada', 0, decode(repeat('6b', 64), 'hex'), false, "
      "1);"
      "INSERT INTO progress SELECT 'ada', m, '{[0,59000)}', 60000, 59000, 59000, 5, 5, 7"
      " FROM unnest(ARRAY['m1', 'm2']) AS m;"
      "INSERT INTO completion (student_id, module_id, rule_version, covered_ms, duration_ms,"
      " threshold_centipercent, mastered_ms) VALUES ('ada', 'm1', 1, 59000, 60000, 9500, 7);"
      "INSERT INTO erased_student VALUES ('erased')");
  work.commit();
}

/// Every row of the tables that say who has seen what.
std::string contents(const std::string& url) {
  pqxx::connection connection(url);
  pqxx::nontransaction reading(connection);
  std::string all;
  for (const char* table :
       {"student", "progress", "completion", "device", "module", "module_revision", "assignment",
        "erased_student", "audit", "registry_change", "heatmap", "outbox", "ledger_identity"})
    for (const auto& row :
         reading.exec("SELECT t::text FROM " + std::string(table) + " AS t ORDER BY 1"))
      all += std::string(table) + ' ' + row[0].c_str() + '\n';
  return all;
}

/// What PostgreSQL says to the write; nothing if it is done. The transaction is committed then.
std::string failure_of(pqxx::connection& connection, const old_write& write) {
  try {
    pqxx::work work(connection);
    work.exec("EXECUTE " + std::string(write.name) + write.with_arguments);
    work.commit();
    return {};
  } catch (const pqxx::sql_error& error) {
    return error.what();
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gateway_before_lives)

BOOST_AUTO_TEST_CASE(what_it_writes_is_refused_as_a_whole) {
  const postgres_place place;
  write_small_ledger(place.url);
  // Its connection is open, and its statements have been planned on the schema of before.
  pqxx::connection old(place.url);
  for (const auto& write : old_writes) {
    pqxx::work work(old);
    work.exec(std::string("PREPARE ") + write.name + " AS " + write.sql);
    work.exec("EXECUTE " + std::string(write.name) + write.with_arguments);
    work.abort();
  }
  const auto today = make_migrated(place);
  const auto before = contents(place.url);
  for (const auto& write : old_writes) {
    BOOST_TEST_CONTEXT(write.name) {
      BOOST_TEST(failure_of(old, write) != "");
      BOOST_TEST(contents(place.url) == before);
    }
  }
  // Nothing that it left behind hinders today's.
  const std::vector<pair_progress> more{
      {pair("ada", "m2"), {.life = {1, 1}, .covered = covering({{0, 60'000}})}}};
  BOOST_TEST(need(today->checkpoint(more, wall_ms{9})).at(0).covered.covered_ms() == 60'000);
  BOOST_TEST(need(today->remove_module(module("m1"))));
  BOOST_TEST(need(today->put_module({module("m1"), "T", {.duration_ms = 1'000}, wall_ms{9}}))
                 ->module.revision == 2);
}

/// As an earlier schema of today's let it happen.
BOOST_AUTO_TEST_CASE(a_module_that_it_removed_can_be_put_again) {
  const postgres_place place;
  const auto tested = make_migrated(place);
  need(tested->put_module({module("m1"), "T", {.duration_ms = 1'000}, wall_ms{1}}));
  execute(place,
          "ALTER TABLE module_revision DROP CONSTRAINT module_revision_module_id_fkey;"
          "DELETE FROM module; DELETE FROM schema_migration WHERE number = 10");
  need(tested->migrate());
  const auto put =
      need(tested->put_module({module("m1"), "T", {.duration_ms = 1'000}, wall_ms{2}}));
  BOOST_REQUIRE(put.has_value());
  BOOST_TEST(put->module.revision == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
