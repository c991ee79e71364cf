// A hot.db that the version before lives wrote, with 100,000 pairs, becomes one of today.
#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "storage/sqlite/database.hpp"
#include "storage/sqlite/embedded_store.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/redis_server.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

namespace {

constexpr int students = 5'000;
constexpr int modules = 20;
constexpr std::int64_t level_us = 12'000'000;

constexpr const char* format_1 = R"sql(
CREATE TABLE hot_meta(name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE hot_pair(
  student TEXT NOT NULL, module TEXT NOT NULL, partition INTEGER NOT NULL,
  covered BLOB NOT NULL, duration_ms INTEGER NOT NULL, playtime_ms INTEGER NOT NULL,
  resume_ms INTEGER NOT NULL, resume_at_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
  mastered_ms INTEGER NOT NULL, version INTEGER NOT NULL, dirty INTEGER NOT NULL,
  PRIMARY KEY(student, module)) STRICT, WITHOUT ROWID;
CREATE INDEX hot_pair_dirty ON hot_pair(partition) WHERE dirty = 1;
CREATE TABLE hot_student(
  student TEXT NOT NULL PRIMARY KEY, erased INTEGER NOT NULL, level_us INTEGER NOT NULL,
  refilled_at_ms INTEGER NOT NULL, touched_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE hot_session(
  device BLOB NOT NULL, session TEXT NOT NULL, module TEXT NOT NULL, highest INTEGER NOT NULL,
  seen INTEGER NOT NULL, touched_ms INTEGER NOT NULL,
  PRIMARY KEY(device, session)) STRICT, WITHOUT ROWID;
INSERT INTO hot_meta VALUES('partitions', 256);
INSERT INTO hot_student VALUES('erased', 1, 60000000, 0, 0);
PRAGMA application_id = 2003527795; PRAGMA user_version = 1;
)sql";

pair_key key_of(int who, int what) {
  return pair_of(fmt::format("s{}", who), fmt::format("m{}", what));
}

/// What today's store has to say of a pair: what was written, in the first life.
progress state_of(int who, int what) {
  progress made = blank();
  made.covered.add({0, 1'000 + who});
  if (what % 3 == 1) made.covered.add({20'000, 20'000 + what});
  made.duration_ms = 600'000;
  made.playtime_ms = made.covered.covered_ms() + what;
  made.resume_ms = 1'000 + who;
  made.resume_at_ms = some_time_ms - what;
  made.updated_ms = some_time_ms;
  if (what == 5) made.mastered_ms = some_time_ms - who;
  return made;
}
bool is_dirty(int who, int what) {
  return (who + what) % 10 == 0;
}

void write_format_1(const std::string& file) {
  sqlite_database database(file, {});
  sqlite_transaction work(database, sqlite_transaction::mode::write);
  database.execute(format_1);
  for (int who = 0; who < students; ++who) {
    const auto student = fmt::format("s{}", who);
    for (int what = 0; what < modules; ++what) {
      const auto state = state_of(who, what);
      database
          .prepared("INSERT INTO hot_pair VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, ?11)")
          .bind_text(1, student)
          .bind_text(2, fmt::format("m{}", what))
          .bind(3, std::int64_t{partition_of(id_of<student_id>(student))})
          .bind_blob(4, state.covered.encode())
          .bind(5, state.duration_ms)
          .bind(6, state.playtime_ms)
          .bind(7, state.resume_ms)
          .bind(8, state.resume_at_ms)
          .bind(9, state.updated_ms)
          .bind(10, state.mastered_ms)
          .bind(11, std::int64_t{is_dirty(who, what)})
          .run();
    }
    database.prepared("INSERT INTO hot_student VALUES(?1, 0, ?2, ?3, ?3)")
        .bind_text(1, student)
        .bind(2, level_us)
        .bind(3, some_time_ms)
        .run();
  }
  // The session of heartbeat(), which has sent the numbers 0 and 1 for the first pair.
  const auto sent = heartbeat(key_of(0, 0), 1, 0, 1).credit;
  database.prepared("INSERT INTO hot_session VALUES(?1, ?2, 'm0', 1, 3, ?3)")
      .bind_blob(1, std::string(sent.device.bytes.begin(), sent.device.bytes.end()))
      .bind_text(2, sent.session.view())
      .bind(3, some_time_ms)
      .run();
  work.commit();
}

void check_pairs(hot_store& store) {
  for (int who = 0; who < students; ++who) {
    std::vector<pair_key> keys;
    for (int what = 0; what < modules; ++what) keys.push_back(key_of(who, what));
    const auto found = must(store.read(keys));
    for (int what = 0; what < modules; ++what) {
      const auto& state = found[static_cast<std::size_t>(what)];
      BOOST_REQUIRE(state.has_value());
      BOOST_REQUIRE(*state == state_of(who, what));
    }
  }
}

void check_dirty(hot_store& store) {
  std::size_t dirty = 0;
  for (int i = 0; i < students * modules; ++i) dirty += is_dirty(i / modules, i % modules);
  BOOST_TEST(must(store.dirty_count()) == dirty);
  std::size_t found = 0;
  for (std::uint32_t p = 0; p < limits::partitions; ++p)
    found += must(store.read_dirty(static_cast<partition_index>(p), students)).pairs.size();
  BOOST_TEST(found == dirty);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hot_upgrade)

BOOST_AUTO_TEST_CASE(a_file_from_before_lives_loses_nothing) {
  temporary_directory directory;
  const auto file = directory.file("hot.db");
  write_format_1(file);
  const auto look = [&] { return must(look_at_embedded_store(file, durability_level::log)); };
  BOOST_TEST(look().at_start == "its format becomes 2 instead of 1");
  BOOST_TEST(sqlite_database(file, {}).number("PRAGMA user_version") == 1);
  const auto store = make_embedded_store(file, durability_level::log);
  check_dirty(*store);
  BOOST_TEST(look().at_start.empty());
  BOOST_TEST(look().health.description == must(store->health()).description);
  sqlite_database(file, {}).execute("DROP TABLE hot_ledger");
  BOOST_TEST(look().at_start == "the table hot_ledger is added");
  check_pairs(*store);

  // A pair is compared with the ledger before it goes on; then the replay window and the bucket
  // are those of before.
  const auto pair = key_of(0, 0);
  BOOST_TEST(int(apply_one(*store, heartbeat(pair, 1, 1'000, 2'000)).state) ==
             int(applied_state::not_compared));
  create(*store, {pair});
  BOOST_TEST(int(apply_one(*store, heartbeat(pair, 1, 0, 1'000)).outcome.status) ==
             int(credit_status::duplicate));
  const auto credited = apply_one(*store, heartbeat(pair, 2, 1'000, 31'000)).outcome;
  BOOST_TEST(credited.now.life.epoch == 1u);
  BOOST_TEST(int(credited.status) == int(credit_status::limited));
  BOOST_TEST(credited.now.covered_ms == 1'000 + credited.credited_ms);
  const auto known = must(store->find_student(pair.student, some_time_ms));
  BOOST_TEST(known.epoch == 1u);
  BOOST_TEST(known.is_living);

  // Whoever was erased is in the second epoch, at least.
  const auto erased = pair_of("erased", "m1");
  BOOST_TEST(must(store->find_student(erased.student, some_time_ms)).epoch == 2u);
  BOOST_TEST(int(apply_one(*store, heartbeat(erased, 0, 0, 1'000)).outcome.why) ==
             int(problem::unknown_device));
  must(store->end_epochs_below(pair.student, 2, some_time_ms));
  BOOST_TEST(must(store->modules_of(pair.student)).empty());
}

BOOST_AUTO_TEST_SUITE_END()
