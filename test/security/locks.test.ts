import { layer } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { hold, type Holder } from "../proof/support/holding.ts"
import {
  alter,
  connect,
  database,
  login,
  strangers,
  type Test,
  whereRolesCanBeCreated,
  writersLockModes
} from "../proof/roles/support.ts"
import { isLong } from "../support/databases.ts"
import { postgresClient } from "../support/backlogs.ts"
import { withSettings } from "../support/sessionSettings.ts"
import { until } from "../support/waiting.ts"

/** Opens a session with a transaction as another role. */
const openTransaction = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(() => hold(url)),
    (holder) => Effect.promise(() => holder.release())
  )

/** Runs a statement in the transaction and returns whether it succeeded. A failure does not abort the transaction. */
const attempt = ({ run, sql }: Holder, statement: string) =>
  Effect.promise(async () => {
    await run(sql`SAVEPOINT tried`)
    try {
      await run(sql.unsafe(statement))
      return true
    } catch {
      await run(sql`ROLLBACK TO SAVEPOINT tried`)
      return false
    }
  })

/** The classes of the advisory locks before version 0.6: graph, rebuild, migrations. */
const [graphClass, rebuildClass, migrationClass] = [0x6d62_6c67, 0x6d62_7262, 0x6d62_6d67]

const advisoryLocks = (schema: string): ReadonlyArray<string> => [
  `SELECT pg_try_advisory_lock(${graphClass}, '${schema}'::regnamespace::oid::int4)`,
  `SELECT pg_try_advisory_lock(${rebuildClass}, '${schema}'::regnamespace::oid::int4)`,
  `SELECT pg_try_advisory_lock(${migrationClass}, hashtext('${schema}'))`
]

const modes = ["ACCESS SHARE", "ROW SHARE", ...writersLockModes]

/** A backlog with three roles. Its writer and owner fail after a timeout when they wait for a lock. */
const backlogWithRoles = Effect.gen(function* () {
  const { auditor, owner, roles, schema, writer } = yield* strangers
  const sessionTimeouts = { lock_timeout: "20s", statement_timeout: "60s" }
  const options = { schema, roles }
  return {
    schema,
    auditor,
    reconnect: connect(owner, options),
    owner: yield* connect({ ...owner, url: withSettings(owner.url, sessionTimeouts) }, options),
    writers: writer,
    writer: yield* connect({ ...writer, url: withSettings(writer.url, sessionTimeouts) }, { schema })
  }
})

type Guarded = Effect.Success<typeof backlogWithRoles>

/** Runs commands that acquire every kind of lock: edges, completion, claims, receipts, redaction and the token generation. */
const commands = ({ owner, writer }: Pick<Guarded, "owner" | "writer">, prefix: string) =>
  Effect.gen(function* () {
    const actor = "w"
    const [a, b] = [`${prefix} a`, `${prefix} b`]
    yield* writer.backlog.create({ id: a, title: "A", body: "B", actor, commandId: prefix })
    yield* writer.backlog.create({ id: b, title: "B", actor })
    yield* writer.backlog.link({ from: b, to: a, actor })
    const claimed = Option.getOrThrow(yield* writer.backlog.claim({ owner: "w", id: a, actor }))
    const done = yield* writer.backlog.complete({ id: a, token: claimed.claimToken ?? 0, result: 1, actor })
    expect(done.madeClaimable).toEqual([b])
    yield* writer.backlog.claim({ owner: "w", id: b, actor })
    expect((yield* writer.audit.restored({ actor })).reclaimed).toEqual([b])
    expect((yield* owner.audit.redact({ id: a, parts: ["body"], reason: "r", actor })).erased).toHaveLength(1)
  })

