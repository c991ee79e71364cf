-- The ledger in one file. Ids are compared by their bytes (BINARY, the default). One writer at a
-- time, so a sequence number drawn in a transaction increases in the order of commits.

CREATE TABLE deployment (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE module (
  module_id TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  duration_ms INTEGER NOT NULL,
  mastery_centipercent INTEGER NOT NULL,
  max_rate_permille INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
  kid BLOB PRIMARY KEY CHECK (length(kid) = 32),
  student_id TEXT NOT NULL,
  algorithm INTEGER NOT NULL,
  public_key BLOB NOT NULL,
  revoked INTEGER NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_student ON device (student_id);

CREATE TABLE assignment (
  student_id TEXT NOT NULL,
  module_id TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  PRIMARY KEY (student_id, module_id)
) STRICT, WITHOUT ROWID;

-- coverage: per interval two big-endian uint32 (from, to in milliseconds), sorted, gaps of up to
-- 250 ms closed. mastered_ms = 0: not mastered.
CREATE TABLE progress (
  student_id TEXT NOT NULL,
  module_id TEXT NOT NULL,
  coverage BLOB NOT NULL,
  duration_ms INTEGER NOT NULL,
  playtime_ms INTEGER NOT NULL,
  resume_ms INTEGER NOT NULL,
  resume_at_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  mastered_ms INTEGER NOT NULL,
  PRIMARY KEY (student_id, module_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX progress_module ON progress (module_id, student_id);

-- The outbox. AUTOINCREMENT: a number is never used again, not even after an erasure.
CREATE TABLE completion (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  student_id TEXT NOT NULL,
  module_id TEXT NOT NULL,
  rule_version INTEGER NOT NULL,
  covered_ms INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  threshold_centipercent INTEGER NOT NULL,
  mastered_ms INTEGER NOT NULL,
  UNIQUE (student_id, module_id, rule_version)
) STRICT;

-- What gateways have to forget of their copies. Kept for an hour.
CREATE TABLE registry_change (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL,
  key TEXT NOT NULL,
  noted_at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;
CREATE INDEX registry_change_noted ON registry_change (noted_at);

-- Students erased within the last hour: what other gateways still carry of them is not written.
CREATE TABLE erased_student (
  student_id TEXT PRIMARY KEY,
  erased_at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  audit_id INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject_sha256 TEXT NOT NULL,
  progress_rows INTEGER NOT NULL,
  completion_rows INTEGER NOT NULL,
  assignment_rows INTEGER NOT NULL,
  device_rows INTEGER NOT NULL
) STRICT;
