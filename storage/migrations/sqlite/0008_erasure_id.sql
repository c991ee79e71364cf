-- An erasure has a random id of its own (docs/adr/0023-traces.md). The SHA-256 of a student's id, which
-- stood here before, could be found by whoever has a list of ids. Rows of other actions, and those from
-- before, have no id.
UPDATE audit SET subject_sha256 = '' WHERE subject_sha256 <> '';
ALTER TABLE audit RENAME COLUMN subject_sha256 TO erasure_id;