const locks = (test: Test): void => {
  test(
    "every command commits while a read-only session holds every lock that it can acquire",
    Effect.gen(function* () {
      const backlog = yield* backlogWithRoles
      const { auditor, schema } = backlog
      const sql = yield* SqlClient.SqlClient
      yield* commands(backlog, "before")
      const tables = yield* sql<{ readonly name: string }>`
        SELECT relname AS name FROM pg_class WHERE relnamespace = ${schema}::regnamespace AND relkind = 'r' ORDER BY 1`
      const outsider = yield* login("outsider")
      for (const session of [yield* openTransaction(auditor.url), yield* openTransaction(outsider.url)]) {
        for (const statement of advisoryLocks(schema)) yield* attempt(session, statement)
        const acquired: Array<string> = []
        for (const { name } of tables) {
          for (const mode of modes) {
            if (yield* attempt(session, `LOCK TABLE ${schema}.${name} IN ${mode} MODE`)) acquired.push(mode)
          }
          for (const strength of ["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"]) {
            if (yield* attempt(session, `SELECT FROM ${schema}.${name} FOR ${strength}`)) acquired.push(strength)
          }
          yield* attempt(session, `SELECT * FROM ${schema}.${name}`)
        }
        expect(new Set(acquired)).toEqual(new Set(acquired.length === 0 ? [] : ["ACCESS SHARE"]))
      }
      yield* commands(backlog, "while held")
    })
  )

  test(
    "advisory locks block no rebuild, migration or start",
    Effect.gen(function* () {
      const backlog = yield* backlogWithRoles
      const { auditor, owner, reconnect, schema } = backlog
      yield* commands(backlog, "before")
      const session = yield* openTransaction(auditor.url)
      for (const statement of advisoryLocks(schema)) expect(yield* attempt(session, statement)).toBe(true)
      yield* owner.audit.rebuild()
      yield* reconnect
    })
  )

  test(
    "a role with MAINTAIN is refused as auditor",
    Effect.gen(function* () {
      const { reconnect, auditor } = yield* backlogWithRoles
      const sql = yield* SqlClient.SqlClient
      const [server] = yield* sql<{ readonly version: number }>`
        SELECT current_setting('server_version_num')::int4 AS version`
      if ((server?.version ?? 0) < 170_000) return
      yield* alter((role) => `GRANT pg_maintain TO ${role}`, auditor)
      expect(String(yield* Effect.flip(reconnect))).toMatch(/would still have MAINTAIN on/)
    })
  )

  if (!isLong) return

  test(
    "a reader can queue commands behind statements that wait for a lock, and an event trigger refuses those statements",
    Effect.gen(function* () {
      const backlog = yield* backlogWithRoles
      const { auditor, schema, writers } = backlog
      const sql = yield* SqlClient.SqlClient
      yield* commands(backlog, "before")
      const writer = yield* connect(
        { ...writers, url: withSettings(writers.url, { lock_timeout: "500ms" }) },
        { schema }
      )
      const create = (id: string) => writer.backlog.create({ id, title: "T", actor: "w" })
      const reader = yield* openTransaction(auditor.url)
      expect(yield* attempt(reader, `SELECT FROM ${schema}.cards`)).toBe(true)
      const rule = `CREATE RULE x AS ON INSERT TO ${schema}.cards DO INSTEAD NOTHING`
      const other = yield* openTransaction(auditor.url)
      // Postgres requests the lock before it checks privileges, and commands wait behind the request.
      const ruleRequest = yield* Effect.forkScoped(attempt(other, rule))
      const queued = sql<{ readonly pid: number }>`SELECT pid FROM pg_locks
        WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = ${`${schema}.cards`}::text::regclass`
      yield* until(Effect.map(queued, (rows) => rows.length > 0))
      expect((yield* Effect.flip(create("queued")))._tag).toBe("SqlError")
      // An operator or idle_in_transaction_session_timeout ends the reader's transaction.
      yield* Effect.promise(() => reader.run(reader.sql`ROLLBACK`))
      expect(yield* Fiber.join(ruleRequest)).toBe(false)
      yield* create("after")

      const where = yield* database
      const name = `refuse_${schema}`
      yield* sql.unsafe(`CREATE FUNCTION ${schema}.${name}() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NOT pg_has_role(session_user, (SELECT nspowner FROM pg_namespace WHERE nspname = '${schema}'), 'MEMBER') THEN
          RAISE EXCEPTION 'readers create and alter nothing in ${where}'; END IF; END $$`)
      yield* sql.unsafe(`CREATE EVENT TRIGGER ${name} ON ddl_command_start EXECUTE FUNCTION ${schema}.${name}()`)
      yield* Effect.addFinalizer(() => Effect.orDie(sql.unsafe(`DROP EVENT TRIGGER ${name}`)))
      for (const statement of [
        rule,
        `CREATE TRIGGER x BEFORE INSERT ON ${schema}.cards EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
        `CREATE TEMP TABLE x PARTITION OF ${schema}.head DEFAULT`,
        `ALTER TABLE ${schema}.cards ATTACH PARTITION ${schema}.head DEFAULT`
      ]) {
        const refused = yield* Effect.promise(() =>
          reader.run(Effect.flip(reader.sql.unsafe(statement))).then(({ reason }) => reason)
        )
        expect(String(Reflect.get(Object(refused.cause), "message"))).toMatch(/readers create and alter nothing/)
      }
    })
  )
}

layer(postgresClient(4), { timeout: "60 seconds", excludeTestServices: true })("locks, on a Postgres server", (it) => {
  const test: Test = (title, body) => it.effect(title, (context) => whereRolesCanBeCreated(context, body))
  locks(test)
  it.effect.skipIf(isLong)("the limits of a reader run only with npm run test:security", (context) =>
    Effect.sync(() => context.skip("it waits for lock timeouts: BACKLOG_TEST_SECURITY=long npm run test:security"))
  )
})
