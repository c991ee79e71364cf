-- Revisions of modules (docs/adr/0021-revisions.md). A change of the duration, the threshold or the
-- rate begins one; so does a module's return. A module that was removed keeps its row: its pairs are
-- measured by it.
--
-- judged_revision: the newest one by which every pair was looked at. While it is lower than revision,
-- judged_student is the student up to whom that was done, judged_pairs how many pairs those were, and
-- pairs_to_judge how many there were when it began (NULL: it has not).
ALTER TABLE module ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE module ADD COLUMN is_removed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE module ADD COLUMN judged_revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE module ADD COLUMN judged_student TEXT NOT NULL DEFAULT '';
ALTER TABLE module ADD COLUMN judged_pairs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE module ADD COLUMN pairs_to_judge INTEGER;
CREATE INDEX module_to_judge ON module (module_id)
  WHERE judged_revision < revision AND is_removed = 0;

-- The rules of each revision, for the completion of a pair that an earlier one mastered.
CREATE TABLE module_revision (
  module_id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  mastery_centipercent INTEGER NOT NULL,
  max_rate_permille INTEGER NOT NULL,
  PRIMARY KEY (module_id, revision)
) STRICT, WITHOUT ROWID;
INSERT INTO module_revision
  SELECT module_id, 1, duration_ms, mastery_centipercent, max_rate_permille FROM module;

ALTER TABLE completion ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;

-- What lies beyond the end of a module counted in the last bin before: counted anew.
DELETE FROM deployment WHERE key = 'heatmaps';
