import { Data, type Duration, Effect, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { erasableColumns, erasableTables } from "./erasableColumns.ts"
import { createShadowTables, limitLockWait, retryOnLockConflict, TooFarBehind } from "./shadowTables.ts"
import { captureTrigger, findAddedObjects, swapTables } from "./swapTables.ts"
import { placeTables } from "./tableSettings.ts"
import { beginReadCommitted } from "../sql/inTransaction.ts"

/** The progress of a removal: rows of one table. `total` is an estimate. */
export const RemovalProgress = Schema.Struct({
  phase: Schema.Literals(["preparing", "copying", "swapping", "swapped"]),
  table: Schema.String,
  done: Schema.Int,
  total: Schema.Int
})

/** The progress of a removal: rows of one table. `total` is an estimate. */
export interface RemovalProgress extends Schema.Schema.Type<typeof RemovalProgress> {}

/**
 * Erased bytes are still in the data files. `problem` says why, and what to do. The redactions themselves are done.
 *
 * What to do: do what `problem` says, and run `backlog doctor --fix` as the owner.
 */
export class RemovalPending extends Schema.TaggedError<RemovalPending>()("RemovalPending", {
  schema: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `Erased bytes are still in the data files of ${JSON.stringify(this.schema)}: ${this.problem}`
  }
}

/** The services and options of a rewrite. */
export interface RewriteContext {
  readonly sql: SqlClient.SqlClient
  readonly schema: string
  /** Creates the empty tables of a backlog in an empty schema. */
  readonly createTables: (schema: string) => Effect.Effect<void, SqlError.SqlError>
  readonly onProgress: (progress: RemovalProgress) => Effect.Effect<void>
  /** Maximum time to try to take the locks of one table. */
  readonly swapTimeout: Duration.Duration
  /** Runs in the first transaction, which begins after every earlier redaction has committed. */
  readonly onBegun: Effect.Effect<void, SqlError.SqlError>
}

/** A rebuild or another removal is under way, or its process was killed a moment ago. */
export class RemovalBusy extends Data.TaggedError("RemovalBusy")<{ readonly kind: "rebuild" | "removal" }> {}

/** Maximum number of changed rows that the swap copies while commands wait. */
const rowsLeftForSwap = 500

/** Maximum number of steps that copy changed rows again before the swap is tried. */
const maxCatchUpSteps = 1_000

/** The target duration of one step of copying, in milliseconds. On an embedded database commands wait for it. */
const stepMillis = 60

/** Rows that one step copies: at first, at least and at most. */
const rowsPerStep = { first: 100, min: 10, max: 5_000 } as const

/** Maximum number of bytes that one step copies. A larger row is copied by itself. */
const bytesPerStep = 2 * 1024 * 1024

/** Maximum time between two tries to lock a table, in milliseconds. Commands continue meanwhile. */
const longestDelay = 5_000

/** The planner's samples. Few, so that reading them does not occupy the session of an embedded database for long. */
const statisticsTarget = 10

/**
 * Copies the live rows of every table that can hold erasable text into new files, and swaps these in, table by table.
 * Old row versions and the free space of pages go with the old files. A trigger records the keys of rows that change
 * meanwhile, and these rows are copied again. Every step is a short transaction, and the swap waits for its lock for 300 ms
 * at a time, so commands continue. If it ends at any point, the backlog is consistent, and at most the shadow schema with
 * its trigger is left, which the next rewrite or rebuild drops (decision 38).
 */
export const rewriteTables = (context: RewriteContext) =>
  Effect.provideService(rewriteAll(context), SqlClient.BeginTransaction, beginReadCommitted)

const rewriteAll = Effect.fnUntraced(function* (context: RewriteContext) {
  const { onProgress, schema, sql } = context
  const pending = (problem: string) => new RemovalPending({ schema, problem })
  const blocked = (what: string, waitedSeconds: number, holders = "") =>
    pending(
      `other transactions locked ${what} for ${waitedSeconds} seconds${holders}. End long transactions, then run \`backlog doctor --fix\`.`
    )

  const refuseAdded = Effect.fnUntraced(function* (shadow: string, tables: ReadonlyArray<string>) {
    const added = yield* findAddedObjects(sql, schema, shadow, tables)
    const published = yield* sql<{ readonly name: string }>`
      SELECT DISTINCT 'publication ' || pubname AS name FROM pg_publication_tables
      WHERE schemaname = ${schema} AND tablename IN ${sql.in(tables)} ORDER BY 1`
    const altered = yield* sql<{ readonly name: string }>`
      SELECT what || ' of ' || relname AS name FROM pg_class CROSS JOIN LATERAL (VALUES
        (relrowsecurity OR relforcerowsecurity, 'row level security'), (relreplident <> 'd', 'replica identity'))
        AS setting (is_there, what)
      WHERE relnamespace = ${schema}::regnamespace AND relname IN ${sql.in(tables)} AND is_there ORDER BY 1`
    const all = [
      ...new Set([...added, ...published, ...altered].map((each) => (typeof each === "string" ? each : each.name)))
    ]
    if (all.length > 0) {
      return yield* pending(
        `a copy of the tables would lose these additions: ${all.join(", ")}. ` +
          "Drop them, run `backlog doctor --fix`, and create them again."
      )
    }
  })

  yield* onProgress({ phase: "preparing", table: "", done: 0, total: 0 })
  const { shadow, end, step } = yield* createShadowTables({
    sql,
    schema,
    kind: "removal",
    createTables: context.createTables,
    check: (made) => refuseAdded(made, erasableTables),
    superseded: () =>
      pending("a rebuild of the read model or a redaction ended the rewrite, which is tried again later."),
    busy: (kind) => new RemovalBusy({ kind }),
    timeout: context.swapTimeout,
    blocked: (waitedSeconds) => blocked("the tables", waitedSeconds)
  })

  /** Makes the statements of a step use indexes: the planner has no statistics of tables that were just filled. */
  const byIndex = sql`SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)`

  const retryWhileLocked = <A, E>(table: string, attempt: Effect.Effect<A, E>, harmless: ReadonlyArray<string>) =>
    retryOnLockConflict(attempt, {
      timeout: context.swapTimeout,
      longestDelay,
      onTimeout: (waitedSeconds) =>
        Effect.flatMap(describeHolders(sql, schema, table, harmless), (holders) =>
          Effect.fail(blocked(`the table ${table}`, waitedSeconds, holders))
        )
    })

  const rewrite = Effect.fnUntraced(function* (table: string) {
    const columns = yield* sql<{ readonly name: string; readonly isKey: boolean; readonly isLong: boolean }>`
      SELECT pg_catalog.quote_ident(attname) AS name, attnum = ANY(indkey) AS "isKey", attlen = -1 AS "isLong"
      FROM pg_attribute JOIN pg_index ON indrelid = attrelid AND indisprimary
      WHERE attrelid = ${`${schema}.${table}`}::regclass AND attnum > 0 AND NOT attisdropped
      ORDER BY array_position(indkey::int2[], attnum), attnum`
    const [known] = yield* sql<{ readonly rows: number }>`
      SELECT reltuples::float8 AS rows FROM pg_class WHERE oid = ${`${schema}.${table}`}::regclass`
    const list = (prefix: string, only: (column: (typeof columns)[number]) => boolean = () => true) =>
      columns.flatMap((column) => (only(column) ? [`${prefix}${column.name}`] : [])).join(", ")
    const keys = (prefix = "") => list(prefix, ({ isKey }) => isKey)
    const literal = (text: string) => sql.literal(text)
    const live = sql(`${schema}.${table}`)
    const copy = sql(`${shadow}.${table}`)
    const place = (name: string) => sql(`${shadow}.${table}_${name}`)
    const [changed, taken, from, upTo] = [place("changed"), place("taken"), place("from"), place("up_to")]
    const bytes = columns.flatMap(({ isLong, name }) => (isLong ? [`coalesce(pg_column_size(${name}), 0)`] : []))
    let done = 0
    const reportProgress = (phase: RemovalProgress["phase"]) =>
      onProgress({ phase, table, done, total: Math.max(done, Math.round(known?.rows ?? 0)) })

    // From its commit on, every change of a row is recorded: its lock waits for the transactions that have changed rows.
    const capture = Effect.gen(function* () {
      yield* limitLockWait(sql)
      for (const each of [changed, taken, from, upTo]) {
        yield* sql`CREATE TABLE ${each} AS SELECT ${literal(keys())} FROM ${live} WITH NO DATA`
      }
      const capturing = sql(`${shadow}.capture_${table}`)
      const differs = `(${keys("OLD.")}) IS DISTINCT FROM (${keys("NEW.")})`
      yield* sql`
        CREATE FUNCTION ${capturing}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp AS ${literal(`$capture$
        BEGIN
          IF TG_OP <> 'INSERT' THEN INSERT INTO "${shadow}"."${table}_changed" VALUES (${keys("OLD.")}); END IF;
          IF TG_OP = 'INSERT' THEN INSERT INTO "${shadow}"."${table}_changed" VALUES (${keys("NEW.")});
          ELSIF TG_OP = 'UPDATE' THEN
            IF ${differs} THEN INSERT INTO "${shadow}"."${table}_changed" VALUES (${keys("NEW.")}); END IF;
          END IF;
          RETURN NULL;
        END
        $capture$`)}`
      yield* sql`REVOKE ALL ON FUNCTION ${capturing}() FROM PUBLIC`
      yield* sql`CREATE TRIGGER ${sql(captureTrigger)} AFTER INSERT OR UPDATE OR DELETE ON ${live}
        FOR EACH ROW EXECUTE FUNCTION ${capturing}()`
      yield* placeTables(sql, schema, shadow, [table])
      // The copy's own triggers would refuse the inserts that follow: those rows were checked when they were written.
      yield* sql`ALTER TABLE ${copy} DISABLE TRIGGER USER`
      // A vacuum of the copy would make the swap time out.
      yield* sql`ALTER TABLE ${copy} SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)`
    })
    const captured = Effect.tapError(step(capture), () => reportProgress("preparing"))
    yield* retryWhileLocked(table, captured, ["AccessShareLock", "RowShareLock"])

    /** Copies the next rows in the order of their keys. Returns how many, and whether they are the last. */
    const copyNext = (limit: number, isFirst: boolean) =>
      Effect.gen(function* () {
        yield* byIndex
        const after = isFirst
          ? sql`true`
          : sql`(${literal(keys())}) > (${literal(
              columns
                .flatMap(({ isKey, name }) => (isKey ? [`(SELECT ${name} FROM "${shadow}"."${table}_from")`] : []))
                .join(", ")
            )})`
        const ordered = literal(keys())
        yield* sql`DELETE FROM ${upTo}`
        const [page] = yield* sql<{ readonly found: number; readonly fitting: number }>`
          WITH page AS MATERIALIZED (
            SELECT ${ordered}, row_number() OVER rows AS place, sum(${literal(bytes.join(" + ") || "0")}) OVER rows AS bytes
            FROM (SELECT * FROM ${live} AS live WHERE ${after} ORDER BY ${ordered} LIMIT ${limit}::int4) AS next
            WINDOW rows AS (ORDER BY ${ordered} ROWS UNBOUNDED PRECEDING)),
          fitting AS (SELECT * FROM page WHERE place = 1 OR bytes <= ${bytesPerStep}::int8 ORDER BY place DESC LIMIT 1),
          noted AS (INSERT INTO ${upTo} SELECT ${ordered} FROM fitting)
          SELECT (SELECT count(*) FROM page)::int4 AS found, coalesce((SELECT place FROM fitting), 0)::int4 AS fitting`
        const { fitting = 0, found = 0 } = page ?? {}
        if (fitting === 0) return { copied: 0, isLast: true }
        const last = columns
          .flatMap(({ isKey, name }) => (isKey ? [`(SELECT ${name} FROM "${shadow}"."${table}_up_to")`] : []))
          .join(", ")
        const [copied] = yield* sql<{ readonly rows: number }>`
          WITH copied AS (
            INSERT INTO ${copy} (${literal(list(""))}) SELECT ${literal(list(""))} FROM ${live} AS live
            WHERE ${after} AND (${ordered}) <= (${literal(last)}) RETURNING 1)
          SELECT count(*)::int4 AS rows FROM copied`
        yield* sql`DELETE FROM ${from}`
        yield* sql`INSERT INTO ${from} SELECT * FROM ${upTo}`
        // Later rows were written after the trigger was created, so they are copied as changes.
        return { copied: copied?.rows ?? 0, isLast: found < limit && fitting === found }
      })

    yield* reportProgress("copying")
    for (let limit: number = rowsPerStep.first, isFirst = true; ; isFirst = false) {
      const began = performance.now()
      const { copied, isLast } = yield* step(copyNext(limit, isFirst))
      done += copied
      if (isLast) break
      const took = performance.now() - began
      const fitting = Math.round(limit * Math.min(2, stepMillis / Math.max(took, 1)))
      limit = Math.min(rowsPerStep.max, Math.max(rowsPerStep.min, fitting))
      yield* reportProgress("copying")
      // Lets commands that share the session run.
      yield* Effect.yieldNow
    }

    /** Copies some of the changed rows again. Returns how many keys it took. */
    const catchUp = Effect.gen(function* () {
      const [count] = yield* sql<{ readonly keys: number }>`
        WITH moved AS (
          DELETE FROM ${changed} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${changed} LIMIT ${rowsLeftForSwap}::int4))
          RETURNING *),
        noted AS (INSERT INTO ${taken} SELECT DISTINCT * FROM moved)
        SELECT count(*)::int4 AS keys FROM moved`
      if ((count?.keys ?? 0) === 0) return 0
      const same = literal(
        columns.flatMap(({ isKey, name }) => (isKey ? [`row.${name} = taken.${name}`] : [])).join(" AND ")
      )
      yield* sql`DELETE FROM ${copy} AS row USING ${taken} AS taken WHERE ${same}`
      yield* sql`INSERT INTO ${copy} (${literal(list(""))})
        SELECT ${literal(list("row."))} FROM ${taken} AS taken JOIN ${live} AS row ON ${same}`
      yield* sql`DELETE FROM ${taken}`
      return count?.keys ?? 0
    })
    const catchUpSteps = Effect.gen(function* () {
      for (let steps = 0; steps < maxCatchUpSteps; steps++) {
        if ((yield* step(Effect.andThen(byIndex, catchUp))) <= rowsLeftForSwap / 4) return
      }
    })
    let leftForSwap = rowsLeftForSwap

    yield* catchUpSteps
    yield* step(
      Effect.gen(function* () {
        yield* sql`SELECT set_config('default_statistics_target', ${String(statisticsTarget)}, true)`
        yield* sql`ANALYZE ${copy}`
      })
    )

    const swap = Effect.gen(function* () {
      yield* limitLockWait(sql)
      yield* byIndex
      yield* sql`LOCK TABLE ${live} IN ACCESS EXCLUSIVE MODE`
      let left = 0
      for (let count = yield* catchUp; count > 0; count = yield* catchUp) {
        left += count
        if (left > leftForSwap) {
          // Commands change rows faster than they are copied: they wait longer, once.
          leftForSwap *= 2
          return yield* new TooFarBehind()
        }
      }
      yield* refuseAdded(shadow, [table])
      yield* sql`ALTER TABLE ${copy} RESET (autovacuum_enabled, toast.autovacuum_enabled)`
      yield* swapTables(sql, schema, shadow, [table], erasableColumns)
    })
    yield* retryWhileLocked(
      table,
      Effect.andThen(catchUpSteps, Effect.andThen(reportProgress("swapping"), step(swap))),
      []
    )
    yield* reportProgress("swapped")
  })

  return yield* Effect.gen(function* () {
    yield* step(context.onBegun)
    for (const table of erasableTables) yield* rewrite(table)
  }).pipe(Effect.ensuring(end))
})

/**
 * The sessions that have locked a table, as text: three at most, the oldest transaction first, without those whose locks are
 * all in `harmless` modes. Empty if there are none or the server does not list them.
 */
const describeHolders = (sql: SqlClient.SqlClient, schema: string, table: string, harmless: ReadonlyArray<string>) =>
  sql<{ readonly pid: number; readonly user: string; readonly program: string; readonly since: string | null }>`
    SELECT pid, coalesce(usename, backend_type, 'unknown')::text AS user, coalesce(application_name, '') AS program,
      to_char(xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since
    FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND pid IN (
      SELECT pid FROM pg_locks WHERE locktype = 'relation' AND granted AND relation = ${`${schema}.${table}`}::regclass
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        ${harmless.length === 0 ? sql`` : sql`AND mode NOT IN ${sql.in(harmless)}`})
    ORDER BY xact_start, pid LIMIT 3`.pipe(
    Effect.orElseSucceed(() => []),
    Effect.map((rows) => {
      const each = rows.map(
        ({ pid, program, since, user }) =>
          `process ${pid} of ${JSON.stringify(user)}` +
          (program === "" ? "" : ` (${JSON.stringify(program)})`) +
          (since === null ? "" : `, in a transaction since ${since}`)
      )
      return each.length === 0 ? "" : `: ${each.join("; ")}`
    })
  )
