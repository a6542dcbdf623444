import { PgClient } from "@effect/sql-pg"
import { Context, DateTime, Duration, Effect, Layer, Option, Queue } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { randomBytes } from "node:crypto"
import type { Anchor } from "../../events/Anchor.ts"
import { emptyChainHash } from "../../events/ContentHash.ts"
import { outsideLog, ReadGate } from "../../events/ReadGate.ts"
import { type Holder, findOverlaps } from "../access/AccessRole.ts"
import type { DoctorFacts } from "./DoctorFacts.ts"
import { hasOneSession } from "../hasOneSession.ts"
import { layerReadGateAlone } from "../readGates.ts"
import { appendFunction, functionNames } from "../schema/BacklogRoles.ts"
import { readFunctions } from "../schema/functionState.ts"
import { readMigrations } from "../schema/Migrations.ts"
import { type Difference, findDifference } from "../schema/grantRoles.ts"
import { findSessionProblem } from "../schema/findSessionProblem.ts"
import { AnswerTimeout } from "../../sql/AnswerTimeout.ts"
import { BacklogSchema } from "../../sql/SchemaName.ts"

/** Maximum time to wait for a notification. */
const notificationTimeout = "3 seconds"

/** Settings on which the guarantees depend. */
const settingNames =
  "fsync full_page_writes synchronous_commit default_transaction_read_only autovacuum track_counts synchronous_standby_names".split(
    " "
  )

/**
 * Checks a backlog and its database, and changes nothing. Works if migrations are missing or edited, and as any role. Omits
 * facts that the role may not see.
 */
export class Doctor extends Context.Service<
  Doctor,
  {
    /** Collects all facts. Takes a few seconds. */
    readonly examine: Effect.Effect<DoctorFacts, SqlError.SqlError>
    /** Why the backlog is not ready: the database does not respond, or migrations are missing; none if it is ready. */
    readonly readiness: Effect.Effect<Option.Option<string>, SqlError.SqlError>
    /** Compares the log with an anchor; none if no log can be read. */
    readonly checkAnchor: (
      anchor: Anchor
    ) => Effect.Effect<Option.Option<NonNullable<NonNullable<DoctorFacts["anchorFile"]>["newest"]>>, SqlError.SqlError>
    /** Why a session of this kind cannot use a backlog; `undefined` if it can. */
    readonly sessionProblem: Effect.Effect<string | undefined, SqlError.SqlError>
    /** Whether the server is a hot standby, which is read-only. */
    readonly isReplica: Effect.Effect<boolean, SqlError.SqlError>
    /** The number of connections with this application name, by state; empty if the database is embedded. */
    readonly connections: Effect.Effect<
      ReadonlyArray<{ readonly state: string; readonly count: number }>,
      SqlError.SqlError
    >
  }
