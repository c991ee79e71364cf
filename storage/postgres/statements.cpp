#include <string>

#include "storage/ledger.hpp"
#include "storage/postgres/statements.hpp"

/// The statements of progress, completions and lives. Batches come as arrays, one a column. Those
/// of heatmaps and of the registry are in files of their own.
namespace watchkeeper::storage::postgres {
namespace {

/// A column of the row that a checkpoint makes: of two lives that of the higher, else `merged`.
std::string by_life(const std::string& column, const std::string& merged) {
  return column + " = CASE WHEN (excluded.epoch, excluded.attempt) > (p.epoch, p.attempt)" +
         " THEN excluded." + column +
         " WHEN (excluded.epoch, excluded.attempt) < (p.epoch, p.attempt) THEN p." + column +
         " ELSE " + merged + " END";
}

/// watchkeeper::merge (domain/progress.cpp), column by column. Rows in the order of their key, so
/// that two gateways cannot wait for each other. Uniting is left out where one coverage holds the
/// other, which is the rule: the hot store sends all that was ever credited. `prior` is what the
/// row held when it was locked: what lies between is counted once, whoever came first.
std::string checkpoint_statement() {
  return R"(
      WITH given AS (
        SELECT g.*
        FROM unnest($1::text[], $2::text[], $3::int4multirange[], $4::int4[], $5::int8[],
            $6::int4[], $7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[],
            $12::int8[]) AS g (student_id, module_id, coverage, duration_ms, playtime_ms,
            resume_ms, resume_at_ms, updated_ms, mastered_ms, epoch, attempt, begins_ms)
        JOIN student s ON s.student_id = g.student_id AND s.epoch = g.epoch
      ), united AS (
        INSERT INTO progress AS p (student_id, module_id, coverage, duration_ms, playtime_ms,
            resume_ms, resume_at_ms, updated_ms, mastered_ms, epoch, attempt, begins_ms)
        SELECT * FROM given ORDER BY student_id, module_id
        ON CONFLICT (student_id, module_id) DO UPDATE
        SET prior = p.coverage, epoch = greatest(p.epoch, excluded.epoch), )" +
         by_life("attempt", "p.attempt") + ", " +
         by_life("coverage",
                 "CASE WHEN excluded.coverage @> p.coverage THEN excluded.coverage"
                 " WHEN p.coverage @> excluded.coverage THEN p.coverage"
                 " ELSE watchkeeper_unite(p.coverage, excluded.coverage) END") +
         ", " +
         by_life("duration_ms",
                 "CASE WHEN excluded.updated_ms > p.updated_ms THEN excluded.duration_ms"
                 " WHEN excluded.updated_ms < p.updated_ms THEN p.duration_ms"
                 " ELSE greatest(p.duration_ms, excluded.duration_ms) END") +
         ", " + by_life("playtime_ms", "greatest(p.playtime_ms, excluded.playtime_ms)") + ", " +
         by_life("resume_ms",
                 "CASE WHEN excluded.resume_at_ms > p.resume_at_ms THEN excluded.resume_ms"
                 " WHEN excluded.resume_at_ms < p.resume_at_ms THEN p.resume_ms"
                 " ELSE greatest(p.resume_ms, excluded.resume_ms) END") +
         ", " + by_life("resume_at_ms", "greatest(p.resume_at_ms, excluded.resume_at_ms)") + ", " +
         by_life("updated_ms", "greatest(p.updated_ms, excluded.updated_ms)") + ", " +
         by_life("begins_ms", "greatest(p.begins_ms, excluded.begins_ms)") + ", " +
         by_life("mastered_ms",
                 "CASE WHEN p.mastered_ms = 0 THEN excluded.mastered_ms"
                 " WHEN excluded.mastered_ms = 0 THEN p.mastered_ms"
                 " ELSE least(p.mastered_ms, excluded.mastered_ms) END") +
         R"(
        RETURNING *
      )
      SELECT u.student_id, u.module_id, STATE(u), RULES(m), COMPLETED(u),
        u.coverage - u.prior, u.prior - u.coverage
      FROM united u LEFT JOIN module m ON m.module_id = u.module_id)";
}

