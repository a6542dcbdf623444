-- How many cards there are of each kind, kept with every write, so that nobody has to count them.

CREATE TABLE counts (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  position  bigint  NOT NULL,
  ready     bigint  NOT NULL,
  waiting   bigint  NOT NULL,
  claimed   bigint  NOT NULL,
  blocked   bigint  NOT NULL,
  done      bigint  NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0)
--;;
COMMENT ON TABLE counts IS 'The cards of each kind as the log stood at a position. Behind the head, where a program wrote that does not know this table, it counts for nothing until it is made anew.'
--;;
COMMENT ON COLUMN counts.waiting IS 'Those of the ready cards that have a dependency which is not done.'
--;;
-- Nobody writes while this counts.
LOCK TABLE cards, head IN EXCLUSIVE MODE
--;;
INSERT INTO counts (position, ready, waiting, claimed, blocked, done)
SELECT (SELECT position FROM head), count(*) FILTER (WHERE status = 'ready'),
  count(*) FILTER (WHERE status = 'ready' AND unmet_dependencies > 0), count(*) FILTER (WHERE status = 'claimed'),
  count(*) FILTER (WHERE status = 'blocked'), count(*) FILTER (WHERE status = 'done')
FROM cards
--;;
-- The oldest ready card.
CREATE INDEX cards_ready_since ON cards (created_at) WHERE status = 'ready'
