-- Which ledger this is, and how far it has come (docs/adr/0019-ledger-identity.md): one row.
CREATE TABLE ledger_identity (
  ledger_id BLOB NOT NULL CHECK (length(ledger_id) = 16),
  transactions INTEGER NOT NULL
) STRICT;
INSERT INTO ledger_identity VALUES (randomblob(16), 0);

-- The highest number that was given out, in one row.
CREATE TABLE outbox (last_sequence INTEGER NOT NULL) STRICT;
INSERT INTO outbox SELECT max(
  coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'completion'), 0),
  coalesce((SELECT max(sequence) FROM completion), 0));
