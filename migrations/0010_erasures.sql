-- Erased bytes that are still in the data files: what has to be rewritten, and what happened to it.

CREATE TABLE erasures (
  position   bigint      PRIMARY KEY CHECK (position > 0),
  card_id    text        COLLATE "C" NOT NULL,
  erased_at  timestamptz NOT NULL,
  removed_at timestamptz,
  tried_at   timestamptz,
  problem    text
)
--;;
COMMENT ON TABLE erasures IS 'One row for each redaction that erased something. position is that of its CardRedacted event.'
--;;
COMMENT ON COLUMN erasures.erased_at IS 'When the parts were erased from what can be read. Old row versions and free space of pages may still hold their bytes.'
--;;
COMMENT ON COLUMN erasures.removed_at IS 'When every table that can hold erasable text had been rewritten since. Null while that is pending.'
--;;
COMMENT ON COLUMN erasures.problem IS 'Why the last try, at tried_at, did not complete.'
--;;
CREATE INDEX erasures_pending ON erasures (position) WHERE removed_at IS NULL
--;;
-- Earlier versions left the bytes in the pages.
INSERT INTO erasures (position, card_id, erased_at)
SELECT position, card_id, recorded_at FROM events WHERE type = 'CardRedacted'
--;;
-- Earlier versions kept what consumers had noted about the events that they parked.
UPDATE parked_events SET reason = '[redacted]'
FROM events WHERE events.position = parked_events.position AND EXISTS (
  SELECT FROM events AS redaction WHERE redaction.card_id = events.card_id AND redaction.type = 'CardRedacted'
    AND redaction.position > events.position)
--;;
-- No samples of what may have to be erased in the planner's statistics.
ALTER TABLE parked_events ALTER COLUMN reason SET STATISTICS 0
--;;
ALTER TABLE receipts ALTER COLUMN outcome SET STATISTICS 0
