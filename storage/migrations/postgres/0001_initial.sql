-- The ledger. Ids are compared by their bytes (COLLATE "C"), as the gateway compares them: paging
-- and the order in which rows are locked depend on it.

CREATE TABLE deployment (
  key text PRIMARY KEY,
  value text NOT NULL
);

CREATE TABLE module (
  module_id text COLLATE "C" PRIMARY KEY,
  title text NOT NULL,
  duration_ms integer NOT NULL,
  mastery_centipercent integer NOT NULL,
  max_rate_permille integer NOT NULL,
  updated_ms bigint NOT NULL
);

CREATE TABLE device (
  kid bytea PRIMARY KEY CHECK (octet_length(kid) = 32),
  student_id text COLLATE "C" NOT NULL,
  algorithm smallint NOT NULL,
  public_key bytea NOT NULL,
  revoked boolean NOT NULL,
  created_ms bigint NOT NULL
);
CREATE INDEX device_student ON device (student_id);

CREATE TABLE assignment (
  student_id text COLLATE "C" NOT NULL,
  module_id text COLLATE "C" NOT NULL,
  created_ms bigint NOT NULL,
  PRIMARY KEY (student_id, module_id)
);

-- coverage: half-open ranges of media time in milliseconds, gaps of up to 250 ms closed.
-- mastered_ms = 0: not mastered. No indexed column ever changes, so updates stay on their page.
CREATE TABLE progress (
  student_id text COLLATE "C" NOT NULL,
  module_id text COLLATE "C" NOT NULL,
  coverage int4multirange NOT NULL,
  duration_ms integer NOT NULL,
  playtime_ms bigint NOT NULL,
  resume_ms integer NOT NULL,
  resume_at_ms bigint NOT NULL,
  updated_ms bigint NOT NULL,
  mastered_ms bigint NOT NULL,
  PRIMARY KEY (student_id, module_id)
) PARTITION BY HASH (student_id);
CREATE INDEX progress_module ON progress (module_id, student_id);

DO $$
BEGIN
  FOR remainder IN 0..15 LOOP
    EXECUTE format(
      'CREATE TABLE progress_%s PARTITION OF progress '
      'FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (fillfactor = 80)', remainder, remainder);
  END LOOP;
END
$$;

-- The outbox. A sequence number is drawn while advisory lock (30539, 2) is held until the commit:
-- whoever has read up to N will never see a number below N appear later.
CREATE TABLE completion (
  sequence bigserial PRIMARY KEY,
  student_id text COLLATE "C" NOT NULL,
  module_id text COLLATE "C" NOT NULL,
  rule_version integer NOT NULL,
  covered_ms integer NOT NULL,
  duration_ms integer NOT NULL,
  threshold_centipercent integer NOT NULL,
  mastered_ms bigint NOT NULL,
  UNIQUE (student_id, module_id, rule_version)
);

-- What gateways have to forget of their copies. Kept for an hour; lock (30539, 3), as above.
CREATE TABLE registry_change (
  sequence bigserial PRIMARY KEY,
  kind smallint NOT NULL,
  key text COLLATE "C" NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX registry_change_noted ON registry_change (noted_at);

-- Students erased within the last hour: what other gateways still carry of them is not written.
CREATE TABLE erased_student (
  student_id text COLLATE "C" PRIMARY KEY,
  erased_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit (
  audit_id bigserial PRIMARY KEY,
  at_ms bigint NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  subject_sha256 text NOT NULL,
  progress_rows bigint NOT NULL,
  completion_rows bigint NOT NULL,
  assignment_rows bigint NOT NULL,
  device_rows bigint NOT NULL
);

-- The union as domain/coverage closes gaps: every range is widened by 250 ms at its end, so that
-- ranges up to 250 ms apart meet and become one, and then given back what it was widened by.
CREATE FUNCTION watchkeeper_unite(a int4multirange, b int4multirange) RETURNS int4multirange
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(range_agg(int4range(lower(wide), upper(wide) - 250)), '{}')
  FROM unnest((SELECT range_agg(int4range(lower(piece), upper(piece) + 250))
               FROM unnest(a + b) AS piece)) AS wide
$$;

CREATE FUNCTION watchkeeper_forget_old() RETURNS void LANGUAGE sql AS $$
  DELETE FROM registry_change WHERE noted_at < now() - interval '1 hour';
  DELETE FROM erased_student WHERE erased_at < now() - interval '1 hour';
$$;

CREATE FUNCTION watchkeeper_note_change(change_kind integer, change_key text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(30539, 3);
  PERFORM watchkeeper_forget_old();
  INSERT INTO registry_change (kind, key) VALUES (change_kind, change_key);
END
$$;
