-- Console sessions that were ended before their time, so that no copy of their cookie is good at any
-- gateway. A row is of no use once the session would have ended by itself.
CREATE TABLE console_session_end (
  session_id bytea PRIMARY KEY CHECK (octet_length(session_id) = 16),
  expires_ms bigint NOT NULL
);
CREATE INDEX console_session_end_expires ON console_session_end (expires_ms);
