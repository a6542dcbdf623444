-- The functions that carry out commands, with fewer expressions (docs/decisions/0061).

-- A trigger with a condition reads the text of the condition in each statement. Without a list of columns, these did so in each
-- transaction.
CREATE OR REPLACE TRIGGER head_generation_grows BEFORE UPDATE OF generation ON head
  FOR EACH ROW WHEN (NEW.generation < OLD.generation) EXECUTE FUNCTION refuse_older_generation()
--;;
CREATE OR REPLACE TRIGGER cards_labels_changed
  AFTER UPDATE OF status, unmet_dependencies, deferred, priority, labels, created_at ON cards FOR EACH ROW
  WHEN (OLD.labels <> '{}' OR NEW.labels <> '{}') EXECUTE FUNCTION index_changed_labels_v1()
--;;
-- Locks and loads, in the lock order of src/projections/ReadModel.ts. Every statement has a snapshot of its own, so facts are
-- as they are after the locks. The idle timeout ends the transaction of a client that has vanished.
--
-- Arrays may be null, but contain no nulls: under array_nulls = off the server would read them as texts. `claim_limit` is the
-- number of cards for claims without a filter, and the arrays of claims have one place for each filter: a claim of any phase
-- has the phase '', and one without a minimum has the least priority. Claims that filter by labels are in `labelled`: see
-- lock_labelled_v1.
--
-- Returns JSON: [now, generation, is_same_server, cards, facts]. `now` is in milliseconds since 1970. `cards` has an array of
-- the row and the dependencies of each card. `facts` is null or [statuses, dependents, edges, receipts].
--
-- Every expression is initialized again in each transaction, so there are few, and rare parts are behind one condition.
CREATE FUNCTION lock_and_load_v4(
  graph text, named text[], keys text[], done_changes text[], completed text[], edge_targets text[], has_dependents text[],
  claimed_by_id text[], claim_limit integer, claim_phases text[], claim_priorities integer[], claim_limits integer[],
  labelled json, edges_from text[], edges_to text[], reclaims boolean, command_ids text[], actors text[], idle_timeout text,
  override timestamptz
) RETURNS text LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
  loaded text[] := named;
  moment timestamptz;
  read_generation bigint;
  is_same_server boolean;
  is_due boolean;
  is_expired boolean;
  setting text;
  -- No claimable card is before this place of the claim order. Null, when that is not known.
  from_priority integer;
  from_created timestamptz;
  from_id text;
  -- Claims continue with the priorities below this one.
  below bigint := 2147483648;
  -- No claim expires before the first of these times, and no retry time is before the second.
  from_expiry timestamptz;
  from_retry timestamptz;
  due_priority integer;
  due_created timestamptz;
  due_id text;
  taken text[];
  dependents_of text[];
  have_dependencies boolean;
  statuses json;
  dependents json;
  edges json;
  found_receipts json;
