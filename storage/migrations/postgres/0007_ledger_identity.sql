-- Which ledger this is, and how far it has come (docs/adr/0019-ledger-identity.md): one row. Its lock
-- is taken last in a transaction, and held to the commit.
CREATE TABLE ledger_identity (
  ledger_id bytea NOT NULL CHECK (octet_length(ledger_id) = 16),
  transactions bigint NOT NULL
);
INSERT INTO ledger_identity VALUES (uuid_send(gen_random_uuid()), 0);

CREATE FUNCTION watchkeeper_count_transaction() RETURNS void LANGUAGE sql AS $$
  UPDATE ledger_identity SET transactions = transactions + 1
$$;

CREATE OR REPLACE FUNCTION watchkeeper_note_change(change_kind integer, change_key text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(30539, 3);
  PERFORM watchkeeper_forget_old();
  INSERT INTO registry_change (kind, key) VALUES (change_kind, change_key);
  PERFORM watchkeeper_count_transaction();
END
$$;

-- The highest number that was given out, in one row. It is drawn under the lock (30539, 2), which is
-- held to the commit. A gateway from before, which would go on with small numbers, can draw none.
CREATE TABLE outbox (last_sequence bigint NOT NULL);
INSERT INTO outbox SELECT greatest(
  (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM completion_sequence_seq),
  (SELECT coalesce(max(sequence), 0) FROM completion));
ALTER TABLE completion ALTER COLUMN sequence DROP DEFAULT;
DROP SEQUENCE completion_sequence_seq;

-- As before, except that a living epoch of the hot store goes on after an erasure, too, if it is none
-- of those that ended: the student had enrolled again before this ledger came back older.
CREATE OR REPLACE FUNCTION watchkeeper_enrol(who text, now_ms bigint, hot_epoch bigint, is_living boolean,
                                  OUT epoch bigint, OUT begins_ms bigint)
LANGUAGE plpgsql AS $$
BEGIN
  SELECT s.epoch, s.begins_ms INTO epoch, begins_ms FROM student s WHERE s.student_id = who;
  IF FOUND THEN
    RETURN;
  END IF;
  SELECT CASE WHEN is_living AND hot_epoch >= coalesce(e.next_epoch, 0) THEN hot_epoch
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
