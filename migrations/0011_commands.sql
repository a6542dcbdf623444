-- The functions that carry out commands: one locks and loads what a batch decides on, one appends its events and updates the
-- read model. They know how to lock, read and write; what is allowed is decided by the program (docs/decisions/0040).
--
-- The text of a released function or type never changes. A change gets the next version in its name, so that two versions of
-- the program can run side by side, and the old version is dropped one release later.

-- An index whose first column is the status looks cheap to the planner where cards of one status lie together, and it chose that
-- one for claims with a minimum priority: it read and removed every waiting card. Partial indexes have the order of claims.
DROP INDEX cards_list_order
--;;
CREATE INDEX cards_ready_order ON cards (priority DESC, created_at, id) WHERE status = 'ready'
--;;
CREATE INDEX cards_claimed_order ON cards (priority DESC, created_at, id) WHERE status = 'claimed'
--;;
CREATE INDEX cards_blocked_order ON cards (priority DESC, created_at, id) WHERE status = 'blocked'
--;;
CREATE INDEX cards_done_order ON cards (priority DESC, created_at, id) WHERE status = 'done'
--;;
-- The functions below are the only writers of commands, and a verification finds every row that no event explains. Each check
-- is parsed and initialized again by every statement that writes the table.
ALTER TABLE cards DROP CONSTRAINT cards_status_check, DROP CONSTRAINT cards_unmet_dependencies_check,
  DROP CONSTRAINT cards_check, DROP CONSTRAINT cards_check1, DROP CONSTRAINT cards_check2
--;;
ALTER TABLE events DROP CONSTRAINT events_position_check, DROP CONSTRAINT events_version_check,
  DROP CONSTRAINT events_schema_version_check, DROP CONSTRAINT events_content_hash_check,
  DROP CONSTRAINT events_chain_hash_check
--;;
ALTER TABLE head DROP CONSTRAINT head_position_check, DROP CONSTRAINT head_chain_hash_check,
  DROP CONSTRAINT head_generation_check, DROP CONSTRAINT head_generation_reason_check, DROP CONSTRAINT head_check
--;;
-- Typed records, which the program sends as lines of text in the format of composite values. Names contain no line feeds;
-- texts that may are JSON.
CREATE TYPE event_v1 AS (
  card_id text, version integer, type text, schema_version integer, actor text, correlation_id text, causation_id text,
  command_id text, occurred_at timestamptz
)
--;;
CREATE TYPE card_state_v1 AS (
  id text, status text, unmet_dependencies integer, not_before timestamptz, deferred boolean, attempts integer,
  updated_at timestamptz, completed_at timestamptz, version integer, place bigint, claim_owner text,
  claim_ttl_seconds integer, claimed_at timestamptz, claim_expires_at timestamptz, claim_token_high integer,
  claim_token integer, blocked_reason jsonb, result jsonb
)
--;;
COMMENT ON TYPE card_state_v1 IS 'place: the place of the card''s last event among those of the transaction, counted back from the last, which has place 0.'
--;;
CREATE TYPE card_content_v1 AS (
  id text, phase text, priority integer, idempotency_key text, created_at timestamptz, title jsonb, body jsonb,
  acceptance jsonb
)
--;;
CREATE TYPE card_counter_v1 AS (id text, unmet_dependencies integer)
--;;
CREATE TYPE dependency_v1 AS (card_id text, depends_on_id text)
--;;
CREATE TYPE card_counts_v1 AS (ready integer, waiting integer, claimed integer, blocked integer, done integer)
--;;
CREATE TYPE receipt_v1 AS (command_id text, actor text, kind text, shape text, salt text, digest text, outcome jsonb)
--;;
-- A time other than the server's clock is for tests. Only the owner may set one: a writer could backdate records.
CREATE FUNCTION current_time_v1(override timestamptz) RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF override IS NULL THEN
    RETURN date_trunc('milliseconds', clock_timestamp());
  ELSIF NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
    RAISE EXCEPTION 'permission denied to set the clock of the backlog: only its owner may'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN override;
