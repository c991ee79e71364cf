-- Lives (docs/adr/0018-lives.md). Who is enrolled has a row, with the epoch that the student is in;
-- nothing of another epoch is written or shown. begins_ms: what was played before does not count in
-- it; 0: everything does, because no epoch came before. All who are here now are in their first.
CREATE TABLE student (
  student_id text COLLATE "C" PRIMARY KEY,
  epoch bigint NOT NULL,
  begins_ms bigint NOT NULL
);
INSERT INTO student SELECT student_id, 1, 0 FROM
  (SELECT student_id FROM device UNION SELECT student_id FROM progress
   UNION SELECT student_id FROM completion) AS everybody;
-- A gateway from before, which knows no epochs, must not enrol anybody.
ALTER TABLE device ADD FOREIGN KEY (student_id) REFERENCES student (student_id);

-- The highest epoch that was ever given out, in one row. A later one is never lower.
CREATE TABLE highest_epoch (epoch bigint NOT NULL);
INSERT INTO highest_epoch SELECT 1 + EXISTS (SELECT FROM audit)::int;

-- No defaults: a gateway from before must not write a progress of no life.
ALTER TABLE progress ADD COLUMN epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE progress ADD COLUMN attempt bigint NOT NULL DEFAULT 1;
ALTER TABLE progress ADD COLUMN begins_ms bigint NOT NULL DEFAULT 0;
ALTER TABLE progress ALTER COLUMN epoch DROP DEFAULT, ALTER COLUMN attempt DROP DEFAULT,
  ALTER COLUMN begins_ms DROP DEFAULT;

-- The next epoch of who was erased is at least this, and begins then.
ALTER TABLE erased_student ADD COLUMN next_epoch bigint NOT NULL DEFAULT 2;
ALTER TABLE erased_student ADD COLUMN begins_ms bigint NOT NULL DEFAULT 0;

-- Of a reset: whose, of which module, and why. An erasure empties student_id, and has no reason.
ALTER TABLE audit ADD COLUMN student_id text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN module_id text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN reason text NOT NULL DEFAULT '';
CREATE INDEX audit_student ON audit (student_id) WHERE student_id <> '';

-- One completion for each life of a pair.
ALTER TABLE completion ADD COLUMN epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE completion ADD COLUMN attempt bigint NOT NULL DEFAULT 1;
ALTER TABLE completion ALTER COLUMN epoch DROP DEFAULT, ALTER COLUMN attempt DROP DEFAULT;
ALTER TABLE completion DROP CONSTRAINT completion_student_id_module_id_rule_version_key;
ALTER TABLE completion ADD UNIQUE (student_id, module_id, rule_version, epoch, attempt);

CREATE FUNCTION watchkeeper_raise_highest_epoch(given bigint) RETURNS void LANGUAGE sql AS $$
  UPDATE highest_epoch SET epoch = given WHERE epoch < given
$$;

-- Draws the epoch of a student who enrols, or gives the one that the student is in. The erasure lock
-- is held. hot_epoch: the highest that the hot store knows of the student. If that is living, and no
-- erasure is known, it goes on: this ledger has come back older.
CREATE FUNCTION watchkeeper_enrol(who text, now_ms bigint, hot_epoch bigint, is_living boolean,
                                  OUT epoch bigint, OUT begins_ms bigint)
LANGUAGE plpgsql AS $$
BEGIN
  SELECT s.epoch, s.begins_ms INTO epoch, begins_ms FROM student s WHERE s.student_id = who;
  IF FOUND THEN
    RETURN;
  END IF;
  SELECT CASE WHEN is_living AND e.student_id IS NULL THEN hot_epoch
    ELSE greatest(now_ms / 1000, h.epoch, hot_epoch, coalesce(e.next_epoch, 0)) END,
    coalesce(e.begins_ms, 0)
  INTO epoch, begins_ms
  FROM highest_epoch h LEFT JOIN erased_student e ON e.student_id = who;
  PERFORM watchkeeper_raise_highest_epoch(epoch);
  -- Of two gateways that enrol devices of one student, one comes first.
  INSERT INTO student AS s VALUES (who, epoch, begins_ms)
  ON CONFLICT (student_id) DO UPDATE SET epoch = s.epoch
  RETURNING s.epoch, s.begins_ms INTO epoch, begins_ms;
END
$$;