BEGIN
  IF num_nonnulls(command_ids, graph, named, keys) > 0 THEN
    IF command_ids IS NOT NULL THEN
      SELECT json_agg(json_build_array(command_id, actor, kind, encode(shape, 'hex'), encode(salt, 'hex'),
        encode(digest, 'hex'), outcome)) INTO found_receipts
      -- A plain join is planned as a scan of all receipts while the table has few.
      FROM unnest(command_ids, actors) AS asked (id, by_actor) CROSS JOIN LATERAL (
        SELECT * FROM receipts WHERE command_id = id AND actor = by_actor OFFSET 0) AS receipt;
    END IF;
    IF graph = 'exclusive' THEN
      LOCK TABLE graph_lock IN EXCLUSIVE MODE;
    ELSIF graph IS NOT NULL THEN
      LOCK TABLE graph_lock IN ROW EXCLUSIVE MODE;
    END IF;
    IF keys IS NOT NULL THEN
      loaded := loaded || ARRAY(SELECT id FROM cards WHERE idempotency_key = ANY(keys));
    END IF;
    IF done_changes IS NOT NULL THEN
      -- No edge changes while the graph is locked.
      SELECT ARRAY(SELECT card_id FROM dependencies WHERE depends_on_id = ANY(done_changes)),
        EXISTS (SELECT FROM dependencies WHERE card_id = ANY(done_changes)) INTO dependents_of, have_dependencies;
    END IF;
    IF loaded IS NOT NULL THEN
      PERFORM FROM cards WHERE id = ANY(loaded || dependents_of) ORDER BY id FOR UPDATE;
      -- A card with one of the keys may have been created meanwhile.
      IF keys IS NOT NULL THEN
        loaded := loaded || ARRAY(SELECT id FROM cards WHERE idempotency_key = ANY(keys));
      END IF;
      IF completed IS NOT NULL THEN
        loaded := loaded || ARRAY(SELECT card_id FROM dependencies WHERE depends_on_id = ANY(completed));
      END IF;
    END IF;
  END IF;

  SELECT CASE WHEN override IS NULL THEN date_trunc('milliseconds', clock_timestamp()) ELSE current_time_v1(override) END,
    generation, coalesce(server_started = pg_postmaster_start_time() AND server_table = head.tableoid, false),
    CASE WHEN claims_from_position = position THEN claims_from_priority END, claims_from_created, claims_from_id,
    coalesce(CASE WHEN claims_from_position = position THEN claims_from_expiry END, '-infinity'),
    coalesce(CASE WHEN claims_from_position = position THEN claims_from_retry END, '-infinity'),
    CASE WHEN idle_timeout IS NOT NULL AND current_setting('idle_in_transaction_session_timeout') = '0'
      THEN set_config('idle_in_transaction_session_timeout', idle_timeout, true) END
  INTO moment, read_generation, is_same_server, from_priority, from_created, from_id, from_expiry, from_retry, setting
  FROM head ORDER BY position DESC LIMIT 1;
  IF moment IS NULL THEN
    -- Only a damaged backlog has no head.
    moment := CASE WHEN override IS NULL THEN date_trunc('milliseconds', clock_timestamp()) ELSE current_time_v1(override) END;
    from_expiry := '-infinity';
    from_retry := '-infinity';
  END IF;
  IF reclaims AND least(from_expiry, from_retry) <= moment THEN
    -- The order makes the planner use the indexes by these times, where the due and expired cards come first; EXISTS would
    -- ignore it. An index that begins with the status would scan every claim that has ended since, while an old snapshot keeps
    -- their rows.
    SELECT (SELECT true FROM cards WHERE deferred AND not_before <= moment AND not_before >= from_retry
        ORDER BY not_before LIMIT 1),
      (SELECT true FROM cards WHERE status = 'claimed' AND claim_expires_at <= moment AND claim_expires_at >= from_expiry
        ORDER BY claim_expires_at LIMIT 1)
    INTO is_due, is_expired;
  END IF;

  IF claimed_by_id IS NOT NULL THEN
    loaded := loaded || ARRAY(
      SELECT id FROM cards WHERE id = ANY(claimed_by_id) AND status IN ('ready', 'claimed') FOR UPDATE SKIP LOCKED);
  END IF;
  IF is_due THEN
    WITH due AS (
      UPDATE cards SET deferred = false WHERE id = ANY(ARRAY(
        SELECT id FROM cards WHERE deferred AND not_before BETWEEN from_retry AND moment FOR UPDATE SKIP LOCKED))
      RETURNING priority, created_at, id, unmet_dependencies)
    SELECT priority, created_at, id INTO due_priority, due_created, due_id FROM due WHERE unmet_dependencies = 0
    ORDER BY priority DESC, created_at, id LIMIT 1;
    -- The head is locked early. Nothing that follows waits for a lock.
    IF due_priority > from_priority
      OR due_priority = from_priority AND (due_created, due_id) < (from_created, from_id)
    THEN
      from_priority := due_priority;
      from_created := due_created;
      from_id := due_id;
    END IF;
    IF due_id IS NOT NULL THEN
      PERFORM FROM head ORDER BY position DESC LIMIT 1 FOR UPDATE;
      UPDATE head SET claims_from_priority = due_priority, claims_from_created = due_created, claims_from_id = due_id
      WHERE position = (SELECT position FROM head ORDER BY position DESC LIMIT 1)
        AND (due_priority > claims_from_priority
          OR due_priority = claims_from_priority AND (due_created, due_id) < (claims_from_created, claims_from_id));
    END IF;
  END IF;
  -- The conditions and the order are exactly those of the indexes cards_claim_order and cards_claim_order_by_phase. The first
  -- statement of each kind begins in the middle of the index: before that place are only entries of cards that were claimed
  -- since, and while an old snapshot keeps them, reading them would take longer with each claim.
  IF claim_limit IS NOT NULL THEN
    IF from_priority IS NOT NULL THEN
      taken := ARRAY(
        SELECT id FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
          AND priority = from_priority AND (created_at, id) >= (from_created, from_id)
          AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))
        ORDER BY created_at, id LIMIT claim_limit FOR UPDATE SKIP LOCKED);
      loaded := loaded || taken;
      below := from_priority;
    END IF;
    IF taken IS NULL OR cardinality(taken) < claim_limit THEN
      loaded := loaded || ARRAY(
        SELECT id FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
          AND priority < below AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))
        ORDER BY priority DESC, created_at, id LIMIT claim_limit - coalesce(cardinality(taken), 0) FOR UPDATE SKIP LOCKED);
    END IF;
  END IF;
  IF claim_limits IS NOT NULL THEN
    below := coalesce(from_priority, below);
    FOR i IN 1 .. cardinality(claim_limits) LOOP
      taken := NULL;
      IF claim_phases[i] = '' THEN
        IF from_priority >= claim_priorities[i] THEN
          taken := ARRAY(
            SELECT id FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
              AND priority = from_priority AND (created_at, id) >= (from_created, from_id)
              AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))
            ORDER BY created_at, id LIMIT claim_limits[i] FOR UPDATE SKIP LOCKED);
          loaded := loaded || taken;
        END IF;
        IF taken IS NULL OR cardinality(taken) < claim_limits[i] THEN
          loaded := loaded || ARRAY(
            SELECT id FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
              AND priority < below AND priority >= claim_priorities[i]
              AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))
            ORDER BY priority DESC, created_at, id LIMIT claim_limits[i] - coalesce(cardinality(taken), 0)
            FOR UPDATE SKIP LOCKED);
        END IF;
      ELSE
        IF from_priority >= claim_priorities[i] THEN
          taken := ARRAY(
            SELECT id FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
              AND phase = claim_phases[i] AND priority = from_priority AND (created_at, id) >= (from_created, from_id)
              AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))
            ORDER BY created_at, id LIMIT claim_limits[i] FOR UPDATE SKIP LOCKED);
          loaded := loaded || taken;
        END IF;
        IF taken IS NULL OR cardinality(taken) < claim_limits[i] THEN
          loaded := loaded || ARRAY(
            SELECT id FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
              AND phase = claim_phases[i] AND priority < below AND priority >= claim_priorities[i]
              AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))
            ORDER BY priority DESC, created_at, id LIMIT claim_limits[i] - coalesce(cardinality(taken), 0)
            FOR UPDATE SKIP LOCKED);
        END IF;
      END IF;
    END LOOP;
  END IF;
  IF labelled IS NOT NULL THEN
    loaded := loaded || lock_labelled_v1(labelled, claimed_by_id, from_priority, from_created, from_id);
  END IF;
  IF is_expired THEN
    loaded := loaded || ARRAY(
      SELECT id FROM cards WHERE status = 'claimed' AND claim_expires_at BETWEEN from_expiry AND moment FOR UPDATE SKIP LOCKED);
  END IF;

  -- Most cards that are completed have neither dependents nor dependencies.
  IF edge_targets IS NOT NULL OR has_dependents IS NOT NULL AND (have_dependencies OR dependents_of IS DISTINCT FROM '{}'
    OR has_dependents IS DISTINCT FROM done_changes)
  THEN
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
  -- One function turns a whole row into text: expressions for its columns would have to be initialized in each transaction.
  RETURN concat('[', (date_part('epoch', moment) * 1000)::bigint, ',', coalesce(read_generation::text, 'null'), ',',
    coalesce(is_same_server::text, 'null'), ',',
    coalesce((SELECT json_agg(json_build_array(cards.*,
        ARRAY(SELECT depends_on_id FROM dependencies WHERE card_id = cards.id ORDER BY depends_on_id)))
      FROM cards WHERE id = ANY(loaded)), '[]'), ',',
    CASE WHEN num_nonnulls(statuses, dependents, edges, found_receipts) > 0
      THEN json_build_array(statuses, dependents, edges, found_receipts) ELSE 'null' END, ']');
