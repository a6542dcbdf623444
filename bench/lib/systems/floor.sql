-- The same work as functions in the server, each command in one round trip: what can be had at all with a log of
-- events, hashes and a projection on this server.

CREATE TABLE events (
  position       bigint PRIMARY KEY,
  card_id        text COLLATE "C" NOT NULL,
  version        integer NOT NULL,
  type           text NOT NULL,
  schema_version integer NOT NULL,
  data           jsonb NOT NULL,
  commitments    jsonb NOT NULL,
  actor          text NOT NULL,
  correlation_id text,
  causation_id   text,
  command_id     text,
  occurred_at    timestamptz NOT NULL,
  recorded_at    timestamptz NOT NULL,
  content_hash   bytea NOT NULL,
  chain_hash     bytea NOT NULL,
  UNIQUE (card_id, version)
);

CREATE TABLE head (
  singleton   boolean PRIMARY KEY DEFAULT true,
  position    bigint NOT NULL,
  chain_hash  bytea NOT NULL,
  recorded_at timestamptz NOT NULL
);

INSERT INTO head (position, chain_hash, recorded_at) VALUES (0, decode(repeat('00', 32), 'hex'), '-infinity');

CREATE TABLE cards (
  id                 text COLLATE "C" PRIMARY KEY,
  title              text NOT NULL,
  priority           integer NOT NULL,
  status             text COLLATE "C" NOT NULL,
  unmet_dependencies integer NOT NULL,
  claim_owner        text,
  claim_expires_at   timestamptz,
  claim_token        integer,
  attempts           integer NOT NULL,
  created_at         timestamptz NOT NULL,
  updated_at         timestamptz NOT NULL,
  completed_at       timestamptz,
  version            integer NOT NULL,
  position           bigint NOT NULL
);

CREATE INDEX cards_claim_order ON cards (priority DESC, created_at, id)
  WHERE status = 'ready' AND unmet_dependencies = 0;
CREATE INDEX cards_list_order ON cards (status, priority DESC, created_at, id);
CREATE INDEX cards_claim_expiry ON cards (claim_expires_at) WHERE status = 'claimed';

CREATE TABLE dependencies (
  card_id       text COLLATE "C" NOT NULL,
  depends_on_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (card_id, depends_on_id)
);
CREATE INDEX dependencies_dependents ON dependencies (depends_on_id, card_id);

-- Appends an event for each card and answers the position before the first.
CREATE FUNCTION append(ids text[], versions int[], kind text, datas jsonb[], who text, moment timestamptz)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  before bigint;
  chain bytea;
  content_hashes bytea[] := '{}';
  chain_hashes bytea[] := '{}';
  content bytea;
BEGIN
  SELECT position, chain_hash INTO before, chain FROM head FOR UPDATE;
  FOR i IN 1 .. cardinality(ids) LOOP
    content := sha256(convert_to(jsonb_build_object('actor', who, 'cardId', ids[i], 'causationId', NULL,
      'commandId', NULL, 'correlationId', NULL, 'data', datas[i], 'occurredAt', moment, 'recordedAt', moment,
      'schemaVersion', 1, 'type', kind, 'version', versions[i])::text, 'UTF8'));
    chain := sha256(chain || content);
    content_hashes := content_hashes || content;
    chain_hashes := chain_hashes || chain;
  END LOOP;
  INSERT INTO events
  SELECT before + row.number, row.id, row.version, kind, 1, row.data, '{}', who, NULL, NULL, NULL, moment, moment,
    row.content, row.chain
  FROM unnest(ids, versions, datas, content_hashes, chain_hashes)
    WITH ORDINALITY AS row (id, version, data, content, chain, number);
  UPDATE head SET position = before + cardinality(ids), chain_hash = chain, recorded_at = moment;
  RETURN before;
END
$$;

