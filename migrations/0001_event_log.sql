-- The append-only log and its head. Statements are separated by lines that hold only "--;;".
-- Table names are unqualified: the runner sets the search path to the backlog's schema for its transaction.

CREATE TABLE events (
  position       bigint      PRIMARY KEY CHECK (position > 0),
  card_id        text        COLLATE "C" NOT NULL,
  version        integer     NOT NULL CHECK (version > 0),
  type           text        NOT NULL,
  schema_version integer     NOT NULL CHECK (schema_version > 0),
  data           jsonb       NOT NULL,
  commitments    jsonb       NOT NULL,
  actor          text        NOT NULL,
  correlation_id text,
  causation_id   text,
  command_id     text,
  occurred_at    timestamptz NOT NULL,
  recorded_at    timestamptz NOT NULL,
  content_hash   bytea       NOT NULL CHECK (octet_length(content_hash) = 32),
  chain_hash     bytea       NOT NULL CHECK (octet_length(chain_hash) = 32),
  CONSTRAINT events_card_version UNIQUE (card_id, version)
)
--;;
COMMENT ON TABLE events IS 'What happened, in commit order. Append-only: rows are never changed or removed.'
--;;
COMMENT ON COLUMN events.commitments IS 'For each part of data that may have to be erased one day: its salt and the SHA-256 that stands for it in content_hash.'
--;;
CREATE TABLE head (
  singleton   boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
  position    bigint      NOT NULL CHECK (position >= 0),
  chain_hash  bytea       NOT NULL CHECK (octet_length(chain_hash) = 32),
  recorded_at timestamptz NOT NULL
)
--;;
COMMENT ON TABLE head IS 'The last position of the log. Its one row is locked last by every writer, which makes positions dense and in commit order.'
--;;
INSERT INTO head (position, chain_hash, recorded_at) VALUES (0, decode(repeat('00', 32), 'hex'), '-infinity')
--;;
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the table % of the backlog is append-only: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'restrict_violation';
END
$$
--;;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;;
CREATE TRIGGER head_stays BEFORE DELETE OR TRUNCATE ON head
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
--;;
REVOKE UPDATE, DELETE, TRUNCATE ON events FROM PUBLIC
