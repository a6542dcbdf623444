import { Duration, Effect, Fiber, Layer, Option, Result, Stream } from "effect"
import { makeProcessIO } from "../../src/cli/ProcessIO.ts"
import { showRemovalProgress } from "../../src/cli/progress.ts"
import { columnContents, erasableColumns, erasableTables } from "../../src/projections/erasableColumns.ts"
import { RemovalPending, type RemovalProgress } from "../../src/projections/rewriteTables.ts"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { Erasures, RemovalSchedule, type RemovalTimes } from "../../src/services/audit/Erasures.ts"
import { layerPostgres } from "../../src/services/layers.ts"
import { postgresUrl, tables } from "../support/backlogs.ts"
import { catalogOf, findShadowSchemas } from "../support/catalog.ts"
import { isLong, onServer, onServerFirst, type Test } from "../support/databases.ts"
import { pool } from "../support/pools.ts"
import { expect, it } from "vitest"

const actor = "ann"
const millis = Duration.millis
const shortDelays: RemovalTimes = {
  first: millis(1),
  afterRedaction: millis(1),
  interval: millis(50),
  longest: millis(50)
}

const skipped: Test = (title) =>
  it("runs only with npm run test:security", (context) =>
    context.skip(`${title}: BACKLOG_TEST_SECURITY=long npm run test:security`))

const why = { reason: "a key was in it", actor }

/** Creates a few cards and redacts one. */
const redacted = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  yield* backlog.createMany({
    actor,
    commandId: "many",
    cards: Array.from({ length: 300 }, (_, index) => ({ id: `c${index}`, title: "T", body: `Body ${index}` }))
  })
  yield* backlog.claim({ owner: "w", id: "c1", actor, commandId: "claim" })
  yield* audit.redact({ id: "c0", parts: ["body"], ...why })
  return { audit, backlog }
})

/** Every row of the tables that are rewritten. */
const rows = Effect.gen(function* () {
  const { schema, sql } = yield* tables
  return JSON.stringify(
    yield* Effect.forEach(
      erasableTables,
      (table) => sql`SELECT to_jsonb(t)::text AS row FROM ${sql(`${schema}.${table}`)} AS t ORDER BY 1`
    )
  )
})

/** Shadow tables that contain copies of text. */
const copies = Effect.gen(function* () {
  const { schema, sql } = yield* tables
  return Array.from(
    yield* sql<{ readonly name: string }>`
      SELECT relname AS name FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
      WHERE nspname = 'mosaic_rebuild_' || ${schema}::regnamespace::oid::text AND relname IN ${sql.in(erasableTables)}`,
    ({ name }) => name
  )
})

const pendingOf = (result: Result.Result<unknown, unknown>): string => {
  const failure = Result.isFailure(result) ? result.failure : undefined
  expect(failure).toBeInstanceOf(RemovalPending)
  return (failure as RemovalPending).problem
}

