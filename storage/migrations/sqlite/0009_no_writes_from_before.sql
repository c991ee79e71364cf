-- A gateway from before lives or revisions that has the file open must not write into it
-- (docs/storage-format.md). It gives no life and no revision, so these columns have no defaults.
CREATE TABLE progress_of_life (
  student_id TEXT NOT NULL,
  module_id TEXT NOT NULL,
  coverage BLOB NOT NULL,
  duration_ms INTEGER NOT NULL,
  playtime_ms INTEGER NOT NULL,
  resume_ms INTEGER NOT NULL,
  resume_at_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  mastered_ms INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  begins_ms INTEGER NOT NULL,
  PRIMARY KEY (student_id, module_id)
) STRICT, WITHOUT ROWID;
INSERT INTO progress_of_life SELECT student_id, module_id, coverage, duration_ms, playtime_ms,
  resume_ms, resume_at_ms, updated_ms, mastered_ms, epoch, attempt, begins_ms FROM progress;
DROP TABLE progress;
ALTER TABLE progress_of_life RENAME TO progress;
CREATE INDEX progress_module ON progress (module_id, student_id);

CREATE TABLE module_with_revision (
  module_id TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  duration_ms INTEGER NOT NULL,
  mastery_centipercent INTEGER NOT NULL,
  max_rate_permille INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  preview_url TEXT NOT NULL DEFAULT '',
  revision INTEGER NOT NULL,
  is_removed INTEGER NOT NULL DEFAULT 0,
  judged_revision INTEGER NOT NULL DEFAULT 0,
  judged_student TEXT NOT NULL DEFAULT '',
  judged_pairs INTEGER NOT NULL DEFAULT 0,
  pairs_to_judge INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO module_with_revision SELECT module_id, title, duration_ms, mastery_centipercent,
  max_rate_permille, updated_ms, preview_url, revision, is_removed, judged_revision, judged_student,
  judged_pairs, pairs_to_judge FROM module;
DROP TABLE module;
ALTER TABLE module_with_revision RENAME TO module;
CREATE INDEX module_to_judge ON module (module_id)
  WHERE judged_revision < revision AND is_removed = 0;

-- Where such a gateway has removed a module, whose row has the rules of its pairs, its revisions go:
-- it begins with revision 1 again.
DELETE FROM module_revision WHERE module_id NOT IN (SELECT module_id FROM module);
CREATE TRIGGER module_stays BEFORE DELETE ON module BEGIN
  SELECT RAISE(ABORT, 'a module that is removed keeps its row');
END;
CREATE TRIGGER device_of_student BEFORE INSERT ON device
WHEN NOT EXISTS (SELECT 1 FROM student WHERE student_id = new.student_id) BEGIN
  SELECT RAISE(ABORT, 'the student of the device is not enrolled');
END;