CREATE FUNCTION claim(how_many int, who text) RETURNS TABLE (card_id text, token int) LANGUAGE plpgsql AS $$
DECLARE
  ids text[];
  versions int[];
  before bigint;
  moment timestamptz := date_trunc('milliseconds', clock_timestamp());
  ends timestamptz := moment + interval '15 minutes';
BEGIN
  IF EXISTS (SELECT FROM cards WHERE status = 'claimed' AND claim_expires_at <= moment) THEN
    RAISE EXCEPTION 'a claim has expired';
  END IF;
  SELECT array_agg(id), array_agg(version + 1) INTO ids, versions FROM (
    SELECT id, version FROM cards WHERE status = 'ready' AND unmet_dependencies = 0
    ORDER BY priority DESC, created_at, id LIMIT how_many FOR UPDATE SKIP LOCKED) AS best;
  IF ids IS NULL THEN RETURN; END IF;
  before := append(ids, versions, 'CardClaimed', array_fill(
    jsonb_build_object('owner', who, 'ttlSeconds', 900, 'expiresAt', ends), ARRAY[cardinality(ids)]), who, moment);
  UPDATE cards SET status = 'claimed', claim_owner = who, claim_expires_at = ends, claim_token = row.version,
    attempts = attempts + 1, updated_at = moment, version = row.version, position = before + row.number
  FROM unnest(ids, versions) WITH ORDINALITY AS row (id, version, number)
  WHERE cards.id = row.id;
  RETURN QUERY SELECT * FROM unnest(ids, versions);
END
$$;

CREATE FUNCTION complete(given text[], tokens int[], who text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  ids text[];
  versions int[];
  datas jsonb[];
  before bigint;
  moment timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(1, current_schema()::regnamespace::oid::int4);
  PERFORM FROM cards WHERE id = ANY (ARRAY(
    SELECT unnest(given) UNION SELECT dependencies.card_id FROM dependencies WHERE depends_on_id = ANY (given)))
    ORDER BY id FOR UPDATE;
  moment := date_trunc('milliseconds', clock_timestamp());
  SELECT array_agg(id), array_agg(version + 1), array_agg(jsonb_build_object('result', NULL, 'overrode', '[]'::jsonb,
      'forced', false, 'claim', jsonb_build_object('owner', claim_owner, 'token', claim_token)))
    INTO ids, versions, datas
  FROM cards JOIN unnest(given, tokens) AS shown (card, token) ON id = card AND claim_token = token;
  IF ids IS NULL THEN RETURN 0; END IF;
  before := append(ids, versions, 'CardCompleted', datas, who, moment);
  UPDATE cards SET status = 'done', claim_owner = NULL, claim_expires_at = NULL, claim_token = NULL,
    updated_at = moment, completed_at = moment, version = row.version, position = before + row.number
  FROM unnest(ids, versions) WITH ORDINALITY AS row (id, version, number)
  WHERE cards.id = row.id;
  UPDATE cards SET unmet_dependencies = unmet_dependencies - freed.edges
  FROM (SELECT dependencies.card_id AS id, count(*)::int AS edges FROM dependencies WHERE depends_on_id = ANY (ids)
    GROUP BY 1) AS freed
  WHERE cards.id = freed.id;
  RETURN cardinality(ids);
END
$$;

-- Cards without dependencies, with their first events.
CREATE FUNCTION fill(given jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  moment timestamptz := date_trunc('milliseconds', clock_timestamp());
  before bigint;
BEGIN
  before := append(ARRAY(SELECT card->>'id' FROM jsonb_array_elements(given) AS card),
    array_fill(1, ARRAY[jsonb_array_length(given)]), 'CardCreated', ARRAY(SELECT jsonb_array_elements(given)), 'bench', moment);
  INSERT INTO cards (id, title, priority, status, unmet_dependencies, attempts, created_at, updated_at, version, position)
  SELECT card->>'id', card->>'title', 0, 'ready', 0, 0, moment, moment, 1, before + number
  FROM jsonb_array_elements(given) WITH ORDINALITY AS row (card, number);
END
$$;