const both = (test: Test): void => {
  test(
    "every column of every table is classified by whether it may hold erasable text",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const columns = yield* sql<{ readonly table: string; readonly column: string; readonly statistics: number }>`
        SELECT relname::text AS table, attname::text AS column, coalesce(attstattarget, -1)::int4 AS statistics
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = ${schema}::regnamespace AND relkind IN ('r', 'm', 'p', 'f') AND attnum > 0
          AND NOT attisdropped`
      const found = columns.map(({ column, table }) => `${table}.${column}`)
      expect(
        found.filter((name) => columnContents[name.split(".")[0] ?? ""]?.[name.split(".")[1] ?? ""] === undefined)
      ).toEqual([])
      // The planner keeps statistics of the other columns.
      const sampled = columns
        .filter(({ statistics }) => statistics !== 0)
        .map(({ column, table }) => `${table}.${column}`)
      expect(sampled.filter((name) => erasableColumns.includes(name))).toEqual([])
      // A copy would not have the value of a sequence.
      expect(
        yield* sql`SELECT relname FROM pg_class WHERE relnamespace = ${schema}::regnamespace AND relkind = 'S'`
      ).toEqual([])
    })
  )

  test(
    "a removal keeps every row, column, index, constraint, trigger, grant and setting",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const { audit } = yield* redacted
      yield* sql`ALTER TABLE ${sql(`${schema}.events`)} SET (fillfactor = 90, toast.autovacuum_vacuum_threshold = 7)`
      yield* sql`ALTER TABLE ${sql(`${schema}.events`)} ALTER COLUMN actor SET STATISTICS 50`
      yield* sql`ALTER TABLE ${sql(`${schema}.events`)} ENABLE ALWAYS TRIGGER events_append_only`
      yield* sql`COMMENT ON TRIGGER events_append_only ON ${sql(`${schema}.events`)} IS 'Stays'`
      yield* sql`COMMENT ON TABLE ${sql(`${schema}.receipts`)} IS 'Ours'`
      yield* sql`ALTER TABLE ${sql(`${schema}.events`)} ALTER COLUMN actor SET (n_distinct = 9)`
      const [before, catalog] = [yield* rows, yield* catalogOf(erasableTables)]
      expect(yield* audit.erasures()).toMatchObject([
        { position: 302, cardId: "c0", state: "erased from reads", problem: null }
      ])
      const phases: Array<string> = []
      const report = yield* audit.removeErased({
        onProgress: ({ done, phase, table, total }) =>
          Effect.sync(() => {
            expect(done).toBeLessThanOrEqual(total)
            phases.push(`${phase} ${table}`)
          })
      })
      expect(report).toEqual({ removed: 1 })
      expect(yield* rows).toBe(before)
      expect(yield* catalogOf(erasableTables)).toEqual(catalog)
      expect(phases.filter((phase) => phase.startsWith("swapped"))).toEqual(
        erasableTables.map((table) => `swapped ${table}`)
      )
      expect(yield* findShadowSchemas).toEqual([])
      expect(yield* audit.erasures()).toMatchObject([{ state: "removed from pages", problem: null }])
      expect(yield* audit.erasures({ pending: true })).toEqual([])
      // Nothing is pending, so nothing is rewritten.
      expect(yield* audit.removeErased({ onProgress: () => Effect.die("a rewrite") })).toEqual({ removed: 0 })
      const refused = yield* Effect.result(sql`DELETE FROM ${sql(`${schema}.events`)}`)
      expect(Result.isFailure(refused)).toBe(true)
    })
  )

  test(
    "rows that are inserted, updated and deleted during a removal are in the new tables",
    Effect.gen(function* () {
      const { audit, backlog } = yield* redacted
      let commands = 0
      yield* audit.park("mailer", 1, "before")
      yield* audit.removeErased({
        onProgress: ({ phase, table }: RemovalProgress) =>
          Effect.gen(function* () {
            if (phase === "preparing") return
            const id = `during${commands++}`
            yield* backlog.create({ id, title: "T", body: table, actor, commandId: id })
            yield* backlog.revise({ id: "c5", title: `Revised ${id}`, actor })
            yield* audit.park("mailer", commands + 1, table)
            yield* audit.unpark("mailer", commands)
          }).pipe(Effect.orDie)
      })
      expect(commands).toBeGreaterThan(erasableTables.length * 3)
      expect((yield* audit.parked("mailer")).map(({ position }) => position)).toEqual([commands + 1])
      expect((yield* audit.verify()).divergences).toEqual([])
      // The retry returns the first result.
      expect(
        (yield* backlog.create({ id: "during1", title: "T", body: "events", actor, commandId: "during1" })).version
      ).toBe(1)
    })
  )

  test(
    "a redaction during a removal stays pending until a rewrite that began after it",
    Effect.gen(function* () {
      const { audit } = yield* redacted
      const phases: Array<string> = []
      const states: Array<ReadonlyArray<string>> = []
      yield* audit.removeErased({
        onProgress: ({ phase, table }) =>
          Effect.gen(function* () {
            if (phase === "preparing") states.push((yield* audit.erasures()).map(({ state }) => state))
            // The old row was copied, and is now an old row version in the copy.
            if (phase === "swapping" && table === "events" && states.length === 1) {
              yield* audit.redact({ id: "c7", parts: ["body"], ...why })
            }
            phases.push(phase)
          }).pipe(Effect.orDie)
      })
      expect(states).toEqual([["erased from reads"], ["removed from pages", "erased from reads"]])
      expect((yield* audit.erasures()).map(({ state }) => state)).toEqual(["removed from pages", "removed from pages"])
    })
  )

  test(
    "a redaction erases the reasons of parked events of the card",
    Effect.gen(function* () {
      const { audit, backlog } = yield* redacted
      yield* backlog.block({ id: "c2", reason: "no key", actor })
      const blocked = Option.getOrThrow(yield* Stream.runLast(audit.history("c2")))
      yield* audit.park("mailer", 3, "c2 could not be sent: Body 2")
      yield* audit.park("mailer", 4, "c3 could not be sent")
      yield* audit.park("mailer", blocked.position, "c2 could not be sent again: Body 2")
      yield* audit.redact({ id: "c2", parts: ["body"], ...why })
      expect((yield* audit.parked()).map(({ reason }) => reason)).toEqual([
        "[redacted]",
        "c3 could not be sent",
        "[redacted]"
      ])
      yield* backlog.unblock({ id: "c2", actor })
      const unblocked = Option.getOrThrow(yield* Stream.runLast(audit.history("c2")))
      yield* audit.park("late", blocked.position, "c2 was read before it was redacted: Body 2")
      yield* audit.park("late", unblocked.position, "c2 was read after it was redacted")
      expect((yield* audit.parked("late")).map(({ reason }) => reason)).toEqual([
        "[redacted]",
        "c2 was read after it was redacted"
      ])
    })
  )

  test(
    "a removal is refused and stays pending while the tables have additions that a copy would lose, and it names them",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const { audit } = yield* redacted
      yield* sql`CREATE INDEX mine ON ${sql(`${schema}.events`)} (actor)`
      yield* sql`CREATE VIEW ${sql(`${schema}.titles`)} AS SELECT title FROM ${sql(`${schema}.cards`)}`
      yield* sql`CREATE TABLE ${sql(`${schema}.notes`)} (id text REFERENCES ${sql(`${schema}.cards`)} (id))`
      yield* sql`CREATE PUBLICATION ${sql(`p_${schema}`)} FOR TABLE ${sql(`${schema}.receipts`)}`
      yield* sql`ALTER TABLE ${sql(`${schema}.parked_events`)} ENABLE ROW LEVEL SECURITY`
      yield* sql`ALTER TABLE ${sql(`${schema}.parked_events`)} REPLICA IDENTITY FULL`
      const problem = pendingOf(yield* Effect.result(audit.removeErased()))
      const settings = ["row level security of parked_events", "replica identity of parked_events"]
      for (const name of ["index mine", "titles", "notes_id_fkey on notes", `publication p_${schema}`, ...settings]) {
        expect(problem).toContain(name)
      }
      yield* sql`DROP PUBLICATION ${sql(`p_${schema}`)}`
      yield* sql`ALTER TABLE ${sql(`${schema}.parked_events`)} DISABLE ROW LEVEL SECURITY`
      yield* sql`ALTER TABLE ${sql(`${schema}.parked_events`)} REPLICA IDENTITY DEFAULT`
      yield* sql`DROP TABLE ${sql(`${schema}.notes`)}`
      yield* sql`DROP VIEW ${sql(`${schema}.titles`)}`
      expect(yield* audit.erasures()).toMatchObject([{ state: "erased from reads", problem }])
      expect(yield* findShadowSchemas).toEqual([])
      yield* sql`DROP INDEX ${sql(`${schema}.mine`)}`
      expect(yield* audit.removeErased()).toEqual({ removed: 1 })
      expect(yield* audit.erasures()).toMatchObject([{ state: "removed from pages", problem: null }])
    })
  )

  test(
    "a removal is refused in a transaction",
    Effect.gen(function* () {
      const { sql } = yield* tables
      const { audit } = yield* redacted
      const result = yield* Effect.result(sql.withTransaction(audit.removeErased()))
      expect(Result.isFailure(result) && result.failure).toMatchObject({ _tag: "InvalidInput" })
    })
  )
}

