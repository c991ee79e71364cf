#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <pqxx/connection.hxx>
#include <pqxx/stream_to.hxx>
#include <pqxx/transaction.hxx>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "storage/postgres/text.hpp"
#include "storage/sqlite/database.hpp"
#include "tests/storage/ledger_fixtures.hpp"
#include "tests/storage/schema_before_lives.hpp"

/// A ledger with 100,000 pairs, as the version before lives left it.
namespace watchkeeper::test::before_lives {
using namespace storage;

inline constexpr int students = 5'000;
inline constexpr int modules = 20;
inline constexpr int pairs = students * modules;
inline constexpr media_ms duration_ms = 60'000;
inline constexpr std::int64_t played_ms = 7'000;  // in the first bin of module 3, rewatched

inline std::string student_name(int who) {
  return "s" + std::to_string(who);
}
inline std::string module_name(int what) {
  return "m" + std::to_string(what);
}
inline pair_key key_of(int who, int what) {
  return pair(student_name(who), module_name(what));
}

/// Module 0 had its threshold lowered to 90 % after its pairs were checkpointed.
inline int threshold_of(int what) {
  return what == 0 ? 9'000 : 9'500;
}
inline media_ms covered_ms_of(int who) {
  return 1'000 * (who % 60) + 500;
}
inline bool was_mastered(int who) {
  return covered_ms_of(who) >= 57'000;
}
/// Whom today's rules master.
inline bool is_mastered(int who, int what) {
  return covered_ms_of(who) >= (what == 0 ? 54'000 : 57'000);
}

/// In one piece, or in two.
inline coverage coverage_of(int who, int what) {
  const auto length = covered_ms_of(who);
  if (what % 3 != 1) return covering({{0, length}});
  return covering({{0, length / 2}, {length / 2 + 300, length + 300}});
}

/// What the upgraded ledger has to say of a pair: what was written, in the first life.
inline progress progress_of(int who, int what) {
  progress made;
  made.life = {1, 1};
  made.covered = coverage_of(who, what);
  made.duration_ms = duration_ms;
  made.playtime_ms = covered_ms_of(who) + what;
  made.resume_ms = made.covered.pieces().back().to_ms;
  made.resume_at_ms = wall_ms{1'700'000'000'000 + who};
  made.updated_ms = wall_ms{1'700'000'000'500 + who};
  if (was_mastered(who)) made.mastered_ms = wall_ms{1'700'000'000'400 + who};
  return made;
}

inline device_record device_of(int who) {
  auto made = device(static_cast<std::uint8_t>(who), student_name(who), who % 4 == 0);
  made.kid.bytes[2] = static_cast<std::uint8_t>(who >> 8);
  made.kid.bytes[3] = static_cast<std::uint8_t>(who);
  made.revoked = who % 7 == 0;
  made.epoch = 1;
  return made;
}
inline bool is_assigned(int who, int what) {
  return who % 10 == 0 && what == 2;
}

/// The first completion was of a student who was erased since.
inline constexpr std::int64_t first_sequence = 2;

inline std::vector<completion> completions() {
  std::vector<completion> all;
  for (int who = 0; who < students; ++who)
    for (int what = 0; what < modules; ++what)
      if (was_mastered(who))
        all.push_back({.sequence = first_sequence + static_cast<std::int64_t>(all.size()),
                       .student = student(student_name(who)),
                       .module = module(module_name(what)),
                       .covered_ms = covered_ms_of(who),
                       .duration_ms = duration_ms,
                       .threshold_centipercent = 9'500,
                       .mastered_ms = progress_of(who, what).mastered_ms,
                       .life = {1, 1},
                       .revision = 1});
  return all;
}

inline std::string raw_text(std::span<const std::uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

/// The small tables, in statements that both stores know.
template <class Execute>
void write_small_tables(Execute&& execute) {
  execute("INSERT INTO deployment VALUES ('heatmaps', '1')");
  for (int what = 0; what < modules; ++what)
    execute(
        fmt::format("INSERT INTO module (module_id, title, duration_ms, mastery_centipercent,"
                    " max_rate_permille, updated_ms, preview_url)"
                    " VALUES ('{}', 'Title', {}, {}, 2000, 1, 'https://video.example/1')",
                    module_name(what), duration_ms, threshold_of(what)));
  for (int who = 0; who < students; who += 10)
    execute(fmt::format("INSERT INTO assignment VALUES ('{}', 'm2', 1)", student_name(who)));
  execute(
      "INSERT INTO completion (student_id, module_id, rule_version, covered_ms, duration_ms,"
      " threshold_centipercent, mastered_ms) VALUES ('erased', 'm1', 1, 1, 1, 9500, 1)");
  execute("DELETE FROM completion");
  execute("INSERT INTO erased_student (student_id) VALUES ('erased')");
  execute(
      "INSERT INTO audit (at_ms, actor, action, subject_sha256, progress_rows, completion_rows,"
      " assignment_rows, device_rows)"
      " VALUES (1, 'admin', 'student-erased', 'digest-of-an-id', 1, 1, 0, 1)");
  execute(fmt::format("INSERT INTO heatmap VALUES ('m3', {})", duration_ms));
}

inline void write_pair(sqlite_database& database, int who, int what) {
  const auto state = progress_of(who, what);
  database.prepared("INSERT INTO progress VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
      .bind_text(1, student_name(who))
      .bind_text(2, module_name(what))
      .bind_blob(3, state.covered.encode())
      .bind(4, state.duration_ms)
      .bind(5, state.playtime_ms)
      .bind(6, state.resume_ms)
      .bind(7, state.resume_at_ms)
      .bind(8, state.updated_ms)
      .bind(9, state.mastered_ms)
      .run();
}

inline void write(const sqlite_place& place) {
  sqlite_database database(place.url, {});
  sqlite_transaction work(database, sqlite_transaction::mode::write);
  write_schema(database);
  write_small_tables([&](const std::string& sql) { database.execute(sql); });
  database.execute(
      fmt::format("INSERT INTO heatmap_part VALUES ('m3', 0, zeroblob(512), x'{:016x}{:01008x}')",
                  played_ms, 0));
  for (int who = 0; who < students; ++who) {
    const auto of = device_of(who);
    database.prepared("INSERT INTO device VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        .bind_blob(1, raw_text(of.kid.bytes))
        .bind_text(2, of.student.view())
        .bind(3, static_cast<std::int64_t>(of.key.algorithm == signature_algorithm::eddsa))
        .bind_blob(4, raw_text(of.key.raw()))
        .bind(5, static_cast<std::int64_t>(of.revoked))
        .bind(6, of.created_ms)
        .run();
    for (int what = 0; what < modules; ++what) write_pair(database, who, what);
  }
  for (const auto& event : completions())
    database
        .prepared(
            "INSERT INTO completion (student_id, module_id, rule_version, covered_ms,"
            " duration_ms, threshold_centipercent, mastered_ms) VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6)")
        .bind_text(1, event.student.view())
        .bind_text(2, event.module.view())
        .bind(3, event.covered_ms)
        .bind(4, event.duration_ms)
        .bind(5, event.threshold_centipercent)
        .bind(6, event.mastered_ms)
        .run();
  work.commit();
}

/// Rows for COPY, which is fifty times as fast as a statement for each.
template <class Rows>
void copy(pqxx::work& work, const std::string& table, const std::vector<std::string>& columns,
          Rows&& rows) {
  pqxx::stream_to out(work, table, columns);
  rows(out);
  out.complete();
}

inline void copy_rows(pqxx::work& work) {
  copy(work, "device", {"kid", "student_id", "algorithm", "public_key", "revoked", "created_ms"},
       [](auto& out) {
         for (int who = 0; who < students; ++who) {
           const auto of = device_of(who);
           out << std::make_tuple(postgres::bytea(raw_text(of.kid.bytes)), student_name(who),
                                  int(of.key.algorithm == signature_algorithm::eddsa),
                                  postgres::bytea(raw_text(of.key.raw())), of.revoked,
                                  of.created_ms.value());
         }
       });
  copy(work, "progress",
       {"student_id", "module_id", "coverage", "duration_ms", "playtime_ms", "resume_ms",
        "resume_at_ms", "updated_ms", "mastered_ms"},
       [](auto& out) {
         for (int i = 0; i < pairs; ++i) {
           const auto state = progress_of(i / modules, i % modules);
           out << std::make_tuple(student_name(i / modules), module_name(i % modules),
                                  postgres::multirange(state.covered), state.duration_ms,
                                  state.playtime_ms, state.resume_ms, state.resume_at_ms.value(),
                                  state.updated_ms.value(), state.mastered_ms.value());
         }
       });
  copy(work, "completion",
       {"student_id", "module_id", "rule_version", "covered_ms", "duration_ms",
        "threshold_centipercent", "mastered_ms"},
       [](auto& out) {
         for (const auto& event : completions())
           out << std::make_tuple(std::string(event.student.view()),
                                  std::string(event.module.view()), event.rule_version,
                                  event.covered_ms, event.duration_ms, event.threshold_centipercent,
                                  event.mastered_ms.value());
       });
}

inline void write(const postgres_place& place) {
  pqxx::connection connection(place.url);
  pqxx::work work(connection);
  write_schema(work);
  write_small_tables([&](const std::string& sql) { work.exec(sql); });
  work.exec(
      fmt::format("INSERT INTO heatmap_part VALUES ('m3', 0, array_fill(0::int8, ARRAY[64]),"
                  " {}::int8 || array_fill(0::int8, ARRAY[63]))",
                  played_ms));
  copy_rows(work);
  work.commit();
}

}  // namespace watchkeeper::test::before_lives