constexpr statement progress_statements[] = {
    // Advisory locks (30539, n), held to the end of the transaction. 1: an erasure, a reset and a
    // change of a module's rules wait for the checkpoints that run, and they for it. 2, 3: see the
    // migrations.
    {"lock_erasure_shared", "SELECT pg_advisory_xact_lock_shared(30539, 1)"},
    {"lock_erasure", "SELECT pg_advisory_xact_lock(30539, 1)"},
    {"lock_completion", "SELECT pg_advisory_xact_lock(30539, 2)"},

    {"look_up", R"(
      SELECT k.student_id, k.module_id, STATE(p), s.epoch, s.begins_ms, m.duration_ms
      FROM unnest($1::text[], $2::text[]) AS k (student_id, module_id)
      JOIN student s ON s.student_id = k.student_id
      LEFT JOIN progress p ON p.student_id = k.student_id AND p.module_id = k.module_id
      LEFT JOIN module m ON m.module_id = k.module_id)"},
    {"last_credits", R"(
      SELECT student_id, max(updated_ms) FROM progress
      WHERE student_id = ANY ($1::text[]) AND playtime_ms > 0 GROUP BY student_id)"},
    {"lives", R"(
      SELECT student_id, epoch, begins_ms FROM student WHERE student_id = ANY ($1::text[]))"},

    // Of a row that the upsert just wrote: what it grew by, and what it lost, is told anew.
    {"put_coverage", R"(
      UPDATE progress AS p SET coverage = $3::int4multirange
      WHERE student_id = $1 AND module_id = $2
      RETURNING coverage - prior, prior - coverage)"},
    {"set_mastered", R"(
      UPDATE progress p SET mastered_ms = $3::int8
      FROM unnest($1::text[], $2::text[]) AS g (student_id, module_id)
      WHERE p.student_id = g.student_id AND p.module_id = g.module_id AND p.mastered_ms = 0)"},
    {"add_completions", R"(
      WITH given AS (
        SELECT g.*
        FROM unnest($1::text[], $2::text[], $3::int4[], $4::int4[], $5::int4[], $6::int8[],
            $8::int8[], $9::int8[], $10::int4[]) WITH ORDINALITY
          AS g (student_id, module_id, covered_ms, duration_ms, threshold, mastered_ms, epoch,
            attempt, revision, place)
      ), drawn AS (
        UPDATE outbox
        SET last_sequence = greatest(last_sequence, $11::int8 - 1) + cardinality($1)
        RETURNING last_sequence - cardinality($1) AS below
      )
      INSERT INTO completion (sequence, student_id, module_id, rule_version, covered_ms,
        duration_ms, threshold_centipercent, mastered_ms, epoch, attempt, revision)
      SELECT d.below + g.place, g.student_id, g.module_id, $7::int4, g.covered_ms,
        g.duration_ms, g.threshold, g.mastered_ms, g.epoch, g.attempt, g.revision
      FROM given g, drawn d
      ON CONFLICT (student_id, module_id, rule_version, epoch, attempt) DO NOTHING)"},

    {"put_progress", R"(
      INSERT INTO progress AS p (student_id, module_id, coverage, duration_ms, playtime_ms,
        resume_ms, resume_at_ms, updated_ms, mastered_ms, epoch, attempt, begins_ms)
      VALUES ($1, $2, '{}', $3, 0, 0, 0, $4, 0, $5, $6, $7)
      ON CONFLICT (student_id, module_id) DO UPDATE
      SET coverage = '{}', prior = '{}', duration_ms = excluded.duration_ms, playtime_ms = 0,
        resume_ms = 0, resume_at_ms = 0, updated_ms = excluded.updated_ms, mastered_ms = 0,
        epoch = excluded.epoch, attempt = excluded.attempt, begins_ms = excluded.begins_ms)"},
    {"audit_reset", R"(
      INSERT INTO audit (at_ms, actor, action, erasure_id, progress_rows, completion_rows,
        assignment_rows, device_rows, student_id, module_id, reason)
      VALUES ($1, $2, 'progress-reset', '', 1, 0, 0, 0, $3, $4, $5))"},
    {"note_reset", "SELECT watchkeeper_note_change(4, $1)"},

    {"progress_of_student", R"(
      SELECT p.student_id, p.module_id, STATE(p), m.duration_ms
      FROM progress p LEFT JOIN module m ON m.module_id = p.module_id
      WHERE p.student_id = $1 AND p.module_id > $2 ORDER BY p.module_id LIMIT $3)"},
    {"progress_of_module", R"(
      SELECT p.student_id, p.module_id, STATE(p), m.duration_ms
      FROM progress p LEFT JOIN module m ON m.module_id = p.module_id
      WHERE p.module_id = $1 AND p.student_id > $2 ORDER BY p.student_id LIMIT $3)"},
    {"students_of_module", "SELECT count(*) FROM progress WHERE module_id = $1"},
    {"next_watched_module", R"(
      SELECT min(m) FROM (
        SELECT min(module_id) AS m FROM progress WHERE module_id > $1
        UNION ALL SELECT min(module_id) FROM heatmap WHERE module_id > $1) AS both_of_them)"},

    // Judging the pairs of a module by its newest revision.
    {"module_to_judge", R"(
      SELECT m.module_id, RULES(m), m.judged_student, m.judged_pairs, m.pairs_to_judge
      FROM module m WHERE m.judged_revision < m.revision AND NOT m.is_removed
      ORDER BY m.module_id LIMIT 1 FOR UPDATE SKIP LOCKED)"},
    {"pairs_to_judge", R"(
      SELECT p.student_id, p.module_id, STATE(p), COMPLETED(p)
      FROM progress p WHERE p.module_id = $1 AND p.student_id > $2
      ORDER BY p.student_id LIMIT $3)"},
    {"judged", R"(
      UPDATE module SET judged_student = $2, judged_pairs = $3, pairs_to_judge = $4,
        judged_revision = CASE WHEN $5::boolean THEN revision ELSE judged_revision END
      WHERE module_id = $1)"},
    {"judgings", R"(
      SELECT module_id, revision, judged_pairs, pairs_to_judge
      FROM module WHERE judged_revision < revision AND NOT is_removed
      ORDER BY module_id LIMIT $1)"},
    {"revisions", R"(
      SELECT revision, duration_ms, mastery_centipercent FROM module_revision
      WHERE module_id = $1 ORDER BY revision DESC)"},

    {"seen_in_epochs", R"(
      SELECT module_id, coverage FROM progress WHERE student_id = $1 AND epoch < $2)"},
    {"remove_epochs", R"(
      WITH p AS (DELETE FROM progress WHERE student_id = $1 AND epoch < $2 RETURNING 1),
        c AS (DELETE FROM completion WHERE student_id = $1 AND epoch < $2 RETURNING 1)
      SELECT (SELECT count(*) FROM p), (SELECT count(*) FROM c))"},
    {"put_life", R"(
      WITH put AS (
        INSERT INTO student VALUES ($1, $2, $3) ON CONFLICT (student_id) DO UPDATE
        SET epoch = excluded.epoch, begins_ms = excluded.begins_ms)
      SELECT watchkeeper_raise_highest_epoch($2))"},
    {"enrol", "SELECT epoch, begins_ms FROM watchkeeper_enrol($1, $2, $3, $4)"},

    {"completions", R"(
      SELECT sequence, student_id, module_id, rule_version, covered_ms, duration_ms,
        threshold_centipercent, mastered_ms, epoch, attempt, revision
      FROM completion
      WHERE sequence > $1 AND ($3::text = '' OR student_id = $3)
        AND ($4::text = '' OR module_id = $4)
      ORDER BY sequence LIMIT $2)"},
    {"newest_completions", R"(
      SELECT sequence, student_id, module_id, rule_version, covered_ms, duration_ms,
        threshold_centipercent, mastered_ms, epoch, attempt, revision
      FROM completion
      WHERE sequence < $1 AND ($3::text = '' OR student_id = $3)
        AND ($4::text = '' OR module_id = $4)
      ORDER BY sequence DESC LIMIT $2)"},

    // completion_centipercent (domain/progress.cpp), summed up. Module ids compare by their bytes.
    {"summarize_modules", R"(
      SELECT c.module_id, count(*), count(*) FILTER (WHERE c.mastered_ms <> 0),
        sum(CASE WHEN c.duration_ms > 0
          THEN least(10000, c.measured_ms * 10000 / c.duration_ms) ELSE 0 END)::int8 / count(*)
      FROM (
        SELECT p.module_id, p.mastered_ms, d.duration_ms,
          watchkeeper_measured_ms(p.coverage, p.covered_ms, d.duration_ms) AS measured_ms
        FROM progress p LEFT JOIN module m ON m.module_id = p.module_id
        CROSS JOIN LATERAL (SELECT coalesce(m.duration_ms, p.duration_ms)) AS d (duration_ms)
      ) AS c
      GROUP BY c.module_id ORDER BY c.module_id)"},
};

