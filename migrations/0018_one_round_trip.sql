-- Completions and claims of one card in one round trip (docs/decisions/0062).

-- Appends one event of one card, and changes only the state of that card and the counts. The program has decided before it has read
-- anything in this transaction, so this function first makes sure that the decision is right. It returns null, and has written nothing,
-- if it is not, or if that would take more than a look at the locked rows.
--
-- With `card`, the decision holds for that card as the event at `card_position` left it, if no card depends on it. Only an event of the
-- card can give it a dependency, or change a column that the decision depends on.
--
-- Without `card`, the decision is a claim, which holds for any card that is claimable and matches the filter: a phase, if `of_phase` is
-- not null, and a least priority. It takes the first one in the claim order. What depends on the card is set here: its id, the version
-- of the event, the number of attempts, and the token.
--
-- Either way, the log must have the generation that the program knows, and must have been last written on this server, whose clock must
-- be between `decided_at` and `decided_before`. No claim must have expired and no retry time passed.
--
-- `data`, `erasable` and `commitments` are those of append_and_project_v4, and so is what is hashed.
--
-- Returns JSON: the position of the event and the server's time in milliseconds since 1970. For a claim also the row and the
-- dependencies of the card, as lock_and_load_v4 returns them, before the event.
CREATE FUNCTION change_card_v1(
  card text, card_position bigint, of_phase text, least_priority integer, decided_at timestamptz, decided_before timestamptz,
  read_generation bigint, event_type text, event_schema integer, data text, erasable text, commitments text, by_actor text,
  correlation text, causation text, event_version integer, new_state text, counted text, first_expiry timestamptz,
  commits_early boolean, override timestamptz
) RETURNS text LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
  state card_state_v1;
  change card_counts_v1;
  card_id text := card;
  card_attempts integer;
  before json;
  is_current boolean;
  last_position bigint;
  chain bytea;
  recorded timestamptz;
  moment timestamptz;
  content_hash bytea;
  from_priority integer;
  from_created timestamptz;
  from_id text;
  from_expiry timestamptz;
  from_retry timestamptz;
  setting text;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    -- Each statement must see what was committed before it.
    RETURN NULL;
  END IF;
  IF commits_early THEN
    -- The program waits for the flush after the commit (docs/decisions/0059).
    setting := set_config('synchronous_commit', 'off', true);
  ELSIF current_setting('synchronous_commit') IN ('off', 'local') THEN
    -- An acknowledged command must not be lost, whatever the role or the database waits for.
    setting := set_config('synchronous_commit', 'on', true);
  END IF;
  IF card IS NOT NULL THEN
    -- In the lock order of src/projections/ReadModel.ts. After a wait, the conditions are those of the current version of the row.
    LOCK TABLE graph_lock IN ROW EXCLUSIVE MODE;
    PERFORM FROM cards WHERE id = card AND position = card_position FOR UPDATE;
    IF NOT FOUND THEN
      RETURN NULL;
    END IF;
  ELSE
    -- A claim locks the head before a card, for which it does not wait, but not before the table, for which it may.
    LOCK TABLE cards IN ROW EXCLUSIVE MODE;
  END IF;
  SELECT position, chain_hash, recorded_at, claims_from_priority, claims_from_created, claims_from_id, claims_from_expiry,
    claims_from_retry,
    CASE WHEN override IS NULL THEN date_trunc('milliseconds', clock_timestamp()) ELSE current_time_v1(override) END,
    -- The place in the claim order is checked once in 128 events, by append_and_project_v4.
    generation = read_generation AND server_started = pg_postmaster_start_time() AND server_table = head.tableoid
      AND claims_from_position = position AND position % 128 < 127
  INTO last_position, chain, recorded, from_priority, from_created, from_id, from_expiry, from_retry, moment, is_current
  FROM head ORDER BY position DESC LIMIT 1 FOR UPDATE;
  IF is_current AND from_priority IS NOT NULL AND moment BETWEEN decided_at AND decided_before THEN
    NULL;
  ELSE
    RETURN NULL;
  END IF;

  IF card IS NOT NULL THEN
    -- No edge changes while the graph is locked.
    IF EXISTS (SELECT FROM dependencies WHERE depends_on_id = card) THEN
      RETURN NULL;
    END IF;
  ELSE
    IF least(from_expiry, from_retry) <= moment THEN
      RETURN NULL;
    END IF;
    -- The conditions and the order are exactly those of the indexes, as in lock_and_load_v4. While the head is locked, no other
    -- transaction commits a change of the card or its dependencies, so all that is read here is of one moment.
    IF of_phase IS NULL THEN
      IF from_priority >= least_priority THEN
        SELECT id, version, attempts,
          json_build_array(cards.*, ARRAY(SELECT depends_on_id FROM dependencies WHERE card_id = cards.id ORDER BY depends_on_id))
        INTO card_id, event_version, card_attempts, before
        FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
          AND priority = from_priority AND (created_at, id) >= (from_created, from_id)
        ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
      END IF;
      IF card_id IS NULL THEN
        SELECT id, version, attempts,
          json_build_array(cards.*, ARRAY(SELECT depends_on_id FROM dependencies WHERE card_id = cards.id ORDER BY depends_on_id))
        INTO card_id, event_version, card_attempts, before
        FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
          AND priority < from_priority AND priority >= least_priority
        ORDER BY priority DESC, created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
      END IF;
    ELSE
      IF from_priority >= least_priority THEN
        SELECT id, version, attempts,
          json_build_array(cards.*, ARRAY(SELECT depends_on_id FROM dependencies WHERE card_id = cards.id ORDER BY depends_on_id))
        INTO card_id, event_version, card_attempts, before
        FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
          AND phase = of_phase AND priority = from_priority AND (created_at, id) >= (from_created, from_id)
        ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
      END IF;
      IF card_id IS NULL THEN
        SELECT id, version, attempts,
          json_build_array(cards.*, ARRAY(SELECT depends_on_id FROM dependencies WHERE card_id = cards.id ORDER BY depends_on_id))
        INTO card_id, event_version, card_attempts, before
        FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
          AND phase = of_phase AND priority < from_priority AND priority >= least_priority
        ORDER BY priority DESC, created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
      END IF;
    END IF;
    IF card_id IS NULL THEN
      RETURN NULL;
    END IF;
    event_version := event_version + 1;
  END IF;

  state := new_state::card_state_v1;
  IF card IS NULL THEN
    state.attempts := card_attempts + 1;
    state.claim_token_high := (read_generation + event_version) / 2147483648;
    state.claim_token := (read_generation + event_version) % 2147483648;
  END IF;
  last_position := last_position + 1;
  recorded := greatest(recorded, moment);
  content_hash := sha256(convert_to(concat(
    '{"actor":', to_json(by_actor), ',"cardId":', to_json(card_id), ',"causationId":', coalesce(to_json(causation), 'null'),
    ',"commandId":null,"correlationId":', coalesce(to_json(correlation), 'null'), ',"data":', data, ',"occurredAt":"',
    to_char(decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '","recordedAt":"',
    to_char(recorded AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    '","schemaVersion":', event_schema, ',"type":', to_json(event_type), ',"version":', event_version, '}'), 'UTF8'));
  chain := sha256(chain || content_hash);
  INSERT INTO events (position, card_id, version, type, schema_version, data, commitments, actor, correlation_id, causation_id,
    occurred_at, recorded_at, content_hash, chain_hash)
  VALUES (last_position, card_id, event_version, event_type, event_schema,
    CASE WHEN erasable IS NULL THEN data::jsonb ELSE data::jsonb || erasable::jsonb END, coalesce(commitments, '{}')::jsonb,
    by_actor, correlation, causation, date_trunc('milliseconds', decided_at), recorded, content_hash, chain);
  UPDATE cards SET status = state.status, unmet_dependencies = state.unmet_dependencies, not_before = state.not_before,
    deferred = state.deferred, attempts = state.attempts, blocked_reason = state.blocked_reason #>> '{}',
    updated_at = state.updated_at, completed_at = state.completed_at, version = event_version, position = last_position,
    claim_owner = state.claim_owner, claim_ttl_seconds = state.claim_ttl_seconds, claimed_at = state.claimed_at,
    claim_expires_at = state.claim_expires_at, claim_token_high = state.claim_token_high, claim_token = state.claim_token,
    result = state.result
  WHERE id = card_id;
  -- Behind the log, the row counts for nothing until it is recounted.
  change := counted::card_counts_v1;
  UPDATE counts SET position = last_position, ready = counts.ready + change.ready, waiting = counts.waiting + change.waiting,
    claimed = counts.claimed + change.claimed, blocked = counts.blocked + change.blocked, done = counts.done + change.done
  WHERE position = last_position - 1;
  UPDATE head SET position = last_position, guarded_position = last_position, recorded_at = recorded, chain_hash = chain,
    claims_from_position = last_position, claims_from_expiry = least(from_expiry, first_expiry)
  WHERE position = last_position - 1;
  setting := pg_notify('mosaic_backlog', (current_schemas(false))[2])::text;
  RETURN concat('[', last_position, ',', (date_part('epoch', moment) * 1000)::bigint, CASE WHEN card IS NULL THEN ',' END, before, ']');
END
$$
--;;
DO $$
DECLARE
  function regprocedure;
BEGIN
  SELECT oid INTO STRICT function FROM pg_proc
  WHERE pronamespace = current_schema()::regnamespace AND proname = 'change_card_v1';
  -- The temporary schema comes last: a caller could shadow tables with temporary ones.
  EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', function, current_schema());
  EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
  -- As for the other functions of commands: plans for tables of any size, by indexes, and nothing is compiled.
  EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = force_generic_plan', function);
  EXECUTE format('ALTER FUNCTION %s SET jit = off', function);
  EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', function);
  EXECUTE format('ALTER FUNCTION %s SET enable_bitmapscan = off', function);
  EXECUTE format('ALTER FUNCTION %s SET enable_sort = off', function);
  -- Times in JSON are those of the session's time zone. In some zones, offsets had seconds once.
  EXECUTE format('ALTER FUNCTION %s SET timezone = %L', function, 'UTC');
END
$$
