-- Locks that only writers can take; receipts that belong to an actor, and whose digests of erasable text can be destroyed.
-- A program of an older version takes other locks and writes other receipts: its writes now fail with a database error.

-- In the order in which commands lock: receipts before the head.
LOCK TABLE receipts IN ACCESS EXCLUSIVE MODE
--;;
-- A column, so that every privilege on the table shows in the catalog by column, as for all other tables.
CREATE TABLE graph_lock (unused boolean CHECK (false))
--;;
COMMENT ON TABLE graph_lock IS 'Never has rows. Commands that change an edge lock the table IN EXCLUSIVE MODE, commands that complete or reopen a card IN ROW EXCLUSIVE MODE. Both modes need a write privilege.'
--;;
CREATE TABLE rebuild_lock (unused boolean CHECK (false))
--;;
COMMENT ON TABLE rebuild_lock IS 'Never has rows. A rebuild locks the table IN EXCLUSIVE MODE while it creates or drops its schema; its other steps and redactions lock it IN ROW EXCLUSIVE MODE. Only the owner may.'
--;;
ALTER TABLE receipts RENAME TO receipts_of_all
--;;
ALTER TABLE receipts_of_all DROP CONSTRAINT receipts_pkey
--;;
DROP INDEX receipts_recorded_at
--;;
CREATE TABLE receipts (
  command_id  text        COLLATE "C" NOT NULL,
  actor       text        COLLATE "C" NOT NULL,
  kind        text,
  shape       bytea       CHECK (octet_length(shape) = 32),
  salt        bytea       CHECK (octet_length(salt) >= 16),
  digest      bytea       CHECK (octet_length(digest) = 32),
  outcome     jsonb       NOT NULL,
  recorded_at timestamptz NOT NULL,
  PRIMARY KEY (command_id, actor),
  CHECK ((salt IS NULL) = (digest IS NULL))
)
--;;
COMMENT ON TABLE receipts IS 'One row for each command that carried an id, written in the transaction of its events. Names cards and versions, and holds nothing of their content.'
--;;
COMMENT ON COLUMN receipts.actor IS 'A retry finds only the receipts of its own actor. Empty where an older program did not record whose command it was.'
--;;
COMMENT ON COLUMN receipts.kind IS 'The tag of the command. Null in receipts of older programs.'
--;;
COMMENT ON COLUMN receipts.shape IS 'SHA-256 of the command without its erasable texts. Null in receipts of older programs.'
--;;
COMMENT ON COLUMN receipts.digest IS 'SHA-256 of the salt and the SHA-256 of the whole command. Null where the command has no erasable text, and after a redaction, which sets salt and digest to null.'
--;;
-- The old digests have no salt, so they must not remain, not in dead rows either: the rows are copied and the table is
-- dropped. A digest that can cover text that was erased before is not copied.
INSERT INTO receipts (command_id, actor, salt, digest, outcome, recorded_at)
SELECT command_id, coalesce(actor, ''), CASE WHEN keeps THEN salt END,
  CASE WHEN keeps THEN sha256(salt || fingerprint) END, outcome, recorded_at
FROM (
  SELECT command_id, fingerprint, outcome, recorded_at, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) AS salt,
    cards IS NULL OR (named <> '[]' AND NOT named ?| cards) AS keeps
  FROM receipts_of_all
    CROSS JOIN (SELECT array_agg(DISTINCT card_id::text) AS cards FROM events WHERE type = 'CardRedacted') AS redacted
    CROSS JOIN LATERAL (SELECT jsonb_path_query_array(outcome, '$.cards[*].id')
      || jsonb_path_query_array(outcome, '$.card.id') || jsonb_path_query_array(outcome, '$.next.id') AS named) AS names
  OFFSET 0) AS old
  LEFT JOIN (
    SELECT command_id, min(actor) AS actor FROM events WHERE command_id IS NOT NULL
    GROUP BY command_id HAVING min(actor) = max(actor)) AS commands USING (command_id)
--;;
DROP TABLE receipts_of_all
--;;
CREATE INDEX receipts_recorded_at ON receipts (recorded_at)
--;;
-- No samples of digests among the planner's statistics.
ALTER TABLE receipts ALTER COLUMN shape SET STATISTICS 0, ALTER COLUMN salt SET STATISTICS 0,
  ALTER COLUMN digest SET STATISTICS 0
--;;
-- A rebuild by an older program takes another lock than redactions. It refuses tables with an index that it does not know.
ALTER INDEX dependencies_dependents RENAME TO dependencies_dependents_v9
--;;
ALTER TABLE head ADD COLUMN guarded_position bigint NOT NULL DEFAULT 0
--;;
UPDATE head SET guarded_position = position
--;;
COMMENT ON COLUMN head.guarded_position IS 'Equal to position. A program that does not know the locks of this version leaves it behind, and its write is refused.'
--;;
CREATE FUNCTION refuse_older_program() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'this program is older than the backlog, and takes locks that other programs no longer take: stop it, and start version 0.6 or newer'
    USING ERRCODE = 'object_not_in_prerequisite_state';
END
$$
--;;
CREATE TRIGGER head_guarded BEFORE UPDATE ON head
  FOR EACH ROW WHEN (NEW.position > OLD.position AND NEW.guarded_position <> NEW.position)
  EXECUTE FUNCTION refuse_older_program()
