-- What viewers have seen of a module, bin by bin; domain/heatmap_bins says how a duration is cut.
-- duration_ms: what the bins are of; the catalogue's may have changed since the last recount.
CREATE TABLE heatmap (
  module_id TEXT PRIMARY KEY,
  duration_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Bins 64 × part … 64 × part + 63, each a big-endian 64-bit number of milliseconds. A part that is
-- not there is all zeros.
CREATE TABLE heatmap_part (
  module_id TEXT NOT NULL,
  part INTEGER NOT NULL,
  viewer_ms BLOB NOT NULL CHECK (length(viewer_ms) = 512),
  play_ms BLOB NOT NULL CHECK (length(play_ms) = 512),
  PRIMARY KEY (module_id, part)
) STRICT, WITHOUT ROWID;

-- The last addition of plays by each gateway process: one that is repeated is not added twice.
CREATE TABLE play_writer (
  writer_id TEXT PRIMARY KEY,
  sequence INTEGER NOT NULL,
  written_at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT, WITHOUT ROWID;