onServerFirst("a removal of erased bytes", both)

onServer("a removal of erased bytes", (test) => {
  test(
    "a removal waits for a transaction that reads the table, reports its process, and completes later",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const { audit, backlog } = yield* redacted
      const session = yield* sql.reserve
      const say = (statement: string) => session.executeUnprepared(statement, [], undefined)
      yield* say("SET application_name = 'nightly dump'")
      yield* say("BEGIN ISOLATION LEVEL REPEATABLE READ")
      yield* say(`SELECT count(*) FROM "${schema}".events`)
      const shown: Array<string> = []
      const host = makeProcessIO(() => {})
      const stderr = { ...host.stderr, isTerminal: true, write: (text: string) => void shown.push(text) }
      const problem = pendingOf(
        yield* Effect.result(
          audit.removeErased({
            swapTimeout: "500 millis",
            onProgress: showRemovalProgress({ ...host, stderr })
          })
        )
      )
      const [self] = yield* session.executeUnprepared("SELECT pg_backend_pid() AS pid, user", [], undefined)
      expect(problem).toMatch(
        new RegExp(
          `^other transactions locked the table events for [0-9.]+ seconds: process ${String(self?.["pid"])} of ` +
            `"${String(self?.["user"])}" \\("nightly dump"\\), in a transaction since [0-9T:-]+Z\\. End long transactions`
        )
      )
      expect(shown.at(-1)).toBe("\rwaiting for the table events\u001b[K")
      expect(yield* audit.erasures()).toMatchObject([{ state: "erased from reads", problem }])
      // A later redaction would not erase their content.
      expect(yield* copies).toEqual([])
      yield* backlog.create({ id: "meanwhile", title: "T", actor })
      yield* say("COMMIT")
      expect(yield* audit.removeErased()).toEqual({ removed: 1 })
    })
  )

  test(
    "a removal whose process is killed leaves copies, which the next redaction drops",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const { audit } = yield* redacted
      const [shadow] = yield* sql<{ readonly name: string }>`
        SELECT 'mosaic_rebuild_' || ${schema}::regnamespace::oid::text AS name`
      const place = (table: string) => sql(`${shadow?.name}.${table}`)
      const releaseLock = (touchedAt: string) =>
        Effect.gen(function* () {
          yield* sql`DROP SCHEMA IF EXISTS ${sql(shadow?.name ?? "")} CASCADE`
          yield* sql`CREATE SCHEMA ${sql(shadow?.name ?? "")}`
          yield* sql`CREATE TABLE ${place("events")} AS SELECT * FROM ${sql(`${schema}.events`)}`
          yield* sql`CREATE TABLE ${place("work")} AS
            SELECT 'nonce' AS nonce, 'removal' AS kind, ${touchedAt}::timestamptz AS touched_at`
        })
      yield* releaseLock("now")
      yield* audit.redact({ id: "c7", parts: ["body"], ...why })
      expect(yield* copies).toEqual(["events"])
      yield* releaseLock("2026-01-01")
      yield* audit.redact({ id: "c8", parts: ["body"], ...why })
      expect(yield* copies).toEqual([])
      expect(yield* sql`SELECT nonce FROM ${place("work")}`).toEqual([{ nonce: "" }])
      expect(yield* audit.removeErased()).toEqual({ removed: 3 })
    })
  )

  test(
    "a removal waits for an uncommitted redaction, reports the wait, and completes later",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const { audit } = yield* redacted
      const session = yield* sql.reserve
      const say = (statement: string) => session.executeUnprepared(statement, [], undefined)
      yield* say("BEGIN")
      yield* say(`LOCK TABLE "${schema}".rebuild_lock IN ROW EXCLUSIVE MODE`)
      const problem = pendingOf(yield* Effect.result(audit.removeErased({ swapTimeout: "500 millis" })))
      expect(problem).toMatch(/other transactions locked the tables for [0-9.]+ seconds/)
      yield* say("COMMIT")
      expect(yield* audit.removeErased()).toEqual({ removed: 1 })
    })
  )

  test(
    "exports and verifications that run during a removal see the whole log",
    Effect.gen(function* () {
      const { audit } = yield* redacted
      const removal = yield* Effect.forkChild(audit.removeErased())
      while (removal.pollUnsafe() === undefined) {
        expect((yield* audit.verify()).events).toBe(302)
        expect((yield* Stream.runCollect(audit.exportLog)).length).toBe(1 + 302)
      }
      expect(yield* Fiber.join(removal)).toEqual({ removed: 1 })
    })
  )

  test(
    "a rebuild replaces a running removal, which completes later; a removal does not replace a rebuild",
    Effect.gen(function* () {
      const { audit } = yield* redacted
      const other = yield* pool()
      let problem = ""
      const result = yield* Effect.result(
        audit.removeErased({
          onProgress: ({ phase, table }) =>
            phase !== "swapping" || table !== "cards"
              ? Effect.void
              : Effect.orDie(
                  other.audit.rebuild({
                    onProgress: (progress) =>
                      progress.phase !== "counting"
                        ? Effect.void
                        : Effect.map(Effect.result(other.audit.removeErased({ swapTimeout: 0 })), (refused) => {
                            problem = pendingOf(refused)
                          })
                  })
                )
        })
      )
      expect(problem).toContain("a rebuild of the read model is running")
      expect(pendingOf(result)).toContain("a rebuild of the read model or a redaction ended the rewrite")
      expect(yield* audit.removeErased()).toEqual({ removed: 1 })
    })
  )

  test(
    "a removal keeps tables and indexes in their tablespaces",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const { audit } = yield* redacted
      const space = `space_${schema}`
      const session = yield* sql.reserve
      const say = (statement: string) => session.executeUnprepared(statement, [], undefined)
      yield* say("SET allow_in_place_tablespaces = on")
      yield* say(`CREATE TABLESPACE "${space}" LOCATION ''`)
      yield* Effect.addFinalizer(() =>
        Effect.orDie(
          Effect.andThen(
            sql`ALTER TABLE ALL IN TABLESPACE ${sql(space)} SET TABLESPACE pg_default`,
            Effect.andThen(
              sql`ALTER INDEX ALL IN TABLESPACE ${sql(space)} SET TABLESPACE pg_default`,
              sql`DROP TABLESPACE ${sql(space)}`
            )
          )
        )
      )
      yield* sql`ALTER TABLE ${sql(`${schema}.events`)} SET TABLESPACE ${sql(space)}`
      yield* sql`ALTER INDEX ${sql(`${schema}.cards_pkey`)} SET TABLESPACE ${sql(space)}`
      const catalog = yield* catalogOf(erasableTables)
      expect(yield* audit.removeErased()).toEqual({ removed: 1 })
      expect(yield* catalogOf(erasableTables)).toEqual(catalog)
    })
  )

  test(
    "a removal by another process is not recorded as a problem of the redaction",
    Effect.gen(function* () {
      const { audit } = yield* redacted
      const other = yield* pool()
      let problem = ""
      yield* audit.removeErased({
        onProgress: ({ phase, table }) =>
          phase !== "swapping" || table !== "cards"
            ? Effect.void
            : Effect.gen(function* () {
                problem = pendingOf(yield* Effect.result(other.audit.removeErased({ swapTimeout: 0 })))
                expect(yield* audit.erasures()).toMatchObject([{ state: "erased from reads", problem: null }])
              }).pipe(Effect.orDie)
      })
      expect(problem).toContain("another process is rewriting the tables")
      expect(yield* audit.erasures()).toMatchObject([{ state: "removed from pages", problem: null }])
    })
  )

  test(
    "a role that does not own the tables can list pending redactions, and its removal fails with the name of the owner",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const { audit } = yield* redacted
      const role = `reader_${schema}`
      yield* sql`CREATE ROLE ${sql(role)} LOGIN PASSWORD 'reader'`
      yield* Effect.addFinalizer(() =>
        Effect.orDie(Effect.andThen(sql`DROP OWNED BY ${sql(role)}`, sql`DROP ROLE ${sql(role)}`))
      )
      yield* sql`GRANT USAGE ON SCHEMA ${sql(schema)} TO ${sql(role)}`
      yield* sql`GRANT SELECT ON ALL TABLES IN SCHEMA ${sql(schema)} TO ${sql(role)}`
      const url = new URL(postgresUrl())
      url.username = role
      url.password = "reader"
      const backlog = layerPostgres({ url: url.href, schema, poolSize: 1 }).pipe(
        Layer.provide(Layer.succeed(RemovalSchedule)(shortDelays))
      )
      yield* Effect.gen(function* () {
        const reader = yield* AuditService
        expect(yield* reader.erasures({ pending: true })).toMatchObject([{ cardId: "c0" }])
        const problem = pendingOf(yield* Effect.result(reader.removeErased()))
        expect(problem).toContain(`the role ${JSON.stringify(role)} may not rewrite the tables`)
        expect(problem).toContain("as their owner")
        // The background removal ends instead of retrying.
        const erasures = yield* Effect.provide(
          Erasures,
          Layer.provide(Erasures.layer, Layer.succeed(RemovalSchedule)(shortDelays))
        )
        yield* Effect.scoped(erasures.removeInBackground)
      }).pipe(Effect.provide(backlog))
      expect(yield* audit.erasures()).toMatchObject([{ state: "erased from reads", problem: null }])
    })
  )

  test(
    "a process of the owner removes pending bytes in the background, at its start and after its own redactions",
    Effect.gen(function* () {
      const { schema } = yield* tables
      const { audit } = yield* redacted
      const isDone = Effect.gen(function* () {
        while ((yield* audit.erasures({ pending: true })).length > 0) yield* Effect.sleep("20 millis")
      })
      const backlog = layerPostgres({ url: postgresUrl(), schema, poolSize: 2 }).pipe(
        Layer.provide(Layer.succeed(RemovalSchedule)({ ...shortDelays, interval: Duration.hours(1) }))
      )
      yield* Effect.gen(function* () {
        const owner = yield* AuditService
        yield* isDone
        expect((yield* owner.redact({ id: "c9", parts: ["body"], ...why })).state).toBe("erased from reads")
        yield* isDone
        expect((yield* owner.erasures()).length).toBe(2)
      }).pipe(Effect.provide(backlog))
      expect(yield* findShadowSchemas).toEqual([])
    })
  )

  const whenLong = isLong ? test : skipped
  whenLong(
    "commands of several processes continue during removals, and the log and the read model stay consistent",
    Effect.gen(function* () {
      const { audit } = yield* redacted
      const pools = yield* Effect.all([pool(), pool()])
      const state = { runs: true, commands: 0 }
      const work = yield* Effect.forEach(
        pools,
        ({ audit: auditor, backlog }, index) =>
          Effect.gen(function* () {
            while (state.runs) {
              const id = `p${index}-${state.commands++}`
              yield* backlog.create({ id, title: "T", body: "B", actor, commandId: id })
              const claimed = Option.getOrThrow(yield* backlog.claim({ owner: `w${index}`, actor }))
              yield* backlog.complete({ id: claimed.id, token: claimed.claimToken ?? 0, actor })
              if (state.commands % 200 === 0) yield* auditor.redact({ id, parts: ["body"], ...why })
            }
          }),
        { concurrency: "unbounded" }
      ).pipe(Effect.forkChild)
      yield* audit.redact({ id: "c20", parts: ["body"], ...why })
      yield* audit.removeErased()
      expect((yield* audit.verify()).divergences).toEqual([])
      state.runs = false
      yield* Fiber.join(work)
      expect(state.commands).toBeGreaterThan(0)
    })
  )
})
