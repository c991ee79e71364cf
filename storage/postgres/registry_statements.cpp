#include "storage/ledger.hpp"
#include "storage/postgres/database.hpp"

/// The statements of catalogue, devices, assignments, erasures and logins.
namespace watchkeeper::storage::postgres {
namespace {

static_assert(registry_change_retention_ms == 3'600'000, "the SQL says: interval '1 hour'");

constexpr struct {
  const char* name;
  const char* sql;
} registry_statements[] = {
    // The writes of the registry: the change is noted last, since its lock is held to the
    // commit.
    {"put_module",
     "WITH put AS (INSERT INTO module AS m (module_id, title, duration_ms, "
     "mastery_centipercent,"
     "  max_rate_permille, updated_ms, preview_url) VALUES ($1, $2, $3, $4, $5, $6, $7)"
     " ON CONFLICT (module_id) DO UPDATE SET title = excluded.title,"
     "  duration_ms = excluded.duration_ms, mastery_centipercent = "
     "excluded.mastery_centipercent,"
     "  max_rate_permille = excluded.max_rate_permille, updated_ms = excluded.updated_ms,"
     "  preview_url = excluded.preview_url"
     " RETURNING m.module_id)"
     "SELECT watchkeeper_note_change(0, put.module_id) FROM put"},
    {"get_module",
     "SELECT module_id, title, duration_ms, mastery_centipercent, max_rate_permille, "
     "updated_ms,"
     " preview_url FROM module WHERE module_id = $1"},
    {"remove_module",
     "WITH gone AS (DELETE FROM module WHERE module_id = $1 RETURNING module_id)"
     "SELECT watchkeeper_note_change(0, gone.module_id) FROM gone"},
    {"list_modules",
     "SELECT module_id, title, duration_ms, mastery_centipercent, max_rate_permille, "
     "updated_ms,"
     " preview_url FROM module WHERE module_id > $1 ORDER BY module_id LIMIT $2"},

    {"put_device",
     "WITH put AS (INSERT INTO device AS d (kid, student_id, algorithm, public_key, revoked,"
     "  created_ms) VALUES ($1::bytea, $2, $3, $4::bytea, $5, $6)"
     " ON CONFLICT (kid) DO UPDATE SET algorithm = excluded.algorithm,"
     "  public_key = excluded.public_key, revoked = excluded.revoked"
     "  WHERE d.student_id = excluded.student_id RETURNING d.kid)"
     "SELECT watchkeeper_note_change(1, $7) FROM put"},
    {"get_devices",
     "SELECT d.kid, d.student_id, d.algorithm, d.public_key, d.revoked, d.created_ms, s.epoch"
     " FROM device d JOIN student s ON s.student_id = d.student_id WHERE d.kid = ANY "
     "($1::bytea[])"},
    {"owner_of", "SELECT student_id FROM device WHERE kid = $1::bytea"},
    {"revoke_device",
     "WITH put AS (UPDATE device SET revoked = true WHERE kid = $1::bytea RETURNING kid)"
     "SELECT watchkeeper_note_change(1, $2) FROM put"},
    {"devices_of",
     "SELECT d.kid, d.student_id, d.algorithm, d.public_key, d.revoked, d.created_ms, s.epoch"
     " FROM device d JOIN student s ON s.student_id = d.student_id WHERE d.student_id = $1"
     " ORDER BY d.created_ms, d.kid LIMIT $2"},

    {"put_assignment",
     "WITH put AS (INSERT INTO assignment AS a VALUES ($1, $2, $3)"
     " ON CONFLICT (student_id, module_id) DO NOTHING RETURNING a.student_id)"
     "SELECT watchkeeper_note_change(2, $4) FROM put"},
    {"remove_assignment",
     "WITH gone AS (DELETE FROM assignment WHERE student_id = $1 AND module_id = $2"
     " RETURNING student_id)"
     "SELECT watchkeeper_note_change(2, $3) FROM gone"},
    {"is_assigned", "SELECT FROM assignment WHERE student_id = $1 AND module_id = $2"},

    // The progress and completions have gone already: $5 and $6 say how many.
    {"erase_student",
     "WITH a AS (DELETE FROM assignment WHERE student_id = $1 RETURNING 1),"
     " d AS (DELETE FROM device WHERE student_id = $1 RETURNING 1),"
     " s AS (DELETE FROM student WHERE student_id = $1),"
     " refused AS (INSERT INTO erased_student (student_id, next_epoch, begins_ms)"
     "  VALUES ($1, $7, $4) ON CONFLICT (student_id) DO UPDATE SET erased_at = now(),"
     "  next_epoch = excluded.next_epoch, begins_ms = excluded.begins_ms),"
     " forgotten AS (UPDATE audit SET student_id = '', reason = '' WHERE student_id = $1),"
     " audited AS (INSERT INTO audit (at_ms, actor, action, subject_sha256, progress_rows,"
     "  completion_rows, assignment_rows, device_rows)"
     "  SELECT $4::int8, $2::text, 'student-erased', $3::text, $5::int8, $6::int8,"
     "   (SELECT count(*) FROM a), (SELECT count(*) FROM d)"
     "  RETURNING progress_rows + completion_rows + assignment_rows + device_rows AS gone)"
     "SELECT audited.gone, watchkeeper_raise_highest_epoch($7), watchkeeper_note_change(3, $1)"
     " FROM audited"},

    {"next_epochs",
     "SELECT student_id, next_epoch FROM erased_student WHERE student_id = ANY ($1::text[])"},
    {"note_erased", "SELECT watchkeeper_note_change(3, $1)"},
    {"erased_students",
     "SELECT student_id, next_epoch FROM erased_student"
     " WHERE erased_at >= now() - interval '1 hour'"},

    {"forget_console_ends", "DELETE FROM console_session_end WHERE expires_ms <= $1"},
    {"end_console_session",
     "INSERT INTO console_session_end (session_id, expires_ms) VALUES ($1::bytea, $2)"
     " ON CONFLICT DO NOTHING"},
    {"ended_console_sessions",
     "SELECT session_id, expires_ms FROM console_session_end WHERE expires_ms > $1"
     " ORDER BY expires_ms DESC LIMIT $2"},

    {"changes",
     "SELECT sequence, kind, key FROM registry_change WHERE sequence > $1"
     " ORDER BY sequence LIMIT $2"},
    {"last_change", "SELECT coalesce(max(sequence), 0) FROM registry_change"},
    // The timeline is that of the WAL that is written now; `pg_control_checkpoint` shows it later.
    {"identity",
     "SELECT encode(i.ledger_id, 'hex'),"
     " substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8), i.transactions,"
     " (SELECT last_sequence FROM outbox), (SELECT epoch FROM highest_epoch)"
     " FROM ledger_identity i"},
    {"count_transaction", "SELECT watchkeeper_count_transaction()"},
    {"raise_last_sequence", "UPDATE outbox SET last_sequence = $1 WHERE last_sequence < $1"},
    {"raise_highest_epoch", "SELECT watchkeeper_raise_highest_epoch($1)"},
    {"forget_old", "SELECT watchkeeper_forget_old()"},
    {"health", "SELECT current_setting('server_version'), current_setting('synchronous_commit')"},
};

}  // namespace

void prepare_registry_statements(pqxx::connection& connection) {
  for (const auto& [name, sql] : registry_statements) connection.prepare(name, sql);
}

}  // namespace watchkeeper::storage::postgres