END
$$
--;;
-- Appends events and updates the read model and the receipts. Each argument with lines may be null. A large batch is sent in
-- several calls of one transaction: `continues` says that the events follow those of the call before, with the same time.
-- `is_single` says that there is one event without erasable fields, which changes one existing card and no other row of the
-- read model.
--
-- The hashed text of an event is composed here, of what is stored: see src/events/ContentHash.ts. `data` has commitments in
-- place of the erasable fields, whose values are in `erasable`.
--
-- Returns the position of the last event of the log.
CREATE FUNCTION append_and_project_v4(
  events text, data text, erasable text, commitments text, continues boolean, read_generation bigint,
  created_states text, created_contents text, changed text, revised text, noted text, counters text, added_edges text,
  removed_edges text, counted text, made_claimable text[], first_expiry timestamptz, first_retry timestamptz,
  new_receipts text, awaits_standby boolean, is_single boolean, commits_early boolean,
  override timestamptz
) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
  pending event_v1[];
  data_lines text[];
  one event_v1;
  state card_state_v1;
  change card_counts_v1;
  content_hash bytea;
  last_position bigint;
  last_generation bigint;
  chain bytea;
  recorded timestamptz;
  recorded_text text;
  content_hashes bytea[];
  chain_hashes bytea[];
  total integer := 0;
  setting text;
  -- No claimable card is before this place of the claim order. Null, when that is not known.
  from_position bigint;
  from_priority integer;
  from_created timestamptz;
  from_id text;
  -- No claim expires before the first of these times, and no retry time is before the second.
  from_expiry timestamptz;
  from_retry timestamptz;
  below bigint := 2147483648;
  sizes bigint[];
  planned_for bigint[];
  made_priority integer;
  made_created timestamptz;
  made_id text;
