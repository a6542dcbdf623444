-- Hand-written SQL: the same work as functions in the server, with the same locks, order, events, hashes and projection,
-- each command in one round trip.

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
) WITH (fillfactor = 10);

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

-- Appends an event for each card, with the head row locked, and moves the head. `datas` are canonical JSON, one for each
-- card or one for all.
CREATE FUNCTION append(
  before bigint, chain bytea, moment timestamptz, ids text[], versions int[], kind text, datas text[], who text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  prefix text := '{"actor":' || to_json(who) || ',"cardId":';
  middle text := ',"causationId":null,"commandId":null,"correlationId":null,"data":';
  suffix text := ',"occurredAt":' || to_json(moment) || ',"recordedAt":' || to_json(moment) || ',"schemaVersion":1,"type":"'
    || kind || '","version":';
  content_hashes bytea[];
  chain_hashes bytea[] := '{}';
  content bytea;
BEGIN
  IF cardinality(datas) = 1 THEN
    middle := middle || datas[1] || suffix;
    content_hashes := ARRAY(
      SELECT sha256(convert_to(prefix || to_json(id) || middle || version || '}', 'UTF8'))
      FROM unnest(ids, versions) AS row (id, version));
  ELSE
    content_hashes := ARRAY(
      SELECT sha256(convert_to(prefix || to_json(id) || middle || data || suffix || version || '}', 'UTF8'))
      FROM unnest(ids, versions, datas) AS row (id, version, data));
  END IF;
  FOREACH content IN ARRAY content_hashes LOOP
    chain := sha256(chain || content);
    chain_hashes := chain_hashes || chain;
  END LOOP;
  IF cardinality(datas) = 1 THEN
    INSERT INTO events
    SELECT before + row.number, row.id, row.version, kind, 1, datas[1]::jsonb, '{}', who, NULL, NULL, NULL, moment, moment,
      row.content, row.chain
    FROM unnest(ids, versions, content_hashes, chain_hashes)
      WITH ORDINALITY AS row (id, version, content, chain, number);
  ELSE
    INSERT INTO events
    SELECT before + row.number, row.id, row.version, kind, 1, row.data::jsonb, '{}', who, NULL, NULL, NULL, moment, moment,
      row.content, row.chain
    FROM unnest(ids, versions, datas, content_hashes, chain_hashes)
      WITH ORDINALITY AS row (id, version, data, content, chain, number);
  END IF;
  UPDATE head SET position = before + cardinality(ids), chain_hash = chain, recorded_at = moment;
END
$$;

CREATE FUNCTION claim(how_many int, who text) RETURNS TABLE (card_id text, token int) LANGUAGE plpgsql AS $$
DECLARE
  ids text[];
  versions int[];
  before bigint;
  chain bytea;
  moment timestamptz;
  ends timestamptz;
BEGIN
  IF EXISTS (SELECT FROM cards WHERE status = 'claimed' AND claim_expires_at <= clock_timestamp()) THEN
    RAISE EXCEPTION 'a claim has expired';
  END IF;
  SELECT array_agg(id), array_agg(version + 1) INTO ids, versions FROM (
    SELECT id, version FROM cards WHERE status = 'ready' AND unmet_dependencies = 0
    ORDER BY priority DESC, created_at, id LIMIT how_many FOR UPDATE SKIP LOCKED) AS best;
  IF ids IS NULL THEN RETURN; END IF;
  SELECT position, chain_hash, greatest(recorded_at, date_trunc('milliseconds', clock_timestamp()))
    INTO before, chain, moment FROM head FOR UPDATE;
  ends := moment + interval '15 minutes';
  PERFORM append(before, chain, moment, ids, versions, 'CardClaimed',
    ARRAY['{"expiresAt":' || to_json(ends) || ',"owner":' || to_json(who) || ',"ttlSeconds":900}'], who);
  UPDATE cards SET status = 'claimed', claim_owner = who, claim_expires_at = ends, claim_token = row.version,
    attempts = attempts + 1, updated_at = moment, version = row.version, position = before + row.number
  FROM unnest(ids, versions) WITH ORDINALITY AS row (id, version, number)
  WHERE cards.id = row.id;
  RETURN QUERY SELECT * FROM unnest(ids, versions);
END
$$;

CREATE FUNCTION complete(given text[], tokens int[], who text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  dependents text[];
  ids text[];
  versions int[];
  datas text[];
  before bigint;
  chain bytea;
  moment timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(1, current_schema()::regnamespace::oid::int4);
  dependents := ARRAY(SELECT dependencies.card_id FROM dependencies WHERE depends_on_id = ANY (given));
  -- All in the order of their ids.
  IF cardinality(dependents) > 0 THEN
    PERFORM FROM cards WHERE id = ANY (given || dependents) ORDER BY id FOR UPDATE;
  END IF;
  SELECT array_agg(id), array_agg(version + 1), array_agg(data) INTO ids, versions, datas FROM (
    SELECT id, version, '{"claim":{"owner":' || to_json(claim_owner) || ',"token":' || claim_token
      || '},"forced":false,"overrode":[],"result":null}' AS data
    FROM unnest(given, tokens) AS shown (card, token) JOIN cards ON id = card AND claim_token = token
    ORDER BY card FOR UPDATE OF cards) AS locked;
  IF ids IS NULL THEN RETURN 0; END IF;
  SELECT position, chain_hash, greatest(recorded_at, date_trunc('milliseconds', clock_timestamp()))
    INTO before, chain, moment FROM head FOR UPDATE;
  PERFORM append(before, chain, moment, ids, versions, 'CardCompleted', datas, who);
  UPDATE cards SET status = 'done', claim_owner = NULL, claim_expires_at = NULL, claim_token = NULL,
    updated_at = moment, completed_at = moment, version = row.version, position = before + row.number
  FROM unnest(ids, versions) WITH ORDINALITY AS row (id, version, number)
  WHERE cards.id = row.id;
  IF cardinality(dependents) > 0 THEN
    UPDATE cards SET unmet_dependencies = unmet_dependencies - freed.edges
    FROM (SELECT dependencies.card_id AS id, count(*)::int AS edges FROM dependencies WHERE depends_on_id = ANY (ids)
      GROUP BY 1) AS freed
    WHERE cards.id = freed.id;
  END IF;
  RETURN cardinality(ids);
END
$$;

-- Cards without dependencies, with their first events.
CREATE FUNCTION fill(given jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  moment timestamptz := date_trunc('milliseconds', clock_timestamp());
  before bigint;
  chain bytea;
BEGIN
  SELECT position, chain_hash INTO before, chain FROM head FOR UPDATE;
  PERFORM append(before, chain, moment, ARRAY(SELECT card->>'id' FROM jsonb_array_elements(given) AS card),
    array_fill(1, ARRAY[jsonb_array_length(given)]), 'CardCreated',
    ARRAY(SELECT card::text FROM jsonb_array_elements(given) AS card), 'bench');
  INSERT INTO cards (id, title, priority, status, unmet_dependencies, attempts, created_at, updated_at, version, position)
  SELECT card->>'id', card->>'title', 0, 'ready', 0, 0, moment, moment, 1, before + number
  FROM jsonb_array_elements(given) WITH ORDINALITY AS row (card, number);
END
$$;