END
$$
--;;
-- Locks and loads, in the lock order of src/projections/ReadModel.ts. Every statement has a snapshot of its own, so facts are
-- as they are after the locks. The idle timeout ends the transaction of a client that has vanished.
--
-- Arrays may be null, but contain no nulls: under array_nulls = off the server would read them as texts. `claim_limit` is the
-- number of cards for claims without a filter, and the arrays of claims have one place for each filter: a claim of any phase
-- has the phase '', and one without a minimum has the least priority.
--
-- `cards` is a JSON array of arrays of the columns below; `facts` is null or JSON: [statuses, dependents, edges, receipts].
-- Times are milliseconds since 1970, as integers: the text of floating-point numbers depends on extra_float_digits.
--
-- Every expression is initialized again in each transaction, so there are few, and rare parts are behind one condition.
CREATE FUNCTION lock_and_load_v1(
  graph text, named text[], keys text[], done_changes text[], completed text[], edge_targets text[], has_dependents text[],
  claimed_by_id text[], claim_limit integer, claim_phases text[], claim_priorities integer[], claim_limits integer[],
  edges_from text[], edges_to text[], reclaims boolean, command_ids text[], actors text[], idle_timeout text,
  override timestamptz,
  OUT now double precision, OUT generation double precision, OUT is_same_server boolean, OUT cards text, OUT facts text
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
  loaded text[] := named;
  moment timestamptz;
  is_due boolean;
  is_expired boolean;
  setting text;
  statuses json;
  dependents json;
  edges json;
  found_receipts json;
BEGIN
  IF command_ids IS NOT NULL THEN
    SELECT json_agg(json_build_array(command_id, actor, kind, encode(shape, 'hex'), encode(salt, 'hex'),
      encode(digest, 'hex'), outcome)) INTO found_receipts
    FROM unnest(command_ids, actors) AS asked (command_id, actor) JOIN receipts USING (command_id, actor);
  END IF;

  IF graph IS NOT NULL THEN
    IF graph = 'exclusive' THEN
      LOCK TABLE graph_lock IN EXCLUSIVE MODE;
    ELSE
      LOCK TABLE graph_lock IN ROW EXCLUSIVE MODE;
    END IF;
  END IF;

  IF keys IS NOT NULL THEN
    loaded := loaded || ARRAY(SELECT id FROM cards WHERE idempotency_key = ANY(keys));
  END IF;
  IF loaded IS NOT NULL THEN
    IF done_changes IS NULL THEN
      PERFORM FROM cards WHERE id = ANY(loaded) ORDER BY id FOR UPDATE;
    ELSE
      PERFORM FROM cards WHERE id = ANY(
        loaded || ARRAY(SELECT card_id FROM dependencies WHERE depends_on_id = ANY(done_changes)))
      ORDER BY id FOR UPDATE;
    END IF;
    -- A card with one of the keys may have been created meanwhile.
    IF keys IS NOT NULL THEN
      loaded := loaded || ARRAY(SELECT id FROM cards WHERE idempotency_key = ANY(keys));
    END IF;
    IF completed IS NOT NULL THEN
      loaded := loaded || ARRAY(SELECT card_id FROM dependencies WHERE depends_on_id = ANY(completed));
    END IF;
  END IF;

  -- The order makes the planner use the indexes by these times, where the due and expired cards come first; EXISTS would
  -- ignore it. An index that begins with the status would scan every claim that has ended since, while an old snapshot keeps
  -- their rows.
  SELECT clock.moment, (date_part('epoch', clock.moment) * 1000)::bigint, head.generation,
    CASE WHEN head.generation IS NOT NULL THEN
      coalesce(server_started = pg_postmaster_start_time() AND server_table = head.tableoid, false) END,
    CASE WHEN reclaims THEN (
      SELECT true FROM cards WHERE deferred AND not_before <= clock.moment ORDER BY not_before LIMIT 1) END,
    CASE WHEN reclaims THEN (
      SELECT true FROM cards WHERE status = 'claimed' AND claim_expires_at <= clock.moment
      ORDER BY claim_expires_at LIMIT 1) END,
    CASE WHEN idle_timeout IS NOT NULL AND current_setting('idle_in_transaction_session_timeout') = '0'
      THEN set_config('idle_in_transaction_session_timeout', idle_timeout, true) END
  INTO moment, now, generation, is_same_server, is_due, is_expired, setting
  FROM (SELECT CASE WHEN override IS NULL THEN date_trunc('milliseconds', clock_timestamp())
    ELSE current_time_v1(override) END AS moment OFFSET 0) AS clock LEFT JOIN head ON true;

  IF claimed_by_id IS NOT NULL THEN
    loaded := loaded || ARRAY(
      SELECT id FROM cards WHERE id = ANY(claimed_by_id) AND status IN ('ready', 'claimed') FOR UPDATE SKIP LOCKED);
  END IF;
  IF is_due THEN
    UPDATE cards SET deferred = false WHERE id = ANY(ARRAY(
      SELECT id FROM cards WHERE deferred AND not_before <= moment FOR UPDATE SKIP LOCKED));
  END IF;
  -- The conditions and the order are exactly those of the indexes cards_claim_order and cards_claim_order_by_phase.
  IF claim_limit IS NOT NULL THEN
    loaded := loaded || ARRAY(
      SELECT id FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
        AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))
      ORDER BY priority DESC, created_at, id LIMIT claim_limit FOR UPDATE SKIP LOCKED);
  END IF;
  IF claim_limits IS NOT NULL THEN
    FOR i IN 1 .. cardinality(claim_limits) LOOP
      IF claim_phases[i] = '' THEN
        loaded := loaded || ARRAY(
          SELECT id FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
            AND priority >= claim_priorities[i] AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))
          ORDER BY priority DESC, created_at, id LIMIT claim_limits[i] FOR UPDATE SKIP LOCKED);
      ELSIF claim_priorities[i] = -2147483648 THEN
        loaded := loaded || ARRAY(
          SELECT id FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
            AND phase = claim_phases[i] AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))
          ORDER BY priority DESC, created_at, id LIMIT claim_limits[i] FOR UPDATE SKIP LOCKED);
      ELSE
        loaded := loaded || ARRAY(
          SELECT id FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
            AND phase = claim_phases[i] AND priority >= claim_priorities[i]
            AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))
          ORDER BY priority DESC, created_at, id LIMIT claim_limits[i] FOR UPDATE SKIP LOCKED);
      END IF;
    END LOOP;
  END IF;
  IF is_expired THEN
    loaded := loaded || ARRAY(
      SELECT id FROM cards WHERE status = 'claimed' AND claim_expires_at <= moment FOR UPDATE SKIP LOCKED);
  END IF;

  IF loaded IS NOT NULL THEN
    SELECT concat('[', string_agg(concat('[', to_json(id), ',', to_json(title), ',', priority, ',', to_json(status), ',',
      unmet_dependencies, ',', attempts, ',', version, ',', (date_part('epoch', created_at) * 1000)::bigint,
      ',', (date_part('epoch', updated_at) * 1000)::bigint, ',',
      to_json(ARRAY(SELECT depends_on_id FROM dependencies WHERE card_id = cards.id ORDER BY depends_on_id)),
      CASE WHEN claim_token IS NULL THEN ',null,null,null,null,null' ELSE concat(',', to_json(claim_owner), ',',
        claim_ttl_seconds, ',', (date_part('epoch', claimed_at) * 1000)::bigint, ',',
        (date_part('epoch', claim_expires_at) * 1000)::bigint, ',', claim_token_high * 2147483648::bigint + claim_token) END,
      CASE WHEN num_nonnulls(body, phase, idempotency_key, blocked_reason, acceptance, result, not_before, completed_at) > 0
        THEN concat(',', coalesce(to_json(body), 'null'), ',', coalesce(to_json(phase), 'null'), ',',
          coalesce(to_json(idempotency_key), 'null'), ',', coalesce(to_json(blocked_reason), 'null'), ',',
          coalesce(acceptance, 'null'), ',', coalesce(result, 'null'), ',',
          coalesce(to_json((date_part('epoch', not_before) * 1000)::bigint), 'null'), ',',
          coalesce(to_json((date_part('epoch', completed_at) * 1000)::bigint), 'null')) END,
      ']'), ','), ']') INTO cards
    FROM cards WHERE id = ANY(loaded);
  END IF;
  IF has_dependents IS NOT NULL OR edge_targets IS NOT NULL THEN
    SELECT (
        SELECT json_agg(json_build_array(id, status)) FROM cards WHERE id = ANY(ARRAY(
          SELECT unnest(edge_targets) UNION SELECT depends_on_id FROM dependencies WHERE card_id = ANY(done_changes)))), (
        SELECT json_agg(json_build_array(card_id, depends_on_id, status, unmet_dependencies,
          (date_part('epoch', not_before) * 1000)::bigint))
        FROM dependencies JOIN cards ON id = card_id WHERE depends_on_id = ANY(has_dependents))
    INTO statuses, dependents;
  END IF;
  IF edges_from IS NOT NULL THEN
    -- LATERAL with OFFSET 0 forces an index scan for each step. A plain join is planned as a scan of all edges for each step
    -- while the table has no statistics: a chain of 100,000 cards did not end in ten minutes.
    WITH RECURSIVE reachable (id) AS (
      SELECT unnest(edges_to) COLLATE "C" WHERE EXISTS (SELECT FROM dependencies WHERE depends_on_id = ANY(edges_from))
      UNION SELECT next.id FROM reachable CROSS JOIN LATERAL (
        SELECT depends_on_id AS id FROM dependencies WHERE card_id = reachable.id OFFSET 0) AS next)
    SELECT json_agg(json_build_array(card_id, depends_on_id)) INTO edges
    FROM dependencies JOIN reachable ON card_id = reachable.id;
  END IF;
  IF num_nonnulls(statuses, dependents, edges, found_receipts) > 0 THEN
    facts := json_build_array(statuses, dependents, edges, found_receipts);
  END IF;
