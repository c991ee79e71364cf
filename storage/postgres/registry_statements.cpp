#include "storage/ledger.hpp"
#include "storage/postgres/statements.hpp"

/// The statements of catalogue, devices, assignments, erasures and logins. What a write changes is
/// noted last, because the lock of the registry's changes is held to the commit.
namespace watchkeeper::storage::postgres {
namespace {

static_assert(registry_change_retention_ms == 3'600'000, "the SQL says: interval '1 hour'");

constexpr statement registry_statements[] = {
    // The catalogue. A module that was removed keeps its row, without which nobody would know by
    // which rules its pairs are measured.
    {"module_for_change", R"(
      SELECT module_id, title, RULES(m), updated_ms, preview_url
      FROM module m WHERE module_id = $1 FOR UPDATE)"},
    {"put_module", R"(
      INSERT INTO module AS m (module_id, title, duration_ms, mastery_centipercent,
        max_rate_permille, updated_ms, preview_url, revision, is_removed)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, false)
      ON CONFLICT (module_id) DO UPDATE
      SET title = excluded.title, duration_ms = excluded.duration_ms,
        mastery_centipercent = excluded.mastery_centipercent,
        max_rate_permille = excluded.max_rate_permille, updated_ms = excluded.updated_ms,
        preview_url = excluded.preview_url, revision = excluded.revision, is_removed = false)"},
    {"add_revision", R"(
      WITH old AS (DELETE FROM module_revision WHERE module_id = $1 AND revision <= $2::int4 - $6::int4)
      INSERT INTO module_revision (module_id, revision, duration_ms, mastery_centipercent,
        max_rate_permille)
      VALUES ($1, $2::int4, $3, $4, $5))"},
    {"begin_judging", R"(
      UPDATE module SET judged_revision = revision - 1, judged_student = '', judged_pairs = 0,
        pairs_to_judge = NULL
      WHERE module_id = $1)"},
    // Another rate: who is mastered stays the same, and a judging that runs goes on.
    {"keep_judging", R"(
      UPDATE module SET judged_revision = judged_revision + 1 WHERE module_id = $1)"},
    {"note_module", "SELECT watchkeeper_note_change(0, $1)"},
    {"get_module", R"(
      SELECT module_id, title, RULES(m), updated_ms, preview_url
      FROM module m WHERE module_id = $1 AND NOT is_removed)"},
    {"remove_module", R"(
      WITH gone AS (
        UPDATE module SET is_removed = true WHERE module_id = $1 AND NOT is_removed
        RETURNING module_id)
      SELECT watchkeeper_note_change(0, gone.module_id) FROM gone)"},
    {"list_modules", R"(
      SELECT module_id, title, RULES(m), updated_ms, preview_url
      FROM module m WHERE module_id > $1 AND NOT is_removed ORDER BY module_id LIMIT $2)"},

    {"put_device", R"(
      WITH put AS (
        INSERT INTO device AS d (kid, student_id, algorithm, public_key, revoked, created_ms)
        VALUES ($1::bytea, $2, $3, $4::bytea, $5, $6)
        ON CONFLICT (kid) DO UPDATE
        SET algorithm = excluded.algorithm, public_key = excluded.public_key,
          revoked = excluded.revoked
        WHERE d.student_id = excluded.student_id RETURNING d.kid)
      SELECT watchkeeper_note_change(1, $7) FROM put)"},
    {"get_devices", R"(
      SELECT d.kid, d.student_id, d.algorithm, d.public_key, d.revoked, d.created_ms, s.epoch
      FROM device d JOIN student s ON s.student_id = d.student_id
      WHERE d.kid = ANY ($1::bytea[]))"},
    {"owner_of", "SELECT student_id FROM device WHERE kid = $1::bytea"},
    {"revoke_device", R"(
      WITH put AS (UPDATE device SET revoked = true WHERE kid = $1::bytea RETURNING kid)
      SELECT watchkeeper_note_change(1, $2) FROM put)"},
    {"devices_of", R"(
      SELECT d.kid, d.student_id, d.algorithm, d.public_key, d.revoked, d.created_ms, s.epoch
      FROM device d JOIN student s ON s.student_id = d.student_id
      WHERE d.student_id = $1 ORDER BY d.created_ms, d.kid LIMIT $2)"},

