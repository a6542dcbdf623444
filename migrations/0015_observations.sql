-- The verifications that were carried out, and the anchors that were made (docs/decisions/0057).

CREATE TABLE verifications (
  id              bigint      PRIMARY KEY CHECK (id > 0),
  verified_at     timestamptz NOT NULL,
  duration_millis bigint      NOT NULL CHECK (duration_millis >= 0),
  position        bigint      NOT NULL CHECK (position >= 0),
  divergences     bigint      NOT NULL CHECK (divergences >= 0),
  anchor_position bigint      CHECK (anchor_position >= 0),
  anchor_matched  boolean,
  actor           text        COLLATE "C" CHECK (octet_length(actor) <= 1000),
  CHECK ((anchor_position IS NULL) = (anchor_matched IS NULL))
)
--;;
COMMENT ON TABLE verifications IS 'The last 1,000 verifications that ended, as the programs that carried them out reported them. Not part of the log: nothing is proved by it.'
--;;
CREATE TABLE anchors (
  id          bigint      PRIMARY KEY CHECK (id > 0),
  made_at     timestamptz NOT NULL,
  position    bigint      NOT NULL CHECK (position >= 0),
  chain_hash  bytea       NOT NULL CHECK (octet_length(chain_hash) = 32),
  anchored_at timestamptz NOT NULL,
  signature   text        COLLATE "C" CHECK (octet_length(signature) <= 100),
  actor       text        COLLATE "C" CHECK (octet_length(actor) <= 1000)
)
--;;
COMMENT ON TABLE anchors IS 'The last 1,000 anchors that were made. Not part of the log: an anchor proves something only if it is kept elsewhere.'
--;;
-- The lock makes ids dense. A session that keeps it delays a verification by two seconds.
CREATE FUNCTION record_verification_v1(
  new_position bigint, new_divergences bigint, new_duration_millis bigint, new_anchor_position bigint,
  new_anchor_matched boolean, new_actor text, override timestamptz
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s' AS $$
DECLARE
  last bigint;
BEGIN
  LOCK TABLE verifications IN EXCLUSIVE MODE;
  last := coalesce((SELECT max(id) FROM verifications), 0) + 1;
  INSERT INTO verifications (id, verified_at, duration_millis, position, divergences, anchor_position, anchor_matched, actor)
  VALUES (last, current_time_v1(override), new_duration_millis, new_position, new_divergences, new_anchor_position,
    new_anchor_matched, new_actor);
  DELETE FROM verifications WHERE id <= last - 1000;
  RETURN last;
END
$$
--;;
-- The same actor makes the same anchor again while the log has no new events. Only the last one is kept, so that repetitions do
-- not displace other anchors.
CREATE FUNCTION record_anchor_v1(
  new_position bigint, new_chain_hash text, new_anchored_at timestamptz, new_signature text, new_actor text,
  override timestamptz
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s' AS $$
DECLARE
  last bigint;
BEGIN
  LOCK TABLE anchors IN EXCLUSIVE MODE;
  last := coalesce((SELECT max(id) FROM anchors), 0);
  UPDATE anchors SET made_at = current_time_v1(override), anchored_at = new_anchored_at, signature = new_signature
  WHERE id = last AND position = new_position AND chain_hash = decode(new_chain_hash, 'hex')
    AND actor IS NOT DISTINCT FROM new_actor AND (signature IS NULL) = (new_signature IS NULL);
  IF FOUND THEN
    RETURN last;
  END IF;
  INSERT INTO anchors (id, made_at, position, chain_hash, anchored_at, signature, actor)
  VALUES (last + 1, current_time_v1(override), new_position, decode(new_chain_hash, 'hex'), new_anchored_at, new_signature,
    new_actor);
  DELETE FROM anchors WHERE id <= last - 999;
  RETURN last + 1;
END
$$
--;;
REVOKE ALL ON verifications, anchors FROM PUBLIC
--;;
DO $$
DECLARE
  function regprocedure;
BEGIN
  FOR function IN
    SELECT oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
      AND proname IN ('record_verification_v1', 'record_anchor_v1')
  LOOP
    -- The temporary schema comes last: a caller could shadow tables with temporary ones.
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', function, current_schema());
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
  END LOOP;
END
$$
