-- Lives (docs/adr/0018-lives.md). Who is enrolled has a row, with the epoch that the student is in;
-- nothing of another epoch is written or shown. begins_ms: what was played before does not count in
-- it; 0: everything does, because no epoch came before. All who are here now are in their first.
CREATE TABLE student (
  student_id TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL,
  begins_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO student SELECT student_id, 1, 0 FROM
  (SELECT student_id FROM device UNION SELECT student_id FROM progress
   UNION SELECT student_id FROM completion);

-- The highest epoch that was ever given out, in one row. A later one is never lower.
CREATE TABLE highest_epoch (epoch INTEGER NOT NULL) STRICT;
INSERT INTO highest_epoch SELECT 1 + EXISTS (SELECT 1 FROM audit);

ALTER TABLE progress ADD COLUMN epoch INTEGER NOT NULL DEFAULT 1;
ALTER TABLE progress ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
ALTER TABLE progress ADD COLUMN begins_ms INTEGER NOT NULL DEFAULT 0;

-- The next epoch of who was erased is at least this, and begins then.
ALTER TABLE erased_student ADD COLUMN next_epoch INTEGER NOT NULL DEFAULT 2;
ALTER TABLE erased_student ADD COLUMN begins_ms INTEGER NOT NULL DEFAULT 0;

-- Of a reset: whose, of which module, and why. An erasure empties student_id, and has no reason.
ALTER TABLE audit ADD COLUMN student_id TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN module_id TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN reason TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_student ON audit (student_id) WHERE student_id <> '';

-- One completion for each life of a pair. The numbers go on where they were.
CREATE TABLE completion_of_life (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  student_id TEXT NOT NULL,
  module_id TEXT NOT NULL,
  rule_version INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  covered_ms INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  threshold_centipercent INTEGER NOT NULL,
  mastered_ms INTEGER NOT NULL,
  UNIQUE (student_id, module_id, rule_version, epoch, attempt)
) STRICT;
INSERT INTO completion_of_life SELECT sequence, student_id, module_id, rule_version, 1, 1, covered_ms,
  duration_ms, threshold_centipercent, mastered_ms FROM completion;
DELETE FROM sqlite_sequence WHERE name = 'completion_of_life';
INSERT INTO sqlite_sequence (name, seq)
  SELECT 'completion_of_life', seq FROM sqlite_sequence WHERE name = 'completion';
DROP TABLE completion;
ALTER TABLE completion_of_life RENAME TO completion;