void replace_all(std::string& text, std::string_view from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

}  // namespace

std::string expanded(std::string sql) {
  for (const std::string table : {"p", "u"}) {
    // In the order in which progress_from() reads them.
    const auto t = table + ".";
    replace_all(sql, "STATE(" + table + ")",
                t + "coverage, " + t + "duration_ms, " + t + "playtime_ms, " + t + "resume_ms, " +
                    t + "resume_at_ms, " + t + "updated_ms, " + t + "mastered_ms, " + t +
                    "epoch, " + t + "attempt, " + t + "begins_ms");
    replace_all(sql, "COMPLETED(" + table + ")",
                "EXISTS (SELECT FROM completion c WHERE c.student_id = " + t +
                    "student_id AND c.module_id = " + t +
                    "module_id AND c.rule_version = " + std::to_string(completion_rule_version) +
                    " AND c.epoch = " + t + "epoch AND c.attempt = " + t + "attempt)");
  }
  // In the order in which rules_from() reads them.
  replace_all(sql, "RULES(m)",
              "m.duration_ms, m.mastery_centipercent, m.max_rate_permille, m.revision, "
              "m.is_removed");
  return sql;
}

void prepare_statements(pqxx::connection& connection) {
  for (const auto& [name, sql] : progress_statements) connection.prepare(name, expanded(sql));
  connection.prepare("checkpoint", expanded(checkpoint_statement()));
  prepare_heatmap_statements(connection);
  prepare_registry_statements(connection);
}

}  // namespace watchkeeper::storage::postgres