    {"put_assignment", R"(
      WITH put AS (
        INSERT INTO assignment AS a VALUES ($1, $2, $3)
        ON CONFLICT (student_id, module_id) DO NOTHING RETURNING a.student_id)
      SELECT watchkeeper_note_change(2, $4) FROM put)"},
    {"remove_assignment", R"(
      WITH gone AS (
        DELETE FROM assignment WHERE student_id = $1 AND module_id = $2 RETURNING student_id)
      SELECT watchkeeper_note_change(2, $3) FROM gone)"},
    {"is_assigned", "SELECT FROM assignment WHERE student_id = $1 AND module_id = $2"},

    // The progress and completions have gone already: $5 and $6 say how many.
    {"erase_student", R"(
      WITH a AS (DELETE FROM assignment WHERE student_id = $1 RETURNING 1),
        d AS (DELETE FROM device WHERE student_id = $1 RETURNING 1),
        s AS (DELETE FROM student WHERE student_id = $1),
        refused AS (
          INSERT INTO erased_student AS e (student_id, next_epoch, begins_ms)
          VALUES ($1, $7, $4)
          ON CONFLICT (student_id) DO UPDATE
          SET erased_at = now(), next_epoch = greatest(e.next_epoch, excluded.next_epoch),
            begins_ms = greatest(e.begins_ms, excluded.begins_ms)),
        forgotten AS (UPDATE audit SET student_id = '', reason = '' WHERE student_id = $1),
        audited AS (
          INSERT INTO audit (at_ms, actor, action, erasure_id, progress_rows,
            completion_rows, assignment_rows, device_rows)
          SELECT $4::int8, $2::text, 'student-erased', $3::text, $5::int8, $6::int8,
            (SELECT count(*) FROM a), (SELECT count(*) FROM d)
          RETURNING progress_rows + completion_rows + assignment_rows + device_rows AS gone)
      SELECT audited.gone, watchkeeper_raise_highest_epoch($7), watchkeeper_note_change(3, $1)
      FROM audited)"},
    {"next_epochs", R"(
      SELECT student_id, next_epoch FROM erased_student WHERE student_id = ANY ($1::text[]))"},
    {"note_erased", "SELECT watchkeeper_note_change(3, $1)"},
    {"erased_students", R"(
      SELECT student_id, next_epoch FROM erased_student
      WHERE erased_at >= now() - interval '1 hour')"},

    {"forget_console_ends", "DELETE FROM console_session_end WHERE expires_ms <= $1"},
    {"end_console_session", R"(
      INSERT INTO console_session_end (session_id, expires_ms) VALUES ($1::bytea, $2)
      ON CONFLICT DO NOTHING)"},
    {"ended_console_sessions", R"(
      SELECT session_id, expires_ms FROM console_session_end
      WHERE expires_ms > $1 ORDER BY expires_ms DESC LIMIT $2)"},

    {"changes", R"(
      SELECT sequence, kind, key FROM registry_change
      WHERE sequence > $1 ORDER BY sequence LIMIT $2)"},
    // The timeline is that of the WAL that is written now; `pg_control_checkpoint` shows it later.
    {"identity", R"(
      SELECT encode(i.ledger_id, 'hex'),
        substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8), i.transactions,
        (SELECT last_sequence FROM outbox), (SELECT epoch FROM highest_epoch)
      FROM ledger_identity i)"},
    {"count_transaction", "SELECT watchkeeper_count_transaction()"},
    {"raise_last_sequence", "UPDATE outbox SET last_sequence = $1 WHERE last_sequence < $1"},
    {"raise_highest_epoch", "SELECT watchkeeper_raise_highest_epoch($1)"},
    {"forget_old", "SELECT watchkeeper_forget_old()"},
    {"health", R"(
      SELECT current_setting('server_version'), current_setting('synchronous_commit'),
        current_setting('transaction_read_only'))"},
};

}  // namespace

void prepare_registry_statements(pqxx::connection& connection) {
  for (const auto& [name, sql] : registry_statements) connection.prepare(name, expanded(sql));
}

}  // namespace watchkeeper::storage::postgres
