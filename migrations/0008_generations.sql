-- Tokens that a restored or failed-over log never repeats. Only adds, so that older programs continue until they stop.

-- A token is 53 bits: the lower 31 stay where they are, so no row is rewritten.
ALTER TABLE cards ADD COLUMN claim_token_high integer NOT NULL DEFAULT 0
--;;
COMMENT ON COLUMN cards.claim_token_high IS 'The claim''s token is claim_token_high * 2^31 + claim_token.'
--;;
ALTER TABLE head
  ADD COLUMN generation bigint NOT NULL DEFAULT 0
    CHECK (generation = 0 OR generation BETWEEN 2147483648 AND 9007197107257344),
  ADD COLUMN generation_reason text CHECK (generation_reason IN ('restored', 'imported', 'failover', 'moved')),
  ADD COLUMN generation_since timestamptz,
  ADD COLUMN server text,
  ADD COLUMN server_started timestamptz,
  ADD COLUMN server_table oid,
  ADD CHECK ((generation = 0) = (generation_reason IS NULL) AND (generation = 0) = (generation_since IS NULL))
--;;
COMMENT ON COLUMN head.generation IS 'The token of a claim is this generation plus the version of its CardClaimed event. Raised after a restore or failover.'
--;;
COMMENT ON COLUMN head.server IS 'The server_identity that the last writer found. Another one means that the log has moved, or that its end may be lost.'
--;;
COMMENT ON COLUMN head.server_started IS 'When the server started that the last writer found. The same start and table mean the same server_identity, which takes longer to read.'
--;;
-- A transaction that claims reads the generation before it locks this row. One that read an older generation must run again.
CREATE FUNCTION refuse_older_generation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'generation % of the backlog began after this transaction had read generation %',
    OLD.generation, NEW.generation USING ERRCODE = 'serialization_failure';
END
$$
--;;
CREATE TRIGGER head_generation_grows BEFORE UPDATE ON head
  FOR EACH ROW WHEN (NEW.generation < OLD.generation) EXECUTE FUNCTION refuse_older_generation()
--;;
-- The timeline changes with every promotion, the system identifier with every server, the table's oid with every restored
-- dump. A part that the server does not reveal is "-". Null on a standby.
CREATE FUNCTION server_identity(head oid) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  timeline text := '-';
  system text := '-';
BEGIN
  IF pg_catalog.pg_is_in_recovery() THEN
    RETURN NULL;
  END IF;
  BEGIN
    timeline := pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8);
    system := system_identifier::text FROM pg_catalog.pg_control_system();
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
  RETURN pg_catalog.concat_ws('/', timeline, system, head);
END
$$
--;;
GRANT EXECUTE ON FUNCTION server_identity(oid) TO PUBLIC