BEGIN
  IF commits_early THEN
    -- The program waits for the flush after the commit (docs/decisions/0059).
    setting := set_config('synchronous_commit', 'off', true);
  ELSIF current_setting('synchronous_commit') IN ('off', 'local') THEN
    -- An acknowledged command must not be lost, whatever the role or the database waits for.
    setting := set_config('synchronous_commit', 'on', true);
  END IF;
  IF read_generation IS NOT NULL THEN
    -- Of all versions of the row that an old snapshot keeps, the current one is the first.
    SELECT position, chain_hash, recorded_at, generation, claims_from_position, claims_from_priority, claims_from_created,
        claims_from_id, claims_from_expiry, claims_from_retry
      INTO STRICT last_position, chain, recorded, last_generation, from_position, from_priority, from_created, from_id,
        from_expiry, from_retry
      FROM head ORDER BY position DESC LIMIT 1 FOR UPDATE;
    IF last_generation <> read_generation THEN
      RAISE EXCEPTION 'generation % of the backlog began after this transaction had read generation %',
        last_generation, read_generation USING ERRCODE = 'serialization_failure';
    END IF;
  ELSIF awaits_standby THEN
    IF current_setting('synchronous_standby_names') <> '' THEN
      -- A commit waits only when its transaction has written to the write-ahead log.
      PERFORM pg_logical_emit_message(true, 'mosaic_backlog', '');
    END IF;
    RETURN NULL;
  ELSIF num_nonnulls(
    events, created_states, changed, revised, noted, counters, added_edges, removed_edges, counted, made_claimable,
    first_expiry, first_retry) > 0 THEN
    RAISE EXCEPTION 'the generation that the transaction has read is missing' USING ERRCODE = 'null_value_not_allowed';
  END IF;

  IF is_single THEN
    -- One event that changes one card. The casts refuse more lines.
    one := events::event_v1;
    state := changed::card_state_v1;
    total := 1;
    last_position := last_position + 1;
    recorded := greatest(recorded, CASE WHEN override IS NULL THEN date_trunc('milliseconds', clock_timestamp())
      ELSE current_time_v1(override) END);
    content_hash := sha256(convert_to(concat(
      '{"actor":', to_json(one.actor), ',"cardId":', to_json(one.card_id),
      ',"causationId":', coalesce(to_json(one.causation_id), 'null'),
      ',"commandId":', coalesce(to_json(one.command_id), 'null'),
      ',"correlationId":', coalesce(to_json(one.correlation_id), 'null'),
      ',"data":', data, ',"occurredAt":"',
      to_char(one.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '","recordedAt":"',
      to_char(recorded AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      '","schemaVersion":', one.schema_version, ',"type":', to_json(one.type), ',"version":', one.version, '}'), 'UTF8'));
    chain := sha256(chain || content_hash);
    INSERT INTO events (position, card_id, version, type, schema_version, data, commitments, actor, correlation_id,
      causation_id, command_id, occurred_at, recorded_at, content_hash, chain_hash)
    VALUES (last_position, one.card_id, one.version, one.type, one.schema_version, data::jsonb, '{}', one.actor,
      one.correlation_id, one.causation_id, one.command_id, date_trunc('milliseconds', one.occurred_at), recorded,
      content_hash, chain);
    UPDATE cards SET status = state.status, unmet_dependencies = state.unmet_dependencies, not_before = state.not_before,
      deferred = state.deferred, attempts = state.attempts, blocked_reason = state.blocked_reason #>> '{}',
      updated_at = state.updated_at, completed_at = state.completed_at, version = state.version,
      position = last_position - state.place, claim_owner = state.claim_owner,
      claim_ttl_seconds = state.claim_ttl_seconds, claimed_at = state.claimed_at,
      claim_expires_at = state.claim_expires_at, claim_token_high = state.claim_token_high,
      claim_token = state.claim_token, result = state.result
    WHERE id = state.id;
  ELSE
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
      content_hashes := ARRAY(
        SELECT sha256(convert_to(concat(
          '{"actor":', to_json(actor), ',"cardId":', to_json(card_id), ',"causationId":', coalesce(to_json(causation_id), 'null'),
          ',"commandId":', coalesce(to_json(command_id), 'null'), ',"correlationId":', coalesce(to_json(correlation_id), 'null'),
          ',"data":', event_data, ',"occurredAt":"',
          to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '","recordedAt":"', recorded_text,
          '","schemaVersion":', schema_version, ',"type":', to_json(type), ',"version":', version, '}'), 'UTF8'))
        FROM ROWS FROM (unnest(pending), unnest(data_lines)) WITH ORDINALITY
          AS row (card_id, version, type, schema_version, actor, correlation_id, causation_id, command_id, occurred_at,
            event_data, place));
      FOR i IN 1 .. total LOOP
        chain := sha256(chain || content_hashes[i]);
        chain_hashes[i] := chain;
      END LOOP;
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
      last_position := last_position + total;
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
    IF created_states IS NOT NULL THEN
      INSERT INTO cards (id, title, body, phase, priority, status, unmet_dependencies, not_before, deferred, attempts,
        idempotency_key, acceptance, blocked_reason, created_at, updated_at, completed_at, version, position, claim_owner,
        claim_ttl_seconds, claimed_at, claim_expires_at, claim_token_high, claim_token, result, labels)
      SELECT id, title #>> '{}', body #>> '{}', phase, priority, status,
        unmet_dependencies, not_before, deferred, attempts, idempotency_key, acceptance, blocked_reason #>> '{}', created_at,
        updated_at, completed_at, version, last_position - place, claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at,
        claim_token_high, claim_token, result, labels
      FROM ROWS FROM (unnest(string_to_array(created_states, chr(10))::card_state_v1[]),
          unnest(string_to_array(created_contents, chr(10))::card_content_v2[]))
        AS row (id, status, unmet_dependencies, not_before, deferred, attempts, updated_at, completed_at, version, place,
          claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token_high, claim_token, blocked_reason, result,
          content_id, phase, priority, idempotency_key, created_at, title, body, acceptance, labels);
    END IF;
    IF num_nonnulls(revised, noted, counters, added_edges, removed_edges) > 0 THEN
      IF revised IS NOT NULL THEN
        UPDATE cards SET title = content.title #>> '{}', body = content.body #>> '{}', phase = content.phase,
          priority = content.priority, acceptance = content.acceptance, labels = content.labels
        FROM unnest(string_to_array(revised, chr(10))::card_content_v2[]) AS content WHERE cards.id = content.id;
      END IF;
      IF noted IS NOT NULL THEN
        UPDATE cards SET note_count = note.note_count, last_note = note.last_note #>> '{}',
          last_note_actor = note.last_note_actor, last_note_at = note.last_note_at
        FROM unnest(string_to_array(noted, chr(10))::card_note_v1[]) AS note WHERE cards.id = note.id;
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
  END IF;
  IF counted IS NOT NULL THEN
    -- Behind the log, the row counts for nothing until it is recounted.
    change := counted::card_counts_v1;
    UPDATE counts SET position = last_position, ready = counts.ready + change.ready, waiting = counts.waiting + change.waiting,
      claimed = counts.claimed + change.claimed, blocked = counts.blocked + change.blocked, done = counts.done + change.done
    WHERE position = last_position - total;
  ELSIF total > 0 THEN
    UPDATE counts SET position = last_position WHERE position = last_position - total;
  END IF;
  -- The place in the claim order is checked once in 128 events, and stays otherwise if no card has become claimable.
  IF total > 0 AND made_claimable IS NULL AND from_position = last_position - total AND from_priority IS NOT NULL
    AND last_position / 128 = (last_position - total) / 128
  THEN
    UPDATE head SET position = last_position, guarded_position = last_position, recorded_at = recorded, chain_hash = chain,
      claims_from_position = last_position, claims_from_expiry = least(from_expiry, first_expiry),
      claims_from_retry = least(from_retry, first_retry)
    WHERE position = last_position - total;
    setting := pg_notify('mosaic_backlog', (current_schemas(false))[2])::text;
  ELSIF total > 0 OR num_nonnulls(made_claimable, first_expiry, first_retry) > 0 THEN
    -- A place that another writer has left behind counts for nothing. All of the claim order is read again from time to time,
    -- so that no mistake lasts.
    IF from_position IS DISTINCT FROM last_position - total OR last_position / 65536 <> (last_position - total) / 65536 THEN
      from_priority := NULL;
      from_expiry := '-infinity';
      from_retry := '-infinity';
    ELSIF made_claimable IS NOT NULL THEN
      SELECT priority, created_at, id INTO made_priority, made_created, made_id
      FROM unnest(made_claimable) AS made (card) CROSS JOIN LATERAL (
        SELECT priority, created_at, id FROM cards WHERE id = card
          AND status = 'ready' AND unmet_dependencies = 0 AND NOT deferred OFFSET 0) AS claimable
      ORDER BY priority DESC, created_at, id LIMIT 1;
      IF made_priority > from_priority
        OR made_priority = from_priority AND (made_created, made_id) < (from_created, from_id)
      THEN
        from_priority := made_priority;
        from_created := made_created;
        from_id := made_id;
      END IF;
    END IF;
    IF from_priority IS NULL OR last_position / 128 <> (last_position - total) / 128 THEN
      -- A transaction that makes a card claimable later than this has to wait for the head, and moves the place back.
      made_id := NULL;
      IF from_priority IS NOT NULL THEN
        SELECT priority, created_at, id INTO made_priority, made_created, made_id FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
          AND priority = from_priority AND (created_at, id) >= (from_created, from_id)
        ORDER BY created_at, id LIMIT 1;
        below := from_priority;
      END IF;
      IF made_id IS NULL THEN
        SELECT priority, created_at, id INTO made_priority, made_created, made_id FROM cards
        WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
          AND priority < below
        ORDER BY priority DESC, created_at, id LIMIT 1;
      END IF;
      from_priority := coalesce(made_priority, -2147483648);
      from_created := coalesce(made_created, 'infinity');
      from_id := coalesce(made_id, '');
      -- In the order of the indexes by these times: other indexes have every claim that has ended since.
      from_expiry := coalesce((SELECT claim_expires_at FROM cards WHERE status = 'claimed' AND claim_expires_at >= from_expiry
        ORDER BY claim_expires_at LIMIT 1), 'infinity');
      from_retry := coalesce((SELECT not_before FROM cards WHERE deferred AND not_before >= from_retry
        ORDER BY not_before LIMIT 1), 'infinity');
      -- Plans were made for the sizes that the tables had then: for an empty table every index looks the same. Where a table
      -- has grown to more than twice its size, this session plans again.
      sizes := ARRAY[pg_relation_size('cards'), pg_relation_size('dependencies'), pg_relation_size('receipts')];
      planned_for := string_to_array(nullif(current_setting('mosaic_backlog.planned_for', true), ''), ',')::bigint[];
      IF planned_for IS NULL OR sizes[1] > 2 * planned_for[1] + 65536 OR sizes[2] > 2 * planned_for[2] + 65536
        OR sizes[3] > 2 * planned_for[3] + 65536
      THEN
        PERFORM set_config('mosaic_backlog.planned_for', array_to_string(sizes, ','), false);
        EXECUTE 'DISCARD PLANS';
      END IF;
    END IF;
    UPDATE head SET position = last_position, guarded_position = last_position,
      recorded_at = CASE WHEN total > 0 THEN recorded ELSE recorded_at END, chain_hash = chain,
      claims_from_position = last_position, claims_from_priority = from_priority, claims_from_created = from_created,
      claims_from_id = from_id, claims_from_expiry = least(from_expiry, first_expiry),
      claims_from_retry = least(from_retry, first_retry)
    WHERE position = last_position - total
    RETURNING CASE WHEN total > 0 THEN pg_notify('mosaic_backlog', (current_schemas(false))[2])::text END INTO setting;
  END IF;
  IF new_receipts IS NOT NULL THEN
    INSERT INTO receipts (command_id, actor, kind, shape, salt, digest, outcome, recorded_at)
    SELECT command_id, actor, kind, decode(shape, 'hex'), decode(salt, 'hex'), decode(digest, 'hex'), outcome,
      (SELECT current_time_v1(override))
    FROM unnest(string_to_array(new_receipts, chr(10))::receipt_v1[]);
  END IF;
  RETURN last_position;
END
$$
--;;
DO $$
DECLARE
  function regprocedure;
BEGIN
  FOR function IN
    SELECT oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
      AND proname IN ('lock_and_load_v4', 'append_and_project_v4')
  LOOP
    -- The temporary schema comes last: a caller could shadow tables with temporary ones.
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', function, current_schema());
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
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
    EXECUTE format('ALTER FUNCTION %s SET enable_incremental_sort = off', function);
  END LOOP;
END
$$
--;;
-- Times in JSON are those of the session's time zone. In some zones, offsets had seconds once.
ALTER FUNCTION lock_and_load_v4 SET timezone = 'UTC'
