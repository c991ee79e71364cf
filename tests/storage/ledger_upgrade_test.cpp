#include <boost/test/unit_test.hpp>
#include <fstream>
#include <iterator>
#include <pqxx/connection.hxx>
#include <pqxx/nontransaction.hxx>
#include <pqxx/transaction.hxx>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "domain/progress.hpp"
#include "storage/migrations.hpp"
#include "storage/sqlite/database.hpp"
#include "tests/storage/ledger_fixtures.hpp"
#include "tests/storage/ledger_sql.hpp"

/// A ledger that the version before lives wrote, with 100,000 pairs, becomes one of today.
namespace watchkeeper::test {
using namespace storage;
namespace {

constexpr int students = 5'000;
constexpr int modules = 20;
constexpr media_ms duration_ms = 60'000;
constexpr wall_ms mastered_at_ms{1'700'000'000'000};

// The schema of before has no rows of lives; module 0 had its threshold lowered to 90 % after most
// of its pairs were checkpointed.
media_ms covered_ms_of(int who) {
  return 1'000 * (who % 60) + 500;
}
bool was_mastered(int who) {
  return covered_ms_of(who) >= 57'000;
}
bool is_mastered(int who, int what) {
  return covered_ms_of(who) >= (what == 0 ? 54'000 : 57'000);
}
std::string student_name(int who) {
  return "s" + std::to_string(who);
}
std::string module_name(int what) {
  return "m" + std::to_string(what);
}

/// The statements that both schemas know, up to the migration with this number.
template <class Execute>
void apply_migrations(std::span<const migration> steps, int last, Execute&& execute) {
  execute("CREATE TABLE schema_migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL)");
  for (const auto& step : steps.first(static_cast<std::size_t>(last))) {
    execute(std::string(step.sql));
    execute("INSERT INTO schema_migration VALUES (" + std::to_string(step.number) + ", '" +
            std::string(step.name) + "')");
  }
  for (const auto& [key, value] : deployment_settings())
    execute("INSERT INTO deployment VALUES ('" + std::string(key) + "', '" + std::string(value) +
            "')");
  for (int what = 0; what < modules; ++what)
    execute(
        "INSERT INTO module (module_id, title, duration_ms, mastery_centipercent,"
        " max_rate_permille, updated_ms, preview_url) VALUES ('" +
        module_name(what) + "', 'T', " + std::to_string(duration_ms) + ", " +
        (what == 0 ? "9000" : "9500") + ", 2000, 1, '')");
}

constexpr const char* erasure_of_before =
    "INSERT INTO audit (at_ms, actor, action, subject_sha256, progress_rows, completion_rows,"
    " assignment_rows, device_rows) VALUES (1, 'admin', 'student-erased', 'digest-of-an-id', 1, 0,"
    " 0, 1)";

/// The ids of the erasures in the audit, and whether the digests are in the file.
std::string audited(const sqlite_place& place) {
  for (const auto* ending : {"", "-wal"}) {
    std::ifstream file(place.url + ending, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    BOOST_TEST(content.find("digest-of-an-id") == std::string::npos);
  }
  sqlite_database database(place.url, {});
  auto& row = database.prepared("SELECT group_concat('(' || erasure_id || ')') FROM audit");
  BOOST_REQUIRE(row.step());
  return std::string(row.text(0));
}
std::string audited(const postgres_place& place) {
  pqxx::connection connection(place.url);
  pqxx::nontransaction reading(connection);
  // A dead row of it, too, would need a page.
  return reading
      .exec(
          "SELECT string_agg('(' || erasure_id || ')', ',') FROM audit"
          " WHERE ctid = '(0,1)'")[0][0]
      .as<std::string>();
}

void write_pairs(sqlite_database& database) {
  for (int who = 0; who < students; ++who) {
    const auto id = student_name(who);
    std::string kid(32, '\0');
    kid.replace(0, id.size(), id);
    database.prepared("INSERT INTO device VALUES (?1, ?2, 0, ?3, 0, 1)")
        .bind_blob(1, kid)
        .bind_text(2, id)
        .bind_blob(3, std::string(64, 'k'))
        .run();
    for (int what = 0; what < modules; ++what) {
      database.prepared("INSERT INTO progress VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1, 1, ?6)")
          .bind_text(1, id)
          .bind_text(2, module_name(what))
          .bind_blob(3, covering({{0, covered_ms_of(who)}}).encode())
          .bind(4, duration_ms)
          .bind(5, covered_ms_of(who))
          .bind(6, was_mastered(who) ? mastered_at_ms : never)
          .run();
      if (!was_mastered(who)) continue;
      database
          .prepared(
              "INSERT INTO completion (student_id, module_id, rule_version, covered_ms,"
              " duration_ms, threshold_centipercent, mastered_ms) VALUES (?1, ?2, 1, ?3, ?4, ?5, "
              "?6)")
          .bind_text(1, id)
          .bind_text(2, module_name(what))
          .bind(3, covered_ms_of(who))
          .bind(4, duration_ms)
          .bind(5, what == 0 ? 9'000 : 9'500)
          .bind(6, mastered_at_ms)
          .run();
    }
  }
}

void write_old_ledger(const sqlite_place& place) {
  sqlite_database database(place.url, {});
  sqlite_transaction work(database, sqlite_transaction::mode::write);
  apply_migrations(sqlite_migrations(), 4, [&](const std::string& sql) { database.execute(sql); });
  database.execute(erasure_of_before);
  write_pairs(database);
  work.commit();
}

void write_old_ledger(const postgres_place& place) {
  pqxx::connection connection(place.url);
  pqxx::work work(connection);
  apply_migrations(postgres_migrations(), 5, [&](const std::string& sql) { work.exec(sql); });
  work.exec(erasure_of_before);
  const auto people = "generate_series(0, " + std::to_string(students - 1) + ") AS who";
  const auto pairs = people + ", generate_series(0, " + std::to_string(modules - 1) + ") AS what";
  const std::string covered = "(1000 * (who % 60) + 500)";
  work.exec(
      "INSERT INTO device SELECT sha256(('s' || who)::bytea), 's' || who, 0,"
      " decode(repeat('6b', 64), 'hex'), false, 1 FROM " +
      people);
  work.exec(
      "INSERT INTO progress (student_id, module_id, coverage, duration_ms, playtime_ms, resume_ms,"
      " resume_at_ms, updated_ms, mastered_ms) SELECT 's' || who, 'm' || what,"
      " int4multirange(int4range(0, " +
      covered + ")), 60000, " + covered + ", " + covered + ", 1, 1, CASE WHEN " + covered +
      " >= 57000 THEN 1700000000000 ELSE 0 END FROM " + pairs);
  work.exec(
      "INSERT INTO completion (student_id, module_id, rule_version, covered_ms, duration_ms,"
      " threshold_centipercent, mastered_ms) SELECT 's' || who, 'm' || what, 1, " +
      covered + ", 60000, CASE WHEN what = 0 THEN 9000 ELSE 9500 END, 1700000000000 FROM " + pairs +
      " WHERE " + covered + " >= 57000 ORDER BY who, what");
  work.commit();
}

std::vector<completion> all_completions(ledger& from) {
  std::vector<completion> all;
  for (;;) {
    const auto page = need(from.completions(all.empty() ? 0 : all.back().sequence, 500));
    if (page.empty()) return all;
    all.insert(all.end(), page.begin(), page.end());
  }
}

/// Whoever is mastered now, in modules and in students.
std::set<std::pair<std::string, std::string>> expected_completions(bool afterwards) {
  std::set<std::pair<std::string, std::string>> expected;
  for (int who = 0; who < students; ++who)
    for (int what = 0; what < modules; ++what)
      if (afterwards ? is_mastered(who, what) : was_mastered(who))
        expected.emplace(student_name(who), module_name(what));
  return expected;
}

void check_completions(ledger& upgraded, bool afterwards) {
  auto expected = expected_completions(afterwards);
  for (const auto& event : all_completions(upgraded)) {
    BOOST_REQUIRE(
        expected.erase({std::string(event.student.view()), std::string(event.module.view())}) == 1);
    BOOST_REQUIRE((event.life == life_number{1, 1}));
    BOOST_REQUIRE(event.revision == 1);
  }
  BOOST_TEST(expected.empty());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ledger_upgrade)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_ledger_from_before_lives_loses_nothing, Place, places) {
  const Place place;
  write_old_ledger(place);
  const auto upgraded = make_migrated(place);
  check_completions(*upgraded, false);
  BOOST_TEST(audited(place) == "()");
  for (const auto& summary : need(upgraded->summarize_modules()))
    BOOST_REQUIRE(summary.students == students);
  for (const int who : {0, 1, 56, 59, students - 1}) {
    const auto found =
        need(upgraded->look_up(std::vector<pair_key>{pair(student_name(who), "m7")}));
    BOOST_REQUIRE(found[0].state.has_value());
    BOOST_TEST(found[0].student.epoch == 1u);
    BOOST_TEST(found[0].duration_ms == duration_ms);
    const auto& state = *found[0].state;
    BOOST_TEST((state.life == life_number{1, 1}));
    BOOST_TEST(state.covered == covering({{0, covered_ms_of(who)}}));
    BOOST_TEST(state.mastered_ms == (was_mastered(who) ? mastered_at_ms : never));
  }
  BOOST_TEST(need(upgraded->recount_heatmap(module("m0"), false)).right());

  // Those whom the threshold of today masters, and whom nobody had looked at since, get it now.
  while (need(upgraded->judge_next(mastered_at_ms + 1, 500)).has_value()) {
  }
  check_completions(*upgraded, true);
}

BOOST_AUTO_TEST_CASE(a_gateway_from_before_cannot_write_into_it) {
  const postgres_place place;
  write_old_ledger(place);
  need(place.make()->migrate());
  pqxx::connection connection(place.url);
  for (const char* sql :
       {"INSERT INTO progress (student_id, module_id, coverage, duration_ms, playtime_ms, "
        "resume_ms,"
        " resume_at_ms, updated_ms, mastered_ms) VALUES ('s0', 'new', '{}', 1, 0, 0, 0, 0, 0)",
        "INSERT INTO completion (student_id, module_id, rule_version, covered_ms, duration_ms,"
        " threshold_centipercent, mastered_ms) VALUES ('s0', 'm1', 1, 1, 1, 9500, 1)",
        "INSERT INTO module (module_id, title, duration_ms, mastery_centipercent,"
        " max_rate_permille, updated_ms, preview_url) VALUES ('new', 'T', 1, 9500, 2000, 1, '')",
        "INSERT INTO device VALUES (sha256('x'), 'nobody', 0, '', false, 1)"}) {
    BOOST_CHECK_THROW(pqxx::nontransaction(connection).exec(sql), pqxx::sql_error);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
