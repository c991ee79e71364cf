-- How much of the video a coverage is, kept with it: the averages of all modules are sums over a
-- number, and no coverage has to be read for them. (length: of the union, in milliseconds.)
CREATE FUNCTION watchkeeper_covered_ms(coverage int4multirange) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS 'SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(coverage) AS r';

ALTER TABLE progress
  ADD COLUMN covered_ms bigint NOT NULL GENERATED ALWAYS AS (watchkeeper_covered_ms(coverage)) STORED;
