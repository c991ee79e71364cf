-- Revisions of modules (docs/adr/0021-revisions.md). A change of the duration, the threshold or the
-- rate begins one; so does a module's return. A module that was removed keeps its row: its pairs are
-- measured by it.
--
-- judged_revision: the newest one by which every pair was looked at. While it is lower than revision,
-- judged_student is the student up to whom that was done, judged_pairs how many pairs those were, and
-- pairs_to_judge how many there were when it began (NULL: it has not).
ALTER TABLE module
  ADD COLUMN revision integer NOT NULL DEFAULT 1,
  ADD COLUMN is_removed boolean NOT NULL DEFAULT false,
  ADD COLUMN judged_revision integer NOT NULL DEFAULT 0,
  ADD COLUMN judged_student text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN judged_pairs bigint NOT NULL DEFAULT 0,
  ADD COLUMN pairs_to_judge bigint;
-- No default: a gateway from before must not put a module without a revision.
ALTER TABLE module ALTER COLUMN revision DROP DEFAULT;
CREATE INDEX module_to_judge ON module (module_id) WHERE judged_revision < revision AND NOT is_removed;

-- The rules of each revision, for the completion of a pair that an earlier one mastered.
CREATE TABLE module_revision (
  module_id text COLLATE "C" NOT NULL,
  revision integer NOT NULL,
  duration_ms integer NOT NULL,
  mastery_centipercent integer NOT NULL,
  max_rate_permille integer NOT NULL,
  PRIMARY KEY (module_id, revision)
);
INSERT INTO module_revision
  SELECT module_id, 1, duration_ms, mastery_centipercent, max_rate_permille FROM module;

ALTER TABLE completion ADD COLUMN revision integer NOT NULL DEFAULT 1;
ALTER TABLE completion ALTER COLUMN revision DROP DEFAULT;

-- coverage::measured_ms (domain/coverage.cpp). Nearly every coverage lies within the duration, and
-- ends at neither of its ends nearly: then it is all of covered_ms, and is not taken apart.
CREATE FUNCTION watchkeeper_measured_ms(coverage int4multirange, covered_ms bigint, duration_ms integer)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN isempty(coverage) THEN 0
    WHEN (lower(coverage) = 0 OR lower(coverage) > 250)
      AND (upper(coverage) < duration_ms - 250 OR upper(coverage) = duration_ms) THEN covered_ms
    ELSE (
      SELECT coalesce(sum(
        CASE WHEN upper(piece) >= duration_ms - 250 THEN duration_ms ELSE upper(piece) END
        - CASE WHEN lower(piece) <= 250 THEN 0 ELSE lower(piece) END), 0)::bigint
      FROM unnest(coverage) AS piece WHERE lower(piece) < duration_ms)
  END
$$;

-- What lies beyond the end of a module counted in the last bin before: counted anew.
DELETE FROM deployment WHERE key = 'heatmaps';
