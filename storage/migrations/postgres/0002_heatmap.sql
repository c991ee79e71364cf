-- What a checkpoint found: its answer has to say by what each coverage grew, and PostgreSQL 15 does
-- not return the old row of an upsert.
ALTER TABLE progress ADD COLUMN prior int4multirange NOT NULL DEFAULT '{}';

-- What viewers have seen of a module, bin by bin; domain/heatmap_bins says how a duration is cut.
-- duration_ms: what the bins are of; the catalogue's may have changed since the last recount.
-- Who adds to a module's parts holds its row here FOR KEY SHARE, who recounts it FOR UPDATE.
CREATE TABLE heatmap (
  module_id text COLLATE "C" PRIMARY KEY,
  duration_ms integer NOT NULL
);

-- Bins 64 × part … 64 × part + 63, in milliseconds. A part that is not there is all zeros.
CREATE TABLE heatmap_part (
  module_id text COLLATE "C" NOT NULL,
  part integer NOT NULL,
  viewer_ms bigint[] NOT NULL CHECK (array_length(viewer_ms, 1) = 64),
  play_ms bigint[] NOT NULL CHECK (array_length(play_ms, 1) = 64),
  PRIMARY KEY (module_id, part)
) WITH (fillfactor = 70);

-- The last addition of plays by each gateway process: one that is repeated is not added twice.
CREATE TABLE play_writer (
  writer_id text COLLATE "C" PRIMARY KEY,
  sequence bigint NOT NULL,
  written_at timestamptz NOT NULL DEFAULT now()
);

-- Bin by bin. Not below zero: what is subtracted may have come in before heatmaps were counted.
CREATE FUNCTION watchkeeper_add_bins(a bigint[], b bigint[]) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  FOR i IN 1..64 LOOP
    IF b[i] <> 0 THEN
      a[i] := greatest(a[i] + b[i], 0);
    END IF;
  END LOOP;
  RETURN a;
END
$$;