>()("mosaic-backlog/services/Doctor") {
  static readonly layer: Layer.Layer<Doctor, never, SqlClient.SqlClient> = Layer.effect(
    Doctor,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const gate = yield* ReadGate
      const schema = yield* BacklogSchema
      const client = Option.getOrUndefined(yield* Effect.serviceOption(PgClient.PgClient))
      const isEmbedded = client !== undefined && hasOneSession(client)
      const table = (name: string) => sql(`${schema}.${name}`)

      const server = Effect.gen(function* () {
        const [row] = yield* sql<Omit<DoctorFacts["server"], "settings">>`
          SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int4 AS "versionNumber",
            current_database()::text AS database, current_user::text AS role,
            coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false) AS "isSuperuser",
            pg_is_in_recovery() AS "isReplica",
            (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::float8 AS connections,
            current_setting('max_connections')::float8 AS "maxConnections"`
        const settings = yield* sql<{ readonly name: string; readonly setting: string | null }>`
          SELECT name, setting FROM pg_settings WHERE name IN ${sql.in(settingNames)}`
        return {
          ...first(row),
          settings: Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))
        }
      })

      const clock = Effect.gen(function* () {
        let best = { aheadMillis: 0, precisionMillis: Number.POSITIVE_INFINITY }
        for (let tries = 0; tries < 3; tries++) {
          const before = Date.now()
          const [row] = yield* sql<{ readonly now: Date }>`SELECT clock_timestamp() AS now`
          const after = Date.now()
          const precisionMillis = (after - before) / 2
          if (precisionMillis < best.precisionMillis) {
            best = { aheadMillis: first(row).now.getTime() - (before + after) / 2, precisionMillis }
          }
        }
        return best
      })

      const migrations = Effect.gen(function* () {
        const [state] = yield* sql<{ readonly exists: boolean; readonly isReadable: boolean | null }>`
          SELECT pg_class.oid IS NOT NULL AS exists,
            has_schema_privilege(pg_namespace.oid, 'USAGE') AND has_table_privilege(pg_class.oid, 'SELECT') AS "isReadable"
          FROM (SELECT 1) AS one LEFT JOIN pg_namespace ON nspname = ${schema}
            LEFT JOIN pg_class ON relnamespace = pg_namespace.oid AND relname = 'migrations'`
        const { exists, isReadable } = first(state)
        if (!exists || isReadable !== true) {
          return { exists, isReadable: isReadable === true, missing: [], edited: [], unknown: [] }
        }
        const files = yield* readMigrations
        const applied = yield* sql<{ readonly name: string; readonly checksum: string }>`
          SELECT name, checksum FROM ${table("migrations")} ORDER BY id`
        const checksums = new Map(applied.map(({ checksum, name }) => [name, checksum]))
        const known = new Set(files.map(({ name }) => name))
        return {
          exists,
          isReadable,
          missing: files.flatMap(({ name }) => (checksums.has(name) ? [] : [name])),
          edited: files.flatMap(({ checksum, name }) => ((checksums.get(name) ?? checksum) === checksum ? [] : [name])),
          unknown: applied.flatMap(({ name }) => (known.has(name) ? [] : [name]))
        }
      })

      /**
       * A lost session setting or a changed server process reveals a transaction pooler. Other connections are busy meanwhile,
       * so that the pooler has to assign another process.
       */
      const keepsSession = Effect.gen(function* () {
        const mark = randomBytes(8).toString("hex")
        const connection = yield* sql.reserve
        const readSession = () =>
          Effect.map(
            connection.executeUnprepared(
              "SELECT pg_backend_pid() AS pid, current_setting('mosaic_backlog.doctor', true) AS mark",
              [],
              undefined
            ),
            (rows) => first(rows[0]) as { readonly pid: number; readonly mark: string | null }
          )
        yield* connection.executeUnprepared("SELECT set_config('mosaic_backlog.doctor', $1, false)", [mark], undefined)
        const before = yield* readSession()
        const others = Effect.all(
          Array.from({ length: 3 }, () => sql`SELECT pg_sleep(0.05)`),
          { concurrency: "unbounded", discard: true }
        )
        const busy = yield* Effect.forkScoped(Effect.forever(others))
        let keeps = before.mark === mark
        for (let checks = 0; checks < 5 && keeps; checks++) {
          yield* Effect.sleep("20 millis")
          const now = yield* readSession()
          keeps = now.pid === before.pid && now.mark === mark
        }
        busy.interruptUnsafe()
        yield* connection.executeUnprepared("SELECT set_config('mosaic_backlog.doctor', '', false)", [], undefined)
        return keeps
      }).pipe(Effect.scoped)

      const notificationMillis = Effect.gen(function* () {
        if (client === undefined) return null
        const channel = `mosaic_backlog_doctor_${randomBytes(8).toString("hex")}`
        const notifications = yield* client.listen(channel)
        const before = performance.now()
        yield* sql`SELECT pg_notify(${channel}, '')`
        yield* Queue.take(notifications)
        return performance.now() - before
      }).pipe(
        Effect.timeout(notificationTimeout),
        Effect.scoped,
        Effect.orElseSucceed(() => "lost" as const)
      )

      const roles = Effect.gen(function* () {
        const found = yield* sql<{
          readonly name: string
          readonly kind: "owner" | "writer" | "auditor"
        }>`
          SELECT rolname::text AS name,
            CASE WHEN rolname = owner THEN 'owner'
              WHEN has_function_privilege(rolname, appends, 'EXECUTE')
                OR has_any_column_privilege(rolname, events, 'INSERT') THEN 'writer'
              ELSE 'auditor' END AS kind
          FROM (
            SELECT pg_class.oid AS events, pg_proc.oid AS appends, pg_get_userbyid(relowner) AS owner,
              ARRAY(SELECT grantee FROM aclexplode(relacl) UNION SELECT grantee FROM aclexplode(proacl))
                OPERATOR(pg_catalog.||) relowner AS grantees
            FROM pg_class LEFT JOIN pg_proc ON pronamespace = relnamespace AND proname = ${appendFunction}
            WHERE relnamespace = ${schema}::regnamespace AND relname = 'events') AS log
            JOIN pg_roles ON pg_roles.oid = ANY(grantees)
          ORDER BY 1`
        const all: Array<DoctorFacts["roles"][number]> = []
        for (const { kind, name } of found) {
          const difference = kind === "owner" ? undefined : yield* findDifference(sql, schema, [{ role: kind, name }])
          all.push({ name, kind, difference: difference === undefined ? null : describeDifference(difference) })
        }
        return all
      })

      const functions = Effect.map(readFunctions(sql, schema), (found) =>
        functionNames.flatMap((name): DoctorFacts["functions"] => {
          const state = found.find((one) => one.name === name)
          if (state === undefined) return [{ name, problem: "missing" }]
          if (!state.isInSchema) return [{ name, problem: "misdirected" }]
          if (!state.isOwners) return [{ name, problem: "owner" }]
          return state.isPublic ? [{ name, problem: "public" }] : []
        })
      )

      const tables = sql<DoctorFacts["tables"][number]>`
        SELECT pg_class.relname::text AS "table", n_live_tup::float8 AS "liveRows", n_dead_tup::float8 AS "deadRows",
          pg_total_relation_size(pg_class.oid)::float8 AS bytes,
          NOT coalesce('autovacuum_enabled=false' = ANY(reloptions) OR 'autovacuum_enabled=off' = ANY(reloptions), false)
            AS autovacuum
        FROM pg_class JOIN pg_stat_user_tables ON relid = pg_class.oid WHERE pg_class.relnamespace IN (
          SELECT oid FROM pg_namespace WHERE nspname = ${schema})
        ORDER BY 1`

      const oldestTransaction = Effect.map(
        sql<NonNullable<DoctorFacts["oldestTransaction"]>>`
          SELECT pid, state, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS "ageSeconds"
          FROM pg_stat_activity
          WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
            AND backend_type = 'client backend'
          ORDER BY xact_start LIMIT 1`,
        (rows) => rows[0] ?? null
      )

      const consumers = sql<DoctorFacts["consumers"][number]>`
        SELECT consumer, greatest(0, head.position - coalesce(reached.position, 0))::float8 AS behind,
          greatest(0, coalesce(reached.position, 0) - head.position)::float8 AS ahead,
          coalesce(extract(epoch FROM clock_timestamp() - reached.updated_at), 0)::float8 AS "stillSeconds",
          coalesce(parked.number, 0)::float8 AS parked
        FROM ${table("head")} AS head,
          ${table("checkpoints")} AS reached FULL JOIN (
            SELECT consumer, count(*) AS number FROM ${table("parked_events")} GROUP BY consumer) AS parked
          USING (consumer)
        ORDER BY consumer`

      const tokenOverlaps = Effect.gen(function* () {
        const [may] = yield* sql<{ readonly read: boolean }>`
          SELECT has_table_privilege(oid, 'SELECT') AS read FROM pg_class
          WHERE relnamespace = ${schema}::regnamespace AND relname = 'access_tokens'`
        if (may?.read !== true) return null
        const holders = yield* sql<Holder & { readonly id: string }>`
          SELECT id, actor, role FROM ${table("access_tokens")}
          WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp()) ORDER BY created_at, id`
        return findOverlaps(holders).map(({ holder: { actor, id }, worker }) => ({ id, actor, worker }))
      })

      const work = Effect.gen(function* () {
        const [row] = yield* sql<{
          readonly head: number
          readonly count: number
          readonly oldestSeconds: number | null
          readonly claimable: number
          readonly oldestReadyAgeSeconds: number | null
        }>`
          SELECT (SELECT position::float8 FROM ${table("head")}) AS head,
            count(*) FILTER (WHERE status = 'claimed')::float8 AS count,
            max(extract(epoch FROM clock_timestamp() - claim_expires_at)) FILTER (WHERE status = 'claimed')::float8
              AS "oldestSeconds",
            count(*) FILTER (WHERE status = 'ready' AND unmet_dependencies = 0)::float8 AS claimable,
            max(extract(epoch FROM clock_timestamp() - created_at)) FILTER (WHERE status = 'ready')::float8
              AS "oldestReadyAgeSeconds"
          FROM ${table("cards")}
          WHERE status = 'ready' OR (status = 'claimed' AND claim_expires_at < clock_timestamp())`
        const { count, oldestSeconds, ...rest } = first(row)
        return { ...rest, expiredClaims: { count, oldestSeconds } }
      })

      const generation = Effect.map(
        sql<NonNullable<DoctorFacts["generation"]>>`
          SELECT generation::float8 AS number, generation_reason AS reason,
            coalesce(substr(server, strpos(server, '/')) <> substr(now, strpos(now, '/')), false) AS "hasMoved"
          FROM ${table("head")}, ${table("server_identity")}(head.tableoid) AS now`,
        (rows) => rows[0] ?? null
      )

      const erasures = Effect.map(
        sql<NonNullable<DoctorFacts["erasures"]>>`
          SELECT count(*)::float8 AS pending,
            extract(epoch FROM clock_timestamp() - min(erased_at))::float8 AS "oldestSeconds", max(problem) AS problem
          FROM ${table("erasures")} WHERE removed_at IS NULL`,
        (rows) => rows[0] ?? null
      ).pipe(
        // A role that got its privileges before the table existed may not read it. `roles` reports that.
        Effect.catchIf(
          ({ reason }) => reason._tag === "AuthorizationError",
          () => Effect.succeed(null)
        )
      )

      const readiness = Effect.map(migrations, ({ edited, exists, isReadable, missing, unknown }) => {
        if (!exists) return Option.some("there is no backlog in the schema")
        if (!isReadable) return Option.some("this role may not read the backlog")
        const wrong = [...missing, ...edited]
        if (wrong.length > 0) return Option.some(`migrations are missing or edited: ${wrong.join(", ")}`)
        return unknown.length > 0 ? Option.some(`migrations are unknown: ${unknown.join(", ")}`) : Option.none()
      })

      const checkAnchor = Effect.fnUntraced(function* ({ at, chainHash, position }: Anchor) {
        const { exists, isReadable, missing } = yield* migrations
        if (!exists || !isReadable || missing.length > 0) return outsideLog(Option.none())
        const [row] = yield* sql<{ readonly head: number; readonly hash: string | null; readonly ageSeconds: number }>`
          SELECT head.position::float8 AS head,
            (SELECT encode(chain_hash, 'hex') FROM ${table("events")} WHERE position = ${BigInt(position)}::int8) AS hash,
            extract(epoch FROM clock_timestamp() - ${DateTime.toDateUtc(at)}::timestamptz)::float8 AS "ageSeconds"
          FROM ${table("head")} AS head`
        const { ageSeconds, hash, head } = first(row)
        const found = {
          position,
          ageSeconds: Math.max(0, ageSeconds),
          isReached: position <= head,
          isContinued: position <= head && (position === 0 ? emptyChainHash : hash) === chainHash,
          behind: Math.max(0, head - position)
        }
        return { value: Option.some(found), position: head }
      })

      const isReplica = Effect.map(
        sql<{ readonly isReplica: boolean }>`SELECT pg_is_in_recovery() AS "isReplica"`,
        (rows) => first(rows[0]).isReplica
      )

      const connections = sql<{ readonly state: string; readonly count: number }>`
        SELECT state, (SELECT count(*) FROM pg_stat_activity AS activity WHERE activity.state = states.state
          AND application_name = current_setting('application_name') AND datname = current_database())::float8 AS count
        FROM pg_catalog.unnest(ARRAY['active', 'idle', 'idle in transaction']) AS states (state)`

      const mayWriteBarriers = Effect.map(
        sql<{ readonly isPermitted: boolean | null }>`
          SELECT pg_catalog.bool_and(has_function_privilege(oid, 'EXECUTE')) AS "isPermitted" FROM pg_catalog.pg_proc
          WHERE proname = 'pg_logical_emit_message' AND pronamespace = 'pg_catalog'::regnamespace`,
        (rows) => first(rows[0]).isPermitted === true
      )

      /** Whether a position becomes durable soon. A standby that does not answer is a fact, not a failure. */
      const confirm = (position: number) =>
        Effect.map(Effect.option(Effect.timeout(gate.awaitShowable(position), confirmationTimeout)), Option.isSome)

      const examine = Effect.gen(function* () {
        const found = yield* migrations
        const serverFacts = yield* server
        const isComplete = found.exists && found.isReadable && found.missing.length === 0
        const nothing = {
          head: null,
          claimable: 0,
          oldestReadyAgeSeconds: null,
          expiredClaims: { count: 0, oldestSeconds: null }
        }
        const counted = isComplete ? yield* work : nothing
        const isConfirmed = isEmbedded || (yield* confirm(counted.head ?? 0))
        const isShown = isComplete && isConfirmed
        const facts: DoctorFacts = {
          isEmbedded,
          server: serverFacts,
          durability:
            isEmbedded || serverFacts.isReplica
              ? null
              : !isConfirmed
                ? "unconfirmed"
                : (yield* mayWriteBarriers)
                  ? "barrier"
                  : "synchronous",
          clock: yield* clock,
          migrations: found,
          keepsSession: isEmbedded ? null : yield* keepsSession,
          notificationMillis: isEmbedded || serverFacts.isReplica ? null : yield* notificationMillis,
          roles: isEmbedded || !isComplete ? [] : yield* roles,
          functions: isComplete ? yield* functions : [],
          tables: yield* tables,
          oldestTransaction: yield* oldestTransaction,
          consumers: isShown ? yield* consumers : [],
          generation: isComplete ? yield* generation : null,
          tokenOverlaps: isComplete ? yield* tokenOverlaps : null,
          erasures: isComplete ? yield* erasures : null,
          ...(isShown ? counted : nothing)
        }
        return { value: facts, position: facts.head ?? 0 }
      })

      /** A fact about the server or the schema, which shows nothing of the log. */
      const readFact = <A>(name: string, fact: Effect.Effect<A, SqlError.SqlError>) =>
        gate.read(`Doctor.${name}`, () => Effect.map(fact, outsideLog), { answer: "slow" })()

      return Doctor.of({
        // Closes a dead connection before the caller times out, so the next check gets another one.
        readiness: readFact("readiness", Effect.provideService(readiness, AnswerTimeout, Duration.seconds(2))),
        isReplica: readFact("isReplica", isReplica),
        sessionProblem: readFact("sessionProblem", findSessionProblem(sql)),
        checkAnchor: gate.read("Doctor.checkAnchor", checkAnchor, { answer: "slow" }),
        connections: readFact("connections", isEmbedded ? Effect.succeed([]) : connections),
        examine: gate.read("Doctor.examine", () => examine, { answer: "slow" })()
      })
    })
  ).pipe(Layer.provide(layerReadGateAlone))
}

/** Maximum time that the doctor waits until the end of the log is durable. */
const confirmationTimeout = "3 seconds"

const first = <A>(row: A | undefined): A => {
  if (row === undefined) throw new Error("a statement that always returns a row returned none")
  return row
}

const describeDifference = ({ column, isSurplus, on, privilege }: Difference): string =>
  `${isSurplus ? "has" : "does not have"} ${privilege}${column === null ? "" : ` of ${column}`} on ${on}`
