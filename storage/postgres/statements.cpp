#include "storage/ledger.hpp"
#include "storage/postgres/database.hpp"

/// The statements of progress, completions and heatmaps. Batches come as arrays, one a column.
/// Those of the registry are in registry_statements.cpp.
namespace watchkeeper::storage::postgres {
namespace {

// What a progress is read from, in this order: see progress_from in postgres_progress.cpp.
#define WATCHKEEPER_STATE(table)                                                               \
  table ".coverage, " table ".duration_ms, " table ".playtime_ms, " table ".resume_ms, " table \
        ".resume_at_ms, " table ".updated_ms, " table ".mastered_ms, " table ".epoch, " table  \
        ".attempt, " table ".begins_ms"

// A column of the row that a checkpoint makes: of two lives that of the higher, else `merged`.
#define WATCHKEEPER_BY_LIFE(column, merged)                                            \
  column                                                                               \
      " = CASE WHEN (excluded.epoch, excluded.attempt) > (p.epoch, p.attempt) THEN"    \
      " excluded." column                                                              \
      " WHEN (excluded.epoch, excluded.attempt) < (p.epoch, p.attempt) THEN p." column \
      " ELSE " merged " END"

constexpr struct {
  const char* name;
  const char* sql;
} statements[] = {
    // Advisory locks (30539, n), held to the end of the transaction. 1: an erasure waits for
    // the
    // checkpoints that run, and they for it. 2, 3: see the migrations.
    {"lock_erasure_shared", "SELECT pg_advisory_xact_lock_shared(30539, 1)"},
    {"lock_erasure", "SELECT pg_advisory_xact_lock(30539, 1)"},
    {"lock_completion", "SELECT pg_advisory_xact_lock(30539, 2)"},

    {"look_up",
     "SELECT k.student_id, k.module_id, " WATCHKEEPER_STATE(
         "p") ", s.epoch, s.begins_ms FROM unnest($1::text[], $2::text[]) AS k (student_id,"
              " module_id) JOIN student s ON s.student_id = k.student_id"
              " LEFT JOIN progress p ON p.student_id = k.student_id AND p.module_id = "
              "k.module_id"},
    {"lives",
     "SELECT student_id, epoch, begins_ms FROM student WHERE student_id = ANY ($1::text[])"},

    // watchkeeper::merge (domain/progress.cpp), column by column. Rows in the order of their
    // key,
    // so that two gateways cannot wait for each other. Uniting is left out where one coverage
    // holds
    // the other, which is the rule: the hot store sends all that was ever credited. `prior` is
    // what
    // the row held when it was locked: what lies between is counted once, whoever came first.
    {
        "checkpoint",
        "WITH given AS ("
        " SELECT g.* FROM unnest($1::text[], $2::text[], $3::int4multirange[], $4::int4[], "
        "$5::int8[],"
        "  $6::int4[], $7::int8[], $8::int8[], $9::int8[], $11::int8[], $12::int8[], "
        "$13::int8[])"
        "  AS g (student_id, module_id, coverage, duration_ms, playtime_ms, resume_ms, "
        "resume_at_ms,"
        "  updated_ms, mastered_ms, epoch, attempt, begins_ms)"
        " JOIN student s ON s.student_id = g.student_id AND s.epoch = g.epoch"
        "), united AS ("
        " INSERT INTO progress AS p (student_id, module_id, coverage, duration_ms, playtime_ms,"
        "  resume_ms, resume_at_ms, updated_ms, mastered_ms, epoch, attempt, begins_ms)"
        "  SELECT * FROM given ORDER BY student_id, module_id"
        " ON CONFLICT (student_id, module_id) DO UPDATE SET prior = "
        "p.coverage, " WATCHKEEPER_BY_LIFE("coverage",
                                           "CASE WHEN excluded.coverage @> p.coverage THEN "
                                           "excluded.coverage"
                                           " WHEN p.coverage @> excluded.coverage THEN p.coverage"
                                           " ELSE watchkeeper_unite(p.coverage, excluded.coverage) "
                                           "END") ", " WATCHKEEPER_BY_LIFE("duration_ms",
                                                                           "CASE WHEN "
                                                                           "excluded.updated_ms > "
                                                                           "p.updated_ms THEN "
                                                                           "excluded.duration_ms"
                                                                           " WHEN "
                                                                           "excluded.updated_ms < "
                                                                           "p.updated_ms THEN "
                                                                           "p.duration_ms"
                                                                           " ELSE "
                                                                           "greatest(p.duration_ms,"
                                                                           " excluded.duration_ms) "
                                                                           "END") ","
                                                                                  " " WATCHKEEPER_BY_LIFE(
                                                                                      "playtime_ms",
                                                                                      "greatest(p."
                                                                                      "playtime_ms,"
                                                                                      " "
                                                                                      "excluded."
                                                                                      "playtime_"
                                                                                      "ms)") ","
                                                                                             " " WATCHKEEPER_BY_LIFE(
                                                                                                 "r"
                                                                                                 "e"
                                                                                                 "s"
                                                                                                 "u"
                                                                                                 "m"
                                                                                                 "e"
                                                                                                 "_"
                                                                                                 "m"
                                                                                                 "s",
                                                                                                 "C"
                                                                                                 "A"
                                                                                                 "S"
                                                                                                 "E"
                                                                                                 " "
                                                                                                 "W"
                                                                                                 "H"
                                                                                                 "E"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "e"
                                                                                                 "x"
                                                                                                 "c"
                                                                                                 "l"
                                                                                                 "u"
                                                                                                 "d"
                                                                                                 "e"
                                                                                                 "d"
                                                                                                 "."
                                                                                                 "r"
                                                                                                 "e"
                                                                                                 "s"
                                                                                                 "u"
                                                                                                 "m"
                                                                                                 "e"
                                                                                                 "_"
                                                                                                 "a"
                                                                                                 "t"
                                                                                                 "_"
                                                                                                 "m"
                                                                                                 "s"
                                                                                                 " "
                                                                                                 ">"
                                                                                                 " "
                                                                                                 "p"
                                                                                                 "."
                                                                                                 "r"
                                                                                                 "e"
                                                                                                 "s"
                                                                                                 "u"
                                                                                                 "m"
                                                                                                 "e"
                                                                                                 "_"
                                                                                                 "a"
                                                                                                 "t"
                                                                                                 "_"
                                                                                                 "m"
                                                                                                 "s"
                                                                                                 " "
                                                                                                 "T"
                                                                                                 "H"
                                                                                                 "E"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "e"
                                                                                                 "x"
                                                                                                 "c"
                                                                                                 "l"
                                                                                                 "u"
                                                                                                 "d"
                                                                                                 "e"
                                                                                                 "d"
                                                                                                 "."
                                                                                                 "r"
                                                                                                 "e"
                                                                                                 "s"
                                                                                                 "u"
                                                                                                 "m"
                                                                                                 "e"
                                                                                                 "_"
                                                                                                 "m"
                                                                                                 "s"
                                                                                                 " "
                                                                                                 "W"
                                                                                                 "H"
                                                                                                 "E"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "e"
                                                                                                 "x"
                                                                                                 "c"
                                                                                                 "l"
                                                                                                 "u"
                                                                                                 "d"
                                                                                                 "e"
                                                                                                 "d"
                                                                                                 "."
                                                                                                 "r"
                                                                                                 "e"
                                                                                                 "s"
                                                                                                 "u"
                                                                                                 "m"
                                                                                                 "e"
                                                                                                 "_"
                                                                                                 "a"
                                                                                                 "t"
                                                                                                 "_"
                                                                                                 "m"
                                                                                                 "s"
                                                                                                 " "
                                                                                                 "<"
                                                                                                 " "
                                                                                                 "p"
                                                                                                 "."
                                                                                                 "r"
                                                                                                 "e"
                                                                                                 "s"
                                                                                                 "u"
                                                                                                 "m"
                                                                                                 "e"
                                                                                                 "_"
                                                                                                 "a"
                                                                                                 "t"
                                                                                                 "_"
                                                                                                 "m"
                                                                                                 "s"
                                                                                                 " "
                                                                                                 "T"
                                                                                                 "H"
                                                                                                 "E"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "p"
                                                                                                 "."
                                                                                                 "r"
                                                                                                 "e"
                                                                                                 "s"
                                                                                                 "u"
                                                                                                 "m"
                                                                                                 "e"
                                                                                                 "_"
                                                                                                 "m"
                                                                                                 "s"
                                                                                                 " "
                                                                                                 "E"
                                                                                                 "L"
                                                                                                 "S"
                                                                                                 "E"
                                                                                                 " "
                                                                                                 "g"
                                                                                                 "r"
                                                                                                 "e"
                                                                                                 "a"
                                                                                                 "t"
                                                                                                 "e"
                                                                                                 "s"
                                                                                                 "t"
                                                                                                 "("
                                                                                                 "p"
                                                                                                 "."
                                                                                                 "r"
                                                                                                 "e"
                                                                                                 "s"
                                                                                                 "u"
                                                                                                 "m"
                                                                                                 "e"
                                                                                                 "_"
                                                                                                 "m"
                                                                                                 "s"
                                                                                                 ","
                                                                                                 " "
                                                                                                 "e"
                                                                                                 "x"
                                                                                                 "c"
                                                                                                 "l"
                                                                                                 "u"
                                                                                                 "d"
                                                                                                 "e"
                                                                                                 "d"
                                                                                                 "."
                                                                                                 "r"
                                                                                                 "e"
                                                                                                 "s"
                                                                                                 "u"
                                                                                                 "m"
                                                                                                 "e"
                                                                                                 "_"
                                                                                                 "m"
                                                                                                 "s"
                                                                                                 ")"
                                                                                                 " "
                                                                                                 "E"
                                                                                                 "N"
                                                                                                 "D") ", " WATCHKEEPER_BY_LIFE("resume_at_ms",
                                                                                                                               "greatest(p.resume_at_ms, excluded.resume_at_ms)") ", " WATCHKEEPER_BY_LIFE("updated_ms",
                                                                                                                                                                                                           "greatest(p.updated_ms, excluded.updated_ms)") ", " WATCHKEEPER_BY_LIFE("begins_ms",
                                                                                                                                                                                                                                                                                   "greatest(p.begins_ms, excluded.begins_ms)") ", " WATCHKEEPER_BY_LIFE("mastered_ms",
                                                                                                                                                                                                                                                                                                                                                         "CASE WHEN p.mastered_ms = 0 THEN excluded.mastered_ms"
                                                                                                                                                                                                                                                                                                                                                         " WHEN excluded.mastered_ms = 0 THEN p.mastered_ms"
                                                                                                                                                                                                                                                                                                                                                         " ELSE least(p.mastered_ms, excluded.mastered_ms) END") ","
                                                                                                                                                                                                                                                                                                                                                                                                                 "  epoch = greatest(p.epoch, excluded.epoch), " WATCHKEEPER_BY_LIFE("attempt",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "p.attempt") " RETURNING *)"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "SELECT u.student_id, u.module_id, " WATCHKEEPER_STATE("u") ", m.duration_ms, m.mastery_centipercent,"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                              " EXISTS (SELECT FROM completion c WHERE c.student_id = u.student_id"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                              "  AND c.module_id = u.module_id AND c.rule_version = $10 AND c.epoch = u.epoch"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                              "  AND c.attempt = u.attempt), u.coverage - u.prior, u.prior - u.coverage"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                              " FROM united u LEFT JOIN module m ON m.module_id = u.module_id"},
    {"set_mastered",
     "UPDATE progress p SET mastered_ms = $3::int8"
     " FROM unnest($1::text[], $2::text[]) AS g (student_id, module_id)"
     " WHERE p.student_id = g.student_id AND p.module_id = g.module_id AND p.mastered_ms = 0"},
    {"add_completions",
     "WITH given AS ("
     " SELECT g.* FROM unnest($1::text[], $2::text[], $3::int4[],"
     "  $4::int4[], $5::int4[], $6::int8[], $8::int8[], $9::int8[]) WITH ORDINALITY"
     "  AS g (student_id, module_id, covered_ms, duration_ms, threshold, mastered_ms, epoch,"
     "  attempt, place)"
     "), drawn AS ("
     " UPDATE outbox SET last_sequence = greatest(last_sequence, $10::int8 - 1) + cardinality($1)"
     "  RETURNING last_sequence - cardinality($1) AS below)"
     "INSERT INTO completion (sequence, student_id, module_id, rule_version, covered_ms,"
     "  duration_ms, threshold_centipercent, mastered_ms, epoch, attempt)"
     " SELECT d.below + g.place, g.student_id, g.module_id, $7::int4, g.covered_ms,"
     "  g.duration_ms, g.threshold, g.mastered_ms, g.epoch, g.attempt FROM given g, drawn d"
     " ON CONFLICT (student_id, module_id, rule_version, epoch, attempt) DO NOTHING"},
    // In the order of WATCHKEEPER_STATE.
    {"put_progress",
     "INSERT INTO progress AS p (student_id, module_id, coverage, duration_ms, playtime_ms,"
     "  resume_ms, resume_at_ms, updated_ms, mastered_ms, epoch, attempt, begins_ms)"
     " VALUES ($1, $2, '{}', $3, 0, 0, 0, $4, 0, $5, $6, $7)"
     " ON CONFLICT (student_id, module_id) DO UPDATE SET coverage = '{}', prior = '{}',"
     "  duration_ms = excluded.duration_ms, playtime_ms = 0, resume_ms = 0, resume_at_ms = 0,"
     "  updated_ms = excluded.updated_ms, mastered_ms = 0, epoch = excluded.epoch,"
     "  attempt = excluded.attempt, begins_ms = excluded.begins_ms"},
    {"audit_reset",
     "INSERT INTO audit (at_ms, actor, action, subject_sha256, progress_rows, completion_rows,"
     "  assignment_rows, device_rows, student_id, module_id, reason)"
     " VALUES ($1, $2, 'progress-reset', '', 1, 0, 0, 0, $3, $4, $5)"},
    {"note_reset", "SELECT watchkeeper_note_change(4, $1)"},

    {"progress_of_student", "SELECT p.student_id, p.module_id, " WATCHKEEPER_STATE(
                                "p") " FROM progress p WHERE p.student_id = $1 AND p.module_id > "
                                     "$2 ORDER BY p.module_id LIMIT $3"},
    {"progress_of_module", "SELECT p.student_id, p.module_id, " WATCHKEEPER_STATE(
                               "p") " FROM progress p WHERE p.module_id = $1 AND p.student_id > $2"
                                    " ORDER BY p.student_id LIMIT $3"},
    {"students_of_module", "SELECT count(*) FROM progress WHERE module_id = $1"},
    {"next_watched_module",
     "SELECT min(m) FROM (SELECT min(module_id) AS m FROM progress WHERE module_id > $1"
     " UNION ALL SELECT min(module_id) FROM heatmap WHERE module_id > $1) AS both_of_them"},

    // Heatmaps. The order of locks: postgres_heatmap.hpp.
    {"read_heatmap", "SELECT duration_ms FROM heatmap WHERE module_id = $1"},
    {"lock_heatmap", "SELECT duration_ms FROM heatmap WHERE module_id = $1 FOR UPDATE"},
    {"lock_heatmaps",
     "SELECT module_id, duration_ms FROM heatmap WHERE module_id = ANY ($1::text[])"
     " ORDER BY module_id FOR KEY SHARE"},
    {"lock_heatmaps_alone",
     "SELECT module_id, duration_ms FROM heatmap WHERE module_id = ANY ($1::text[])"
     " ORDER BY module_id FOR UPDATE"},
    {"add_heatmap",
     "INSERT INTO heatmap (module_id, duration_ms) VALUES ($1, $2)"
     " ON CONFLICT (module_id) DO NOTHING"},
    {"add_heatmaps",
     "INSERT INTO heatmap (module_id, duration_ms)"
     " SELECT * FROM unnest($1::text[], $2::int4[]) AS g (module_id, duration_ms)"
     " ORDER BY module_id ON CONFLICT (module_id) DO NOTHING"},
    {"heatmap_parts", "SELECT part, viewer_ms, play_ms FROM heatmap_part WHERE module_id = $1"},
    {"add_viewers",
     "INSERT INTO heatmap_part AS h (module_id, part, viewer_ms, play_ms)"
     " SELECT g.module_id, g.part, g.bins::int8[], array_fill(0::int8, ARRAY[64])"
     " FROM unnest($1::text[], $2::int4[], $3::text[]) AS g (module_id, part, bins)"
     " ORDER BY g.module_id, g.part ON CONFLICT (module_id, part)"
     " DO UPDATE SET viewer_ms = watchkeeper_add_bins(h.viewer_ms, excluded.viewer_ms)"},
    {"add_plays",
     "INSERT INTO heatmap_part AS h (module_id, part, viewer_ms, play_ms)"
     " SELECT g.module_id, g.part, array_fill(0::int8, ARRAY[64]), g.bins::int8[]"
     " FROM unnest($1::text[], $2::int4[], $3::text[]) AS g (module_id, part, bins)"
     " ORDER BY g.module_id, g.part ON CONFLICT (module_id, part)"
     " DO UPDATE SET play_ms = watchkeeper_add_bins(h.play_ms, excluded.play_ms)"},
    // Of an erasure.
    {"take_viewers",
     "UPDATE heatmap_part h SET viewer_ms = watchkeeper_add_bins(h.viewer_ms, g.bins::int8[])"
     " FROM unnest($1::text[], $2::int4[], $3::text[]) AS g (module_id, part, bins)"
     " WHERE h.module_id = g.module_id AND h.part = g.part"},
    {"note_plays",
     "WITH old AS (DELETE FROM play_writer WHERE written_at < now() - interval '1 day'"
     "  AND writer_id <> $1)"
     "INSERT INTO play_writer AS w (writer_id, sequence) VALUES ($1, $2)"
     " ON CONFLICT (writer_id) DO UPDATE SET sequence = excluded.sequence, written_at = now()"
     " WHERE w.sequence < excluded.sequence RETURNING 1"},
    {"right_duration",
     "SELECT coalesce((SELECT duration_ms FROM module WHERE module_id = $1),"
     " (SELECT max(duration_ms) FROM progress WHERE module_id = $1), 0)"},
    {"clear_heatmap",
     "WITH gone AS (DELETE FROM heatmap_part WHERE module_id = $1)"
     "UPDATE heatmap SET duration_ms = $2 WHERE module_id = $1"},
    {"seen_in_epochs",
     "SELECT module_id, coverage FROM progress WHERE student_id = $1 AND epoch < $2"},
    {"remove_epochs",
     "WITH p AS (DELETE FROM progress WHERE student_id = $1 AND epoch < $2 RETURNING 1),"
     " c AS (DELETE FROM completion WHERE student_id = $1 AND epoch < $2 RETURNING 1)"
     "SELECT (SELECT count(*) FROM p), (SELECT count(*) FROM c)"},
    {"put_life",
     "WITH put AS (INSERT INTO student VALUES ($1, $2, $3) ON CONFLICT (student_id) DO UPDATE"
     "  SET epoch = excluded.epoch, begins_ms = excluded.begins_ms)"
     "SELECT watchkeeper_raise_highest_epoch($2)"},
    {"enrol", "SELECT epoch, begins_ms FROM watchkeeper_enrol($1, $2, $3, $4)"},

    {"completions",
     "SELECT sequence, student_id, module_id, rule_version, covered_ms, duration_ms,"
     " threshold_centipercent, mastered_ms, epoch, attempt FROM completion WHERE sequence > $1"
     " AND ($3::text = '' OR student_id = $3) AND ($4::text = '' OR module_id = $4)"
     " ORDER BY sequence LIMIT $2"},
    {"newest_completions",
     "SELECT sequence, student_id, module_id, rule_version, covered_ms, duration_ms,"
     " threshold_centipercent, mastered_ms, epoch, attempt FROM completion WHERE sequence < $1"
     " AND ($3::text = '' OR student_id = $3) AND ($4::text = '' OR module_id = $4)"
     " ORDER BY sequence DESC LIMIT $2"},

    // completion_centipercent (domain/progress.cpp), summed up. Module ids compare by their
    // bytes.
    {"summarize_modules",
     "SELECT p.module_id, count(*), count(*) FILTER (WHERE p.mastered_ms <> 0),"
     " coalesce(sum(CASE WHEN p.duration_ms > 0"
     "  THEN least(10000, p.covered_ms * 10000 / p.duration_ms) ELSE 0 END)::int8 / count(*), "
     "0)"
     " FROM progress p GROUP BY p.module_id ORDER BY p.module_id"},
};
#undef WATCHKEEPER_STATE

}  // namespace

void prepare_statements(pqxx::connection& connection) {
  for (const auto& [name, sql] : statements) connection.prepare(name, sql);
  prepare_registry_statements(connection);
}

}  // namespace watchkeeper::storage::postgres
