-- Copies of the state of all cards, from which past states are read (docs/decisions/0056).

CREATE TABLE keyframes (
  position   bigint      NOT NULL CHECK (position > 0),
  part       integer     NOT NULL CHECK (part >= 0),
  parts      integer     NOT NULL CHECK (parts > part),
  format     integer     NOT NULL,
  base       bigint      NOT NULL CHECK (base BETWEEN 1 AND position),
  previous   bigint      CHECK (previous < position),
  cards      bigint      NOT NULL CHECK (cards >= 0),
  chain_hash bytea       NOT NULL CHECK (octet_length(chain_hash) = 32),
  written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  data       bytea       NOT NULL,
  PRIMARY KEY (position, part)
)
--;;
COMMENT ON TABLE keyframes IS 'The state of all cards after the event at position, without texts. One with base = position has all cards; any other has those that changed since previous. Follows from the log: it can be emptied at any time.'
--;;
-- The parts are compressed.
ALTER TABLE keyframes ALTER COLUMN data SET STORAGE EXTERNAL, ALTER COLUMN data SET STATISTICS 0
--;;
REVOKE ALL ON keyframes FROM PUBLIC