END
$$
--;;
-- Appends events and updates the read model and the receipts. Each argument with lines may be null. A large batch is sent in
-- several calls of one transaction: `continues` says that the events follow those of the call before, with the same time.
--
-- The hashed text of an event is composed here, of what is stored: see src/events/ContentHash.ts. `data` has commitments in
-- place of the erasable fields, whose values are in `erasable`.
--
-- Returns the position of the last event of the log.
CREATE FUNCTION append_and_project_v1(
  events text, data text, erasable text, commitments text, continues boolean, read_generation bigint,
  created_states text, created_contents text, changed text, revised text, counters text, added_edges text,
  removed_edges text, counted text, new_receipts text, awaits_standby boolean, override timestamptz
) RETURNS double precision LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
  pending event_v1[];
  data_lines text[];
  one event_v1;
  last_position bigint;
  last_generation bigint;
  chain bytea;
  recorded timestamptz;
  recorded_text text;
  content_hashes bytea[];
  chain_hashes bytea[];
  total integer := 0;
  setting text;
BEGIN
  -- An acknowledged command must not be lost, whatever the role or the database waits for.
  IF current_setting('synchronous_commit') IN ('off', 'local') THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  IF awaits_standby THEN
    IF current_setting('synchronous_standby_names') <> '' THEN
      -- A commit waits only when its transaction has written to the write-ahead log.
      PERFORM pg_logical_emit_message(true, 'mosaic_backlog', '');
    END IF;
    RETURN NULL;
  END IF;

  IF read_generation IS NOT NULL THEN
    SELECT position, chain_hash, recorded_at, generation
      INTO STRICT last_position, chain, recorded, last_generation FROM head FOR UPDATE;
    IF last_generation <> read_generation THEN
      RAISE EXCEPTION 'generation % of the backlog began after this transaction had read generation %',
        last_generation, read_generation USING ERRCODE = 'serialization_failure';
    END IF;
  ELSIF num_nonnulls(events, created_states, changed, revised, counters, added_edges, removed_edges, counted) > 0 THEN
    RAISE EXCEPTION 'the generation that the transaction has read is missing' USING ERRCODE = 'null_value_not_allowed';
  END IF;

  IF events IS NOT NULL THEN
    pending := string_to_array(events, chr(10))::event_v1[];
    data_lines := string_to_array(data, chr(10));
    total := cardinality(pending);
    -- Only the time of an event that this transaction, or a savepoint of it, has appended is taken: a caller could backdate
    -- events. The row is visible, so if its transaction is in progress, it is this one.
    IF continues THEN
      IF (
        SELECT pg_xact_status((pg_current_xact_id()::text::bigint - age(xmin))::text::xid8) FROM events
        WHERE position = last_position AND age(xmin) <= 0) IS DISTINCT FROM 'in progress'
      THEN
        recorded := greatest(recorded, current_time_v1(override));
      END IF;
    ELSIF override IS NULL THEN
      recorded := greatest(recorded, date_trunc('milliseconds', clock_timestamp()));
    ELSE
      recorded := greatest(recorded, current_time_v1(override));
    END IF;
    recorded_text := to_char(recorded AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
    FOR i IN 1 .. total LOOP
      one := pending[i];
      content_hashes[i] := sha256(convert_to(concat(
        '{"actor":', to_json(one.actor), ',"cardId":', to_json(one.card_id),
        ',"causationId":', coalesce(to_json(one.causation_id), 'null'),
        ',"commandId":', coalesce(to_json(one.command_id), 'null'),
        ',"correlationId":', coalesce(to_json(one.correlation_id), 'null'),
        ',"data":', data_lines[i], ',"occurredAt":"',
        to_char(one.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '","recordedAt":"', recorded_text,
        '","schemaVersion":', one.schema_version, ',"type":', to_json(one.type), ',"version":', one.version, '}'), 'UTF8'));
      chain := sha256(chain || content_hashes[i]);
      chain_hashes[i] := chain;
    END LOOP;
    IF total = 1 AND commitments IS NULL THEN
      INSERT INTO events (position, card_id, version, type, schema_version, data, commitments, actor, correlation_id,
        causation_id, command_id, occurred_at, recorded_at, content_hash, chain_hash)
      VALUES (last_position + 1, one.card_id, one.version, one.type, one.schema_version, data::jsonb, '{}', one.actor,
        one.correlation_id, one.causation_id, one.command_id, date_trunc('milliseconds', one.occurred_at), recorded,
        content_hashes[1], chain);
    ELSE
      INSERT INTO events (position, card_id, version, type, schema_version, data, commitments, actor, correlation_id,
        causation_id, command_id, occurred_at, recorded_at, content_hash, chain_hash)
      SELECT last_position + place, card_id, version, type, schema_version,
        CASE WHEN erased_data = '' THEN event_data::jsonb
          ELSE coalesce(event_data::jsonb || erased_data::jsonb, event_data::jsonb) END,
        coalesce(nullif(salted, ''), '{}')::jsonb, actor, correlation_id, causation_id, command_id,
        date_trunc('milliseconds', occurred_at), recorded, content_hash, chain_hash
      FROM ROWS FROM (unnest(pending), unnest(data_lines), unnest(string_to_array(erasable, chr(10))),
          unnest(string_to_array(commitments, chr(10))), unnest(content_hashes), unnest(chain_hashes)) WITH ORDINALITY
        AS row (card_id, version, type, schema_version, actor, correlation_id, causation_id, command_id, occurred_at,
          event_data, erased_data, salted, content_hash, chain_hash, place);
    END IF;
    last_position := last_position + total;
    UPDATE head SET position = last_position, guarded_position = last_position, recorded_at = recorded, chain_hash = chain
    RETURNING pg_notify('mosaic_backlog', (current_schemas(false))[2])::text INTO setting;
  END IF;

  IF changed IS NOT NULL THEN
    UPDATE cards SET status = state.status, unmet_dependencies = state.unmet_dependencies, not_before = state.not_before,
      deferred = state.deferred, attempts = state.attempts, blocked_reason = state.blocked_reason #>> '{}',
      updated_at = state.updated_at, completed_at = state.completed_at, version = state.version,
      position = last_position - state.place, claim_owner = state.claim_owner,
      claim_ttl_seconds = state.claim_ttl_seconds, claimed_at = state.claimed_at,
      claim_expires_at = state.claim_expires_at, claim_token_high = state.claim_token_high,
      claim_token = state.claim_token, result = state.result
    FROM unnest(string_to_array(changed, chr(10))::card_state_v1[]) AS state WHERE cards.id = state.id;
  END IF;
  IF counted IS NOT NULL THEN
    -- Behind the log, the row counts for nothing until it is recounted.
    UPDATE counts SET position = last_position, ready = counts.ready + change.ready, waiting = counts.waiting + change.waiting,
      claimed = counts.claimed + change.claimed, blocked = counts.blocked + change.blocked, done = counts.done + change.done
    FROM (SELECT (counted::card_counts_v1).*) AS change
    WHERE position = last_position - total;
  ELSIF total > 0 THEN
    UPDATE counts SET position = last_position WHERE position = last_position - total;
  END IF;

  IF created_states IS NOT NULL THEN
    INSERT INTO cards (id, title, body, phase, priority, status, unmet_dependencies, not_before, deferred, attempts,
      idempotency_key, acceptance, blocked_reason, created_at, updated_at, completed_at, version, position, claim_owner,
      claim_ttl_seconds, claimed_at, claim_expires_at, claim_token_high, claim_token, result)
    SELECT id, title #>> '{}', body #>> '{}', phase, priority, status,
      unmet_dependencies, not_before, deferred, attempts, idempotency_key, acceptance, blocked_reason #>> '{}', created_at,
      updated_at, completed_at, version, last_position - place, claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at,
      claim_token_high, claim_token, result
    FROM ROWS FROM (unnest(string_to_array(created_states, chr(10))::card_state_v1[]),
        unnest(string_to_array(created_contents, chr(10))::card_content_v1[]))
      AS row (id, status, unmet_dependencies, not_before, deferred, attempts, updated_at, completed_at, version, place,
        claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token_high, claim_token, blocked_reason, result,
        content_id, phase, priority, idempotency_key, created_at, title, body, acceptance);
  END IF;
  IF num_nonnulls(revised, counters, added_edges, removed_edges) > 0 THEN
    IF revised IS NOT NULL THEN
      UPDATE cards SET title = content.title #>> '{}', body = content.body #>> '{}', phase = content.phase,
        priority = content.priority, acceptance = content.acceptance
      FROM unnest(string_to_array(revised, chr(10))::card_content_v1[]) AS content WHERE cards.id = content.id;
    END IF;
    IF counters IS NOT NULL THEN
      UPDATE cards SET unmet_dependencies = counter.unmet_dependencies
      FROM unnest(string_to_array(counters, chr(10))::card_counter_v1[]) AS counter WHERE cards.id = counter.id;
    END IF;
    IF added_edges IS NOT NULL THEN
      INSERT INTO dependencies (card_id, depends_on_id)
      SELECT card_id, depends_on_id FROM unnest(string_to_array(added_edges, chr(10))::dependency_v1[]);
    END IF;
    IF removed_edges IS NOT NULL THEN
      DELETE FROM dependencies WHERE (card_id, depends_on_id) IN (
        SELECT card_id, depends_on_id FROM unnest(string_to_array(removed_edges, chr(10))::dependency_v1[]));
    END IF;
  END IF;
  IF new_receipts IS NOT NULL THEN
    INSERT INTO receipts (command_id, actor, kind, shape, salt, digest, outcome, recorded_at)
    SELECT command_id, actor, kind, decode(shape, 'hex'), decode(salt, 'hex'), decode(digest, 'hex'), outcome,
      current_time_v1(override)
    FROM unnest(string_to_array(new_receipts, chr(10))::receipt_v1[]);
  END IF;
  RETURN last_position;
END
$$
--;;
-- Takes the lock under which every command appends.
CREATE FUNCTION lock_head_v1() RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
BEGIN
  PERFORM FROM head FOR UPDATE;
END
$$
--;;
-- Records this start of this server in the head row. Begins a generation if there is a reason, or if the log was last written
-- on another server or timeline. Returns the current generation.
--
-- The sleep maintains an invariant: no token is greater than the clock's count when its claim begins. So a generation from the
-- clock is greater than every token issued before, also those in an end of the log that was lost.
--
-- `at_least` is for imports, which only the owner may do: a writer could use up all generations.
CREATE FUNCTION begin_generation_v1(reason text, at_least bigint, override timestamptz)
RETURNS double precision LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
  found record;
  server_now text;
  moment timestamptz;
  ticks bigint;
  last bigint;
  last_version bigint;
  begun bigint;
BEGIN
  IF current_setting('synchronous_commit') IN ('off', 'local') THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  SELECT *, head.tableoid AS oid INTO STRICT found FROM head FOR UPDATE;
  server_now := server_identity(found.oid);
  begun := found.generation;
  IF reason IS NULL AND (found.server = server_now) IS NOT FALSE THEN
    UPDATE head SET server = server_now, server_started = pg_postmaster_start_time(), server_table = found.oid;
    RETURN begun;
  END IF;
  IF override IS NOT NULL THEN
    PERFORM current_time_v1(override);
  END IF;
  IF at_least > 0 AND NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
    RAISE EXCEPTION 'permission denied to choose a generation of the backlog: only its owner may'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF reason NOT IN ('restored', 'imported') THEN
    RAISE EXCEPTION 'a generation of the backlog cannot begin because of "%"', reason USING ERRCODE = 'check_violation';
  END IF;
  moment := coalesce(override, clock_timestamp());
  -- Generations count microseconds since this time. 2^53 microseconds last until the year 2310.
  ticks := extract(epoch FROM moment - '2025-01-01T00:00:00Z'::timestamptz) * 1000000;
  last := greatest(found.generation, at_least);
  SELECT coalesce(max(version), 0) INTO last_version FROM cards;
  begun := CASE WHEN ticks > last + last_version AND ticks <= 9007197107257344 THEN ticks ELSE last + 2147483648 END;
  IF begun > 9007197107257344 THEN
    RAISE EXCEPTION 'the backlog has no generation after %', last USING ERRCODE = 'numeric_value_out_of_range';
  END IF;
  UPDATE head SET server = server_now, server_started = pg_postmaster_start_time(), server_table = found.oid,
    generation = begun, generation_since = moment,
    generation_reason = CASE WHEN reason IS NOT NULL THEN reason
      WHEN substr(found.server, strpos(found.server, '/')) = substr(server_now, strpos(server_now, '/')) THEN 'failover'
      ELSE 'moved' END;
  PERFORM pg_sleep(last_version / 1e6);
  RETURN begun;
END
$$
--;;
REVOKE ALL ON FUNCTION current_time_v1(timestamptz) FROM PUBLIC
--;;
-- The functions read the types as their owner. A role that could use a type could create objects that keep it from being
-- dropped.
REVOKE ALL ON TYPE event_v1, card_state_v1, card_content_v1, card_counter_v1, dependency_v1, card_counts_v1, receipt_v1
  FROM PUBLIC
--;;
DO $$
DECLARE
  function regprocedure;
BEGIN
  FOR function IN
    SELECT oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
      AND proname IN ('lock_and_load_v1', 'append_and_project_v1', 'begin_generation_v1', 'lock_head_v1')
  LOOP
    -- The temporary schema comes last: a caller could shadow tables with temporary ones.
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', function, current_schema());
    -- Each statement is planned once, for any parameters and any size of the tables, and reaches its few rows by an index.
    -- Nothing is compiled: up to Postgres 17 each disabled node adds 1e10 to the cost of a plan that cannot do without it, and
    -- plans of a cost above 1e5 are compiled, which takes a hundred times longer than executing them.
    EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = force_generic_plan', function);
    EXECUTE format('ALTER FUNCTION %s SET jit = off', function);
    EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', function);
    EXECUTE format('ALTER FUNCTION %s SET enable_bitmapscan = off', function);
    EXECUTE format('ALTER FUNCTION %s SET enable_hashjoin = off', function);
    EXECUTE format('ALTER FUNCTION %s SET enable_mergejoin = off', function);
    EXECUTE format('ALTER FUNCTION %s SET enable_sort = off', function);
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
  END LOOP;
END
$$
