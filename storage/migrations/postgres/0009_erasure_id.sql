-- An erasure has a random id of its own (docs/adr/0023-traces.md). The SHA-256 of a student's id, which
-- stood here before, could be found by whoever has a list of ids. To change the type writes the table
-- anew: an update would leave the digests in its dead rows. Rows of other actions, and those from
-- before, have no id.
ALTER TABLE audit ALTER COLUMN subject_sha256 TYPE text USING '';
ALTER TABLE audit RENAME COLUMN subject_sha256 TO erasure_id;
