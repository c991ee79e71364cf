// What is particular to the SQLite file: reopening, killed processes, full disks, foreign files.
#include <sqlite3.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <thread>

#include "storage/limits.hpp"
#include "storage/sqlite/embedded_store.hpp"
#include "tests/storage/hot_world.hpp"
#include "tests/storage/redis/redis_server.hpp"

using namespace watchkeeper;
using namespace watchkeeper::storage;
using namespace watchkeeper::storage::testing;

namespace {

void execute(const std::string& file, const char* sql) {
  sqlite3* handle = nullptr;
  BOOST_REQUIRE(sqlite3_open(file.c_str(), &handle) == SQLITE_OK);
  BOOST_REQUIRE(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(handle);
}

storage_error error_of_open(const std::string& file) {
  const auto applied = make_embedded_store(file, durability_level::log)->dirty_count();
  BOOST_REQUIRE(!applied.has_value());
  return applied.error().code;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hot_embedded)

BOOST_AUTO_TEST_CASE(a_reopened_file_holds_everything) {
  temporary_directory directory;
  const auto file = directory.file("hot.db");
  const auto pair = pair_of("ada", "m1");
  {
    const auto store = make_embedded_store(file, durability_level::log);
    create(*store, {pair});
    apply_one(*store, heartbeat(pair, 0, 0, 10'000));
    must(store->end_epochs_below(id_of<student_id>("bob"), 2, some_time_ms));
  }
  const auto store = make_embedded_store(file, durability_level::log);
  BOOST_TEST(must(store->read(std::span(&pair, 1))).at(0)->covered.covered_ms() == 10'000);
  BOOST_TEST(int(apply_one(*store, heartbeat(pair, 0, 0, 10'000)).outcome.status) ==
             int(credit_status::duplicate));
  BOOST_TEST(int(apply_one(*store, heartbeat(pair_of("bob", "m1"), 0, 0, 1000)).outcome.why) ==
             int(problem::unknown_device));
  BOOST_TEST(must(store->dirty_count()) == 1u);
}

BOOST_AUTO_TEST_CASE(what_was_acknowledged_survives_a_killed_process) {
  for (int round = 0; round < 3; ++round) {
    temporary_directory directory;
    const auto file = directory.file("hot.db");
    constexpr std::uint32_t students = 8;
    std::vector<pair_key> pairs;
    for (std::uint32_t s = 0; s < students; ++s)
      pairs.push_back(pair_of(fmt::format("student-{}", s), "m1"));
    create(*make_embedded_store(file, durability_level::log), pairs);

    int ends[2];
    BOOST_REQUIRE(pipe(ends) == 0);
    const auto child = fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const auto store = make_embedded_store(file, durability_level::log);
      for (std::uint32_t sn = 0;; ++sn) {
        std::vector<hot_request> requests;
        for (std::uint32_t s = 0; s < students; ++s) {
          const auto from = static_cast<media_ms>(sn) * 20;
          requests.push_back(heartbeat(pairs[s], sn, from, from + 20));
          requests.back().credit.now_ms += sn * 20;
          requests.back().credit.device = kid_of(static_cast<std::uint8_t>(s));
        }
        const auto applied = store->apply(requests);
        if (!applied || write(ends[1], &sn, sizeof sn) != sizeof sn) _exit(1);
      }
    }
    close(ends[1]);
    std::uint32_t acknowledged = 0;
    const std::uint32_t enough = 150 + static_cast<std::uint32_t>(round) * 77;
    while (acknowledged < enough &&
           read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
    }
    ::kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    std::uint32_t later = 0;
    while (read(ends[0], &later, sizeof later) == sizeof later) acknowledged = later;
    close(ends[0]);
    BOOST_REQUIRE(acknowledged >= enough);

    const auto store = make_embedded_store(file, durability_level::log);
    const auto found = must(store->read(pairs));
    for (const auto& state : found) {
      BOOST_REQUIRE(state.has_value());
      const auto numbers = static_cast<std::uint32_t>(state->covered.covered_ms() / 20);
      // Of the batch that was under way all or nothing came through.
      BOOST_TEST(numbers >= acknowledged + 1);
      BOOST_TEST(numbers <= acknowledged + 2);
      BOOST_TEST(state->covered == found[0]->covered);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_full_disk_refuses_and_harms_nothing) {
  temporary_directory directory;
  const auto file = directory.file("hot.db");
  constexpr std::int64_t pages = 40;
  embedded_store store(file, durability_level::log, pages);
  std::vector<pair_key> found;
  std::optional<storage_failure> failure;
  for (int i = 0; i < 10'000 && !failure; ++i) {
    const pair_progress pair{pair_of(fmt::format("student-{}", i), "m1"), {}};
    const auto merged = store.merge(std::span(&pair, 1), merge_origin::ledger_and_memory);
    if (merged)
      found.push_back(pair.key);
    else
      failure = merged.error();
  }
  BOOST_REQUIRE(failure.has_value());
  BOOST_TEST(int(failure->code) == int(storage_error::refused));
  BOOST_TEST(found.size() > 100u);
  for (const auto& state : must(store.read(found))) BOOST_TEST(state.has_value());
  // There is room again.
  must(store.end_epochs_below(found[0].student, 2, some_time_ms));
  BOOST_TEST(must(embedded_store(file, durability_level::log).dirty_count()) == found.size() - 1);
}

BOOST_AUTO_TEST_CASE(foreign_and_damaged_files) {
  temporary_directory directory;
  const auto foreign = directory.file("foreign.db");
  execute(foreign, "CREATE TABLE t(x)");
  BOOST_TEST(int(error_of_open(foreign)) == int(storage_error::mismatch));

  const auto no_database = directory.file("text.db");
  std::ofstream(no_database) << std::string(8192, 'x');
  BOOST_TEST(int(error_of_open(no_database)) == int(storage_error::corrupt));

  const auto other = directory.file("other.db");
  create(*make_embedded_store(other, durability_level::log), {pair_of("ada", "m1")});
  execute(other, "UPDATE hot_meta SET value = 128 WHERE name = 'partitions'");
  BOOST_TEST(int(error_of_open(other)) == int(storage_error::mismatch));
  execute(other, "UPDATE hot_meta SET value = 256; PRAGMA user_version = 3");
  BOOST_TEST(int(error_of_open(other)) == int(storage_error::mismatch));

  BOOST_TEST(int(error_of_open(directory.file("no/such/directory/hot.db"))) ==
             int(storage_error::unavailable));
}

/// What another process has written, which may have been restored since, is compared first.
BOOST_AUTO_TEST_CASE(a_pair_of_another_process_is_compared_with_the_ledger) {
  temporary_directory directory;
  const auto file = directory.file("hot.db");
  const auto pair = pair_of("ada", "m1");
  const auto store = make_embedded_store(file, durability_level::log);
  create(*store, {pair});
  apply_one(*store, heartbeat(pair, 0, 0, 1000));
  execute(file, "UPDATE hot_pair SET compared_in = 77");
  BOOST_TEST(int(apply_one(*store, heartbeat(pair, 1, 1000, 2000)).state) ==
             int(applied_state::not_compared));
  create(*store, {pair});
  BOOST_TEST(apply_one(*store, heartbeat(pair, 1, 1000, 2000)).outcome.now.covered_ms == 2000);
}

BOOST_AUTO_TEST_CASE(a_corrupt_row_fails_alone) {
  temporary_directory directory;
  const auto file = directory.file("hot.db");
  const auto sick = pair_of("ada", "m1");
  const auto well = pair_of("bob", "m1");
  const auto store = make_embedded_store(file, durability_level::log);
  create(*store, {sick, well});
  execute(file, "UPDATE hot_pair SET covered = x'00' WHERE student = 'ada'");
  const std::vector<hot_request> both{heartbeat(sick, 0, 0, 1000), heartbeat(well, 0, 0, 1000)};
  const auto applied = must(store->apply(both));
  BOOST_TEST(int(applied[0].state) == int(applied_state::failed));
  BOOST_TEST(int(applied[1].state) == int(applied_state::done));
  BOOST_TEST(int(error_of_apply(*store, both[0])) == int(storage_error::corrupt));
  execute(file, "UPDATE hot_pair SET dirty = 1");
  BOOST_TEST(must(store->read_dirty(partition_of(well.student), 10)).pairs.size() == 1u);
  const auto dirty = must(store->read_dirty(partition_of(sick.student), 10));
  BOOST_REQUIRE_EQUAL(dirty.unreadable.size(), 1u);
  BOOST_TEST(dirty.unreadable[0] == "ada/m1");
}

BOOST_AUTO_TEST_CASE(what_has_expired_is_swept) {
  temporary_directory directory;
  const auto file = directory.file("hot.db");
  const auto store = make_embedded_store(file, durability_level::log);
  const auto pair = pair_of("ada", "m1");
  create(*store, {pair});
  for (std::uint32_t i = 0; i < 200; ++i) {
    auto request = heartbeat(pair, 0, 0, 10);
    request.credit.session = id_of<session_id>(fmt::format("session-{}", i));
    apply_one(*store, request);
  }
  const auto sessions = [&] {
    sqlite3* handle = nullptr;
    sqlite3_open(file.c_str(), &handle);
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(handle, "SELECT count(*) FROM hot_session", -1, &statement, nullptr);
    sqlite3_step(statement);
    const int count = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    return count;
  };
  BOOST_TEST(sessions() == 200);
  const auto later = some_time_ms + storage_limits::session_ttl_ms;
  for (std::uint32_t sn = 0; sn < 1000; ++sn) apply_one(*store, heartbeat(pair, sn, 0, 10, later));
  BOOST_TEST(sessions() == 1);
}

BOOST_AUTO_TEST_CASE(its_worth_is_the_one_asked_for) {
  temporary_directory directory;
  for (const auto durability : {durability_level::log, durability_level::fsync}) {
    const auto store = make_embedded_store(directory.file("hot.db"), durability);
    BOOST_TEST(int(must(store->health()).durability) == int(durability));
  }
}

namespace {

bool file_has(const std::string& file, const std::string& text) {
  std::ifstream from(file, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(from), {}};
  return content.find(text) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_removal_of_traces_cuts_the_log_off) {
  temporary_directory directory;
  const auto file = directory.file("hot.db");
  const auto store = make_embedded_store(file, durability_level::log);
  const auto pair = pair_of("ada", "a-module-that-nobody-else-has");
  create(*store, {pair});
  apply_one(*store, heartbeat(pair, 0, 0, 10'000));
  must(store->end_epochs_below(pair.student, 2, some_time_ms));
  execute(
      file,
      "PRAGMA secure_delete = ON; DELETE FROM hot_session");  // as the sweep does, an hour later
  BOOST_TEST(file_has(file + "-wal", "a-module-that-nobody-else-has"));
  {
    // Somebody reads what was there before: the removal waits, and nobody waits for it for long.
    sqlite3* reader = nullptr;
    BOOST_REQUIRE(sqlite3_open(file.c_str(), &reader) == SQLITE_OK);
    BOOST_REQUIRE(sqlite3_exec(reader, "BEGIN; SELECT * FROM hot_pair", nullptr, nullptr,
                               nullptr) == SQLITE_OK);
    BOOST_TEST(int(must(store->remove_traces())) == int(trace_removal::waiting));
    must(store->dirty_count());
    sqlite3_close_v2(reader);
  }
  BOOST_TEST(int(must(store->remove_traces())) == int(trace_removal::done));
  BOOST_TEST(std::filesystem::file_size(file + "-wal") == 0u);
  BOOST_TEST(!file_has(file, "a-module-that-nobody-else-has"));
  BOOST_TEST(file_has(file, "ada"));  // the epoch, for a day
  BOOST_TEST(store->trace_removal_pause_ms() == 0);
}

BOOST_AUTO_TEST_CASE(the_room_of_retired_pairs_is_used_again) {
  temporary_directory directory;
  const auto file = directory.file("hot.db");
  const auto store = make_embedded_store(file, durability_level::log);
  const auto pages = [&] {
    sqlite_database opened(file, {.wal = false});
    return opened.number("PRAGMA page_count");
  };
  std::int64_t most = 0;
  for (int round = 0; round < 6; ++round) {
    std::vector<pair_key> keys;
    for (int i = 0; i < 2'000; ++i)
      keys.push_back(pair_of(fmt::format("student-{}-{}", round, i), "m1"));
    create(*store, keys);
    if (round == 0) most = pages();
    BOOST_TEST(retire_all(*store, some_time_ms, 1) == keys.size());
  }
  BOOST_TEST(pages() <= most + most / 10);
}

BOOST_AUTO_TEST_CASE(a_merged_pair_cannot_leave_before_its_heartbeats) {
  temporary_directory directory;
  const auto file = directory.file("hot.db");
  const auto store = make_embedded_store(file, durability_level::log);
  const auto other = make_embedded_store(file, durability_level::log);
  const auto pair = pair_of("ada", "m1");
  std::atomic<bool> is_over{false};
  std::thread retiring([&] {
    while (!is_over) retire_all(*other, some_time_ms, 1);
  });
  int missing = 0;
  for (std::uint32_t i = 0; i < 300; ++i) {
    const pair_progress row{pair, blank()};  // whose last credit was long ago
    const auto request = heartbeat(pair, i, 0, 100);
    const auto done = store->merge_and_apply({&row, 1}, merge_origin::ledger, {&request, 1});
    missing += must(done.applied).at(0).state != applied_state::done;
    clean_all(*store);
  }
  is_over = true;
  retiring.join();
  BOOST_TEST(missing == 0);
}

BOOST_AUTO_TEST_SUITE_END()
