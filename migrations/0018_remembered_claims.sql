-- The completion of a card whose claim the program remembers, with one round trip (docs/decisions/0062).

-- Locks a card in the lock order of src/projections/ReadModel.ts, and returns whether the completion that a program has decided is
-- still right: no event has changed the card since the one at `card_position`, no card depends on it, the log is of the generation
-- that the program knows and was last written on this server, and the decision was made within the last second, by this clock.
--
-- Only an event of the card can give it a dependency, or change a column that the decision depends on.
CREATE FUNCTION lock_unchanged_v1(
  card text, card_position bigint, read_generation bigint, decided_at timestamptz, override timestamptz
) RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
#variable_conflict use_column
BEGIN
  LOCK TABLE graph_lock IN ROW EXCLUSIVE MODE;
  -- After a wait, the conditions are those of the current version of the row.
  PERFORM FROM cards WHERE id = card AND position = card_position FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  RETURN (
    SELECT generation = read_generation AND server_started = pg_postmaster_start_time() AND server_table = head.tableoid
      AND CASE WHEN override IS NULL THEN clock_timestamp() ELSE current_time_v1(override) END
        BETWEEN decided_at AND decided_at + interval '1 second'
      AND NOT EXISTS (SELECT FROM dependencies WHERE depends_on_id = card)
    FROM head ORDER BY position DESC LIMIT 1) IS TRUE;
END
$$
--;;
DO $$
DECLARE
  function constant regprocedure := 'lock_unchanged_v1(text, bigint, bigint, timestamptz, timestamptz)';
BEGIN
  -- The temporary schema comes last: a caller could shadow tables with temporary ones.
  EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', function, current_schema());
  EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
  -- As for the other functions of commands: plans for tables of any size, by indexes, and nothing is compiled.
  EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = force_generic_plan', function);
  EXECUTE format('ALTER FUNCTION %s SET jit = off', function);
  EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', function);
  EXECUTE format('ALTER FUNCTION %s SET enable_bitmapscan = off', function);
  EXECUTE format('ALTER FUNCTION %s SET enable_sort = off', function);
END
$$
