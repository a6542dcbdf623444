-- What auditors need: parts of events that can be erased, visibly, and nothing else changed; consumers' checkpoints.

DROP TRIGGER events_append_only ON events
--;;
CREATE TRIGGER events_append_only
  BEFORE DELETE OR TRUNCATE OR UPDATE OF position, card_id, version, type, schema_version, actor, correlation_id,
    causation_id, command_id, occurred_at, recorded_at, content_hash, chain_hash
  ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;;
-- Erasing takes a part out of data, and its salt out of commitments. The hash of the part stays, and so does every
-- other byte of the row.
CREATE FUNCTION refuse_all_but_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  erased text[] := ARRAY(SELECT jsonb_object_keys(OLD.data) EXCEPT SELECT jsonb_object_keys(NEW.data));
  unsalted jsonb := (
    SELECT jsonb_object_agg(key, CASE WHEN key = ANY (erased) THEN value - 'salt' ELSE value END)
    FROM jsonb_each(OLD.commitments));
BEGIN
  IF cardinality(erased) = 0 OR NOT OLD.commitments ?& erased
    OR NEW.data <> OLD.data - erased OR NEW.commitments IS DISTINCT FROM unsalted
    OR (NEW.position, NEW.card_id, NEW.version, NEW.type, NEW.schema_version, NEW.actor, NEW.correlation_id,
        NEW.causation_id, NEW.command_id, NEW.occurred_at, NEW.recorded_at, NEW.content_hash, NEW.chain_hash)
      IS DISTINCT FROM
       (OLD.position, OLD.card_id, OLD.version, OLD.type, OLD.schema_version, OLD.actor, OLD.correlation_id,
        OLD.causation_id, OLD.command_id, OLD.occurred_at, OLD.recorded_at, OLD.content_hash, OLD.chain_hash)
  THEN
    RAISE EXCEPTION 'the table events of the backlog is append-only: only erasing parts of an event is allowed'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$
--;;
CREATE TRIGGER events_only_erased BEFORE UPDATE ON events
  FOR EACH ROW EXECUTE FUNCTION refuse_all_but_erasure()
--;;
COMMENT ON TABLE events IS 'What happened, in commit order. Append-only: rows are never removed, and nothing of them is changed but that parts are erased.'
--;;
-- No samples of what may have to be erased among the planner's statistics.
ALTER TABLE events ALTER COLUMN data SET STATISTICS 0, ALTER COLUMN commitments SET STATISTICS 0
--;;
ALTER TABLE cards ALTER COLUMN title SET STATISTICS 0, ALTER COLUMN body SET STATISTICS 0,
  ALTER COLUMN acceptance SET STATISTICS 0, ALTER COLUMN result SET STATISTICS 0,
  ALTER COLUMN blocked_reason SET STATISTICS 0
--;;
CREATE TABLE checkpoints (
  consumer   text        COLLATE "C" PRIMARY KEY,
  position   bigint      NOT NULL CHECK (position >= 0),
  updated_at timestamptz NOT NULL
)
--;;
COMMENT ON TABLE checkpoints IS 'How far each consumer of events has come. Moved in the transaction in which the consumer writes.'
--;;
CREATE TABLE parked_events (
  consumer  text        COLLATE "C" NOT NULL,
  position  bigint      NOT NULL CHECK (position > 0),
  reason    text        NOT NULL,
  parked_at timestamptz NOT NULL,
  PRIMARY KEY (consumer, position)
)
--;;
COMMENT ON TABLE parked_events IS 'Events that a consumer could not take and has gone past, and why.'
