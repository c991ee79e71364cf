#include <boost/test/unit_test.hpp>
#include <chrono>
#include <pqxx/connection.hxx>
#include <pqxx/nontransaction.hxx>
#include <pqxx/result.hxx>
#include <thread>

#include "storage/postgres/database.hpp"
#include "storage/postgres/text.hpp"
#include "tests/storage/ledger_fixtures.hpp"

namespace watchkeeper::test {
using namespace storage;
namespace {

using namespace std::chrono_literals;

const std::vector<pair_progress> short_batch{
    {{student_id::parse("s").value(), module_id::parse("m").value()},
     {.life = {1, 1},
      .covered = covering({{0, 1'000}}),
      .duration_ms = 5'000,
      .updated_ms = wall_ms{7}}}};

}  // namespace

BOOST_AUTO_TEST_SUITE(ledger_postgres)

BOOST_AUTO_TEST_CASE(the_sql_union_is_the_domain_union) {
  const postgres_place place;
  make_migrated(place);
  pqxx::connection connection(place.url);
  pqxx::nontransaction sql(connection);
  connection.prepare("unite", "SELECT watchkeeper_unite($1::int4multirange, $2::int4multirange)");
  const auto seed = ledger_seed();
  std::mt19937_64 random(seed);
  BOOST_TEST_CONTEXT("replay: WATCHKEEPER_SEED=" << seed)
  for (int i = 0; i < 2'000; ++i) {
    auto a = random_coverage(random, 1 + i % 12, 40'000);
    const auto b = random_coverage(random, 1 + i % 12, 40'000);
    const auto rows = sql.exec_prepared("unite", postgres::multirange(a), postgres::multirange(b));
    a.unite(b);
    BOOST_TEST(rows[0][0].as<std::string>() == postgres::multirange(a));
  }
}

BOOST_AUTO_TEST_CASE(golden_rows) {
  const postgres_place place;
  const auto tested = make_migrated(place);
  auto record = device(7, "s.1", true);
  need(tested->put_module({module("m@1"), "T\xc3\xaftle", {10'000, 9'000, 1'500}, wall_ms{11}}));
  need(tested->put_device(record, {}));
  need(tested->put_assignment(pair("s.1", "m@1"), wall_ms{12}));
  need(tested->checkpoint(
      std::vector<pair_progress>{{pair("s.1", "m@1"),
                                  {.life = {1, 1},
                                   .covered = covering({{0, 9'000}, {9'500, 9'600}}),
                                   .duration_ms = 10'000,
                                   .playtime_ms = 12'345,
                                   .resume_ms = 9'600,
                                   .resume_at_ms = wall_ms{13},
                                   .updated_ms = wall_ms{14}}}},
      wall_ms{15}));
  pqxx::connection connection(place.url);
  pqxx::nontransaction sql(connection);
  const auto row = [&](const std::string& table) {
    return sql.exec("SELECT row(t.*)::text FROM " + table + " t")[0][0].as<std::string>();
  };
  BOOST_TEST(row("progress") ==
             R"((s.1,m@1,"{[0,9000),[9500,9600)}",10000,12345,9600,13,14,15,{},9100,1,1,0))");
  BOOST_TEST(row("student") == "(s.1,1,0)");
  BOOST_TEST(row("completion") == "(15,s.1,m@1,1,9100,10000,9000,15,1,1,1)");
  BOOST_TEST(row("module") == "(m@1,T\xc3\xaftle,10000,9000,1500,11,\"\",1,f,0,\"\",0,)");
  BOOST_TEST(row("module_revision") == "(m@1,1,10000,9000,1500)");
  BOOST_TEST(row("assignment") == "(s.1,m@1,12)");
  BOOST_TEST(row("device") ==
             R"(("\\x5c00070707070707070707070707070707070707070707070707070707070707",s.1,1,)"
             R"("\\x0708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526",f,1007))");
  BOOST_TEST(sql.exec("SELECT string_agg(kind || ' ' || key, ', ' ORDER BY sequence) FROM"
                      " registry_change")[0][0]
                 .as<std::string>() ==
             "0 m@1, 1 XAAHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc, 2 s.1/m@1");
  need(tested->erase_student(student("s.1"), "ops", "ab12", wall_ms{16}, 0));
  BOOST_TEST(row("audit") == R"((1,16,ops,student-erased,ab12,1,1,1,1,"","",""))");
}

BOOST_AUTO_TEST_CASE(a_server_that_is_killed_is_unavailable_until_it_is_back) {
  auto& server = postgres_server::instance();
  const postgres_place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  need(tested->checkpoint(short_batch, wall_ms{1}));

  server.kill();
  for (int i = 0; i < 2; ++i) {
    const auto broken = tested->checkpoint(short_batch, wall_ms{2});
    BOOST_REQUIRE(!broken.has_value());
    BOOST_TEST(broken.error().code == storage_error::unavailable);
  }
  server.start();
  BOOST_TEST(need(tested->read(std::vector<pair_key>{short_batch[0].key}))[0].has_value());
  BOOST_TEST(need(tested->checkpoint(short_batch, wall_ms{3}))[0] == short_batch[0].state);
}

BOOST_AUTO_TEST_CASE(a_server_that_is_stuck_does_not_hold_the_caller) {
  auto& server = postgres_server::instance();
  const postgres_place place;
  enrol(*make_migrated(place), {"s"});
  const auto tested = make_postgres_ledger(
      place.url, {.connect = patient.connect, .statement = patient.statement, .call = 5s});
  need(tested->changes(0, 1));
  server.suspend();
  const auto stuck = tested->checkpoint(short_batch, wall_ms{1});
  server.resume();
  BOOST_REQUIRE(!stuck.has_value());
  BOOST_TEST(stuck.error().code == storage_error::unavailable);
  const auto patient_one = place.make();
  BOOST_TEST(need(patient_one->checkpoint(short_batch, wall_ms{2})).size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_lock_that_is_held_too_long_is_unavailable) {
  const postgres_place place;
  const auto tested = make_migrated(place);
  enrol(*tested, {"s"});
  need(tested->checkpoint(short_batch, wall_ms{1}));
  const auto hurried = make_postgres_ledger(
      place.url, {.connect = patient.connect, .statement = 500ms, .call = patient.call});
  {
    pqxx::connection other(place.url);
    pqxx::nontransaction sql(other);
    sql.exec("BEGIN");
    sql.exec("SELECT FROM progress FOR UPDATE");
    const auto waited = hurried->checkpoint(short_batch, wall_ms{2});
    BOOST_REQUIRE(!waited.has_value());
    BOOST_TEST(waited.error().code == storage_error::unavailable);
  }
  need(tested->checkpoint(short_batch, wall_ms{3}));
}

BOOST_AUTO_TEST_CASE(pairs_that_cannot_be_counted_in_time_are_judged_all_the_same) {
  const postgres_place place;
  const auto tested = make_migrated(place);
  const auto put = [&](std::int32_t threshold_centipercent) {
    need(tested->put_module(
        {module("m"), "", {.duration_ms = 5'000, .mastery_centipercent = threshold_centipercent}}));
  };
  put(9'000);
  enrol(*tested, {"s", "t"});
  auto batch = short_batch;
  batch.push_back(batch[0]);
  batch[1].key.student = student("t");
  need(tested->checkpoint(batch, wall_ms{1}));
  put(1'000);
  pqxx::connection first(place.url), observer(place.url);
  pqxx::nontransaction lock(first), sql(observer);
  lock.exec("BEGIN");
  lock.exec("LOCK TABLE progress IN ACCESS EXCLUSIVE MODE");
  std::jthread later([&] {
    const auto step = need(tested->judge_next(wall_ms{2}, 1));
    BOOST_TEST(step->mastered.size() == 1u);
  });
  // It has given up counting once it waits for the pairs themselves.
  const auto end = std::chrono::steady_clock::now() + 30s;
  int waiting = 0;
  while (waiting == 0 && std::chrono::steady_clock::now() < end)
    waiting = sql.exec(
                     "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND"
                     " query LIKE '%ORDER BY p.student_id LIMIT%' AND pid <> pg_backend_pid()")
                  .at(0)[0]
                  .as<int>();
  BOOST_TEST(waiting == 1);
  lock.exec("COMMIT");
  later.join();
  const auto left = need(tested->judgings(10));
  BOOST_REQUIRE(left.size() == 1u);
  BOOST_TEST(left[0].done == 1u);
  BOOST_TEST(!left[0].total.has_value());
}

BOOST_AUTO_TEST_CASE(changes_become_visible_in_the_order_of_their_numbers) {
  const postgres_place place;
  const auto tested = make_migrated(place);
  pqxx::connection first(place.url), observer(place.url);
  pqxx::nontransaction early(first), sql(observer);
  early.exec("BEGIN");
  early.exec("SELECT watchkeeper_note_change(0, 'drawn-first')");

  // The later one has to wait, or a reader could see it and go on past the earlier one.
  std::jthread later([&] { need(tested->put_module({module("later"), "", {}, wall_ms{1}})); });
  const auto end = std::chrono::steady_clock::now() + 4s;
  int waiting = 0;
  while (waiting == 0 && std::chrono::steady_clock::now() < end)
    waiting = sql.exec("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                  .at(0)[0]
                  .as<int>();
  BOOST_TEST(waiting == 1);
  early.exec("COMMIT");
  later.join();
  const auto changes = need(tested->changes(0, 10));
  BOOST_REQUIRE(changes.size() == 2u);
  BOOST_TEST(changes[0].key == "drawn-first");
}

BOOST_AUTO_TEST_CASE(a_connection_ended_by_the_server_is_made_anew) {
  const postgres_place place;
  const auto tested = make_migrated(place);
  pqxx::connection other(place.url);
  pqxx::nontransaction(other).exec(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ="
      " 'watchkeeper' AND datname = current_database()");
  const auto broken = tested->changes(0, 1);
  BOOST_REQUIRE(!broken.has_value());
  BOOST_TEST(broken.error().code == storage_error::unavailable);
  BOOST_TEST(need(tested->changes(0, 1)).empty());
}

BOOST_AUTO_TEST_CASE(a_server_that_turned_read_only_is_away_until_it_takes_writes_again) {
  postgres_server server;  // of its own: the setting is that of all databases
  server.start();
  const auto url = server.new_database();
  const auto tested = make_postgres_ledger(url);
  const auto watched = make_postgres_ledger(url);  // by who writes nothing
  need(tested->migrate());
  enrol(*tested, {"s"});
  need(tested->checkpoint(short_batch, wall_ms{1}));
  need(watched->health());
  pqxx::connection other(url);
  const auto read_only = [&](const char* on_or_off) {
    pqxx::nontransaction work(other);
    work.exec(std::string("ALTER SYSTEM SET default_transaction_read_only = ") + on_or_off);
    work.exec("SELECT pg_reload_conf()");
  };
  /// The setting reaches a session some time after it was changed.
  const auto eventually = [&](auto holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!holds() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return holds();
  };
  read_only("on");
  BOOST_REQUIRE(
      eventually([&] { return !tested->checkpoint(short_batch, wall_ms{2}).has_value(); }));
  // Nor is it read: as a standby it may have less than was acknowledged.
  const auto written = tested->checkpoint(short_batch, wall_ms{3});
  BOOST_REQUIRE(!written.has_value());
  BOOST_TEST(written.error().code == storage_error::unavailable);
  const auto read = tested->changes(0, 1);
  BOOST_REQUIRE(!read.has_value());
  BOOST_TEST(read.error().code == storage_error::unavailable);
  BOOST_TEST(eventually([&] { return !watched->health().has_value(); }));
  const auto health = watched->health();
  BOOST_REQUIRE(!health.has_value());
  BOOST_TEST(health.error().code == storage_error::unavailable);
  read_only("off");
  BOOST_TEST(eventually([&] { return watched->health().has_value(); }));
  BOOST_TEST(eventually([&] { return tested->checkpoint(short_batch, wall_ms{4}).has_value(); }));
}

BOOST_AUTO_TEST_CASE(a_failure_tells_no_password) {
  for (const std::string url :
       {"postgresql://u:s3cret-word@127.0.0.1:1/d", "host=127.0.0.1 port=1 password=s3cret-word",
        "postgresql://u:s3cret-word@127.0.0.1:s3cret-word/d?s3cret-word=1", "s3cret-word"}) {
    const auto failed = make_postgres_ledger(url)->health();
    BOOST_REQUIRE(!failed.has_value());
    BOOST_TEST(failed.error().detail.find("s3cret") == std::string::npos, failed.error().detail);
    BOOST_TEST(!failed.error().detail.empty());
  }
}

BOOST_AUTO_TEST_CASE(settings_keep_what_the_url_says) {
  const auto settings = postgres::settings_from(
      "postgresql:///d?host=/run/x&options=-c%20work_mem%3D1MB&application_name=it%27s", {});
  BOOST_TEST(settings.conninfo.find("options='-c work_mem=1MB -c statement_timeout=5000") !=
             std::string::npos);
  BOOST_TEST(settings.conninfo.find(R"(application_name='it\'s')") != std::string::npos);
  BOOST_TEST(settings.conninfo.find("connect_timeout='2'") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(health_names_the_server) {
  const postgres_place place;
  const auto text = need(place.make()->health());
  BOOST_TEST(text.starts_with("PostgreSQL 15."), text);
  BOOST_TEST(text.ends_with(", synchronous_commit on"), text);
}

BOOST_AUTO_TEST_CASE(sqlstates_are_classified) {
  using postgres::classify_sqlstate;
  const auto is = [](std::string_view state, storage_error wanted) {
    BOOST_TEST(classify_sqlstate(state) == wanted, state);
  };
  for (const auto* state :
       {"", "08006", "25006", "57014", "57P01", "40P01", "55P03", "53300", "58030"})
    is(state, storage_error::unavailable);
  for (const auto* state : {"53100", "53200", "42501", "22021", "23505"})
    is(state, storage_error::refused);
  for (const auto* state : {"42P01", "42703", "42883", "3D000", "3F000"})
    is(state, storage_error::mismatch);
  is("XX001", storage_error::corrupt);
}

BOOST_AUTO_TEST_CASE(texts_that_are_not_of_the_format_are_not_read) {
  using postgres::parse_bytea;
  using postgres::parse_multirange;
  BOOST_TEST(parse_multirange("{}").has_value());
  BOOST_TEST(parse_multirange("{[0,10),[300,400)}") == covering({{0, 10}, {300, 400}}));
  for (const auto* text : {"", "{", "{[0,10)", "{[0,10)]", "{[0,10)} ", "{[0,10),}", "{[0,10]}",
                           "{(0,10)}", "{[10,0)}", "{[-5,10)}", "{[0,10),[100,110)}", "{[0,)}",
                           "{[0,99999999999)}", "{[300,400),[0,10)}", "{[0,10)[300,400)}"})
    BOOST_TEST(!parse_multirange(text).has_value(), text);
  BOOST_TEST(parse_bytea("\\x").value() == "");
  BOOST_TEST(parse_bytea("\\x00ff5c").value() == std::string("\0\xff\\", 3));
  for (const auto* text : {"", "x", "\\x0", "\\x0g", "\\X00"})
    BOOST_TEST(!parse_bytea(text).has_value(), text);
  postgres::array_literal array;
  array.add(R"(a"b\c)");
  array.add("");
  array.add("NULL");
  BOOST_TEST(array.text() == R"({"a\"b\\c","","NULL"})");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
