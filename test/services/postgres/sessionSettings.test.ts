import { Context, DateTime, Effect, Layer, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { describe, expect, it as plainIt } from "vitest"
import { layer } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { toDatabaseError } from "../../../src/cli/databaseErrors.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { MigrationRefused, Migrations } from "../../../src/services/schema/Migrations.ts"
import { layerPostgresClient } from "../../../src/services/postgres/PostgresClient.ts"
import { simulate } from "../../../src/testing/index.ts"
import {
  type Client,
  currentClient,
  eventsOf,
  freshBacklog,
  freshSchema,
  postgresClient,
  postgresUrl,
  tables,
  type TestBacklog,
  within
} from "../../support/backlogs.ts"
import { json } from "../../cli/support.ts"
import { shadowingSchema, unusualSettings, withSettings } from "../../support/sessionSettings.ts"
import { verifiesItself, verifyBacklog } from "../../support/verifyBacklog.ts"

const clientWith = (settings: Readonly<Record<string, string>>, url = postgresUrl()) =>
  layerPostgresClient({ url: withSettings(url, settings), poolSize: 4 })

/** An empty backlog over a client, and the client. */
const inOwn = (client: ReturnType<typeof clientWith>) => Layer.provideMerge(Layer.fresh(freshBacklog), client)

/** Runs every kind of statement, with values that are read differently under some settings. */
const useEverything = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  const { sql } = yield* tables
  yield* backlog.createMany({
    cards: [
      { id: "a", title: String.raw`back\slash and 'quotes' "NULL"`, acceptance: { text: String.raw`\x41` } },
      { id: "b", title: "NULL", phase: "NULL", dependsOn: ["a"] },
      { id: "c", title: "é한😀" }
    ],
    actor: "ann"
  })
  expect(yield* eventsOf("c")).toMatchObject([{ type: "CardCreated", title: "é한😀" }])
  const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w", commandId: "one" }))
  expect(claimed).toMatchObject({
    id: "a",
    blockedReason: null,
    phase: null,
    title: String.raw`back\slash and 'quotes' "NULL"`
  })
  expect(yield* backlog.claim({ owner: "w", actor: "w", commandId: "one" })).toEqual(Option.some(claimed))
  // In the caller's own transaction, which has the session's settings.
  yield* sql
    .withTransaction(
      backlog.complete({ id: "a", token: claimed.claimToken ?? undefined, result: { done: true }, actor: "w" })
    )
    .pipe(Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL READ COMMITTED"))
  yield* backlog.create({ id: "d", title: "D", actor: "ann" }).pipe(sql.withTransaction)
  // Without a phase, and with a phase that looks like the null of an array.
  expect(yield* backlog.awaitClaimable({}).pipe(Effect.timeout("20 seconds"))).toBeDefined()
  expect(yield* backlog.awaitClaimable({ phase: "NULL" }).pipe(Effect.timeout("20 seconds"))).toBeDefined()
  expect(yield* backlog.stats).toMatchObject({ counts: { done: 1 } })
  expect(yield* backlog.explain("b")).toBeDefined()
  expect((yield* backlog.list({ status: "ready" })).map(({ id }) => id)).toEqual(["b", "c", "d"])
  const createdAt = DateTime.makeUnsafe("1900-01-01T00:00:00.000Z")
  yield* backlog.create({ id: "old", title: "Old", priority: 9, occurredAt: createdAt, actor: "ann" })
  const claimedOld = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
  expect([claimedOld.id, claimedOld.createdAt]).toEqual(["old", createdAt])
  // The caller's own transaction keeps its search path.
  const path = sql<{ readonly path: string }>`SELECT pg_catalog.current_setting('search_path') AS path`
  const redaction = audit.redact({ id: "c", parts: ["title"], actor: "ann", reason: "asked" })
  expect(yield* sql.withTransaction(Effect.andThen(redaction, path))).toEqual(yield* path)
  const lines = yield* Stream.runCollect(audit.exportLog)
  yield* audit.rebuild()
  const other = yield* Layer.build(Layer.fresh(freshBacklog))
  yield* within(other)(
    Effect.gen(function* () {
      const imported = Context.get(other, AuditService)
      yield* imported.importLog(Stream.fromIterable(Array.from(lines, (text, index) => ({ number: index + 1, text }))))
      yield* verifyBacklog
      yield* verifiesItself
    })
  )
})

/** The settings of a batch when it writes. */
const settingsOfBatches = Effect.gen(function* () {
  const { events, schema, sql } = yield* tables
  const seen = sql(`${schema}.seen`)
  yield* sql`CREATE TABLE ${seen} (name text, setting text)`
  yield* sql.unsafe(`CREATE FUNCTION ${schema}.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO ${schema}.seen SELECT name, pg_catalog.current_setting(name)
      FROM pg_catalog.unnest(ARRAY['jit', 'search_path', 'transaction_isolation', 'synchronous_commit']) AS name;
    RETURN NULL; END $$`)
  yield* sql`CREATE TRIGGER see AFTER INSERT ON ${events} EXECUTE FUNCTION ${sql(`${schema}.see`)}()`
  yield* (yield* BacklogService).create({ id: "a", title: "A", actor: "ann" })
  const rows = yield* sql<{ readonly name: string; readonly setting: string }>`SELECT name, setting FROM ${seen}`
  return { schema, settings: Object.fromEntries(rows.map(({ name, setting }) => [name, setting])) }
})

describe("unusual settings of the session", () => {
  plainIt("on PGlite", (test) => test.skip("an embedded database has no roles whose settings differ"))
})

layer(postgresClient(2), { timeout: "60 seconds", excludeTestServices: true })(
  "unusual settings of the session, on a Postgres server",
  (it) => {
    const inBacklog = <A, E>(
      settings: Readonly<Record<string, string>>,
      body: Effect.Effect<A, E, TestBacklog | Client>
    ) =>
      // Closes what the body opened before its client.
      Effect.provide(Effect.scoped(body), inOwn(clientWith(settings)))

    it.effect("do not change what is written and read", () =>
      Effect.gen(function* () {
        const shadow = yield* shadowingSchema
        const settings = { ...unusualSettings, search_path: `${shadow}, public` }
        yield* inBacklog(settings, Effect.andThen(useEverything, Effect.andThen(verifyBacklog, verifiesItself)))
        yield* inBacklog(settings, simulate({ seed: 3, programs: 3, steps: 8 }))
      })
    )

    it.effect("batches run without JIT, at READ COMMITTED, with the names of pg_catalog first, and durably", () =>
      Effect.gen(function* () {
        const { schema, settings } = yield* inBacklog({ ...unusualSettings, search_path: "" }, settingsOfBatches)
        expect(settings).toEqual({
          jit: "off",
          search_path: `pg_catalog, ${schema}, pg_temp`,
          transaction_isolation: "read committed",
          synchronous_commit: "on"
        })
      })
    )

    it.effect("temporary tables with the names of the backlog's tables do not replace them in commands", () =>
      inBacklog(
        {},
        Effect.gen(function* () {
          const { schema, sql } = yield* tables
          const backlog = yield* BacklogService
          yield* sql.withTransaction(
            Effect.gen(function* () {
              const names = yield* sql<{ readonly name: string }>`
                SELECT relname AS name FROM pg_class WHERE relnamespace = ${schema}::regnamespace AND relkind = 'r'`
              expect(names.length).toBeGreaterThan(10)
              for (const { name } of names) yield* sql`CREATE TEMPORARY TABLE ${sql(name)} (shadow text) ON COMMIT DROP`
              yield* backlog.create({ id: "a", title: "A", actor: "ann", commandId: "one" })
              const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
              yield* backlog.complete({ id: "a", token: claimed.claimToken ?? 0, actor: "w" })
            })
          )
          yield* verifyBacklog
          expect((yield* eventsOf("a")).length).toBe(3)
        })
      )
    )

    it.effect("a new generation is durable, also without live claims", () =>
      Effect.gen(function* () {
        const setting = yield* inBacklog(
          unusualSettings,
          Effect.gen(function* () {
            const { schema, sql } = yield* tables
            yield* sql`CREATE TABLE ${sql(`${schema}.seen`)} (setting text)`
            yield* sql.unsafe(`CREATE FUNCTION ${schema}.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              INSERT INTO ${schema}.seen SELECT pg_catalog.current_setting('synchronous_commit'); RETURN NULL; END $$`)
            // When the transaction commits.
            yield* sql.unsafe(`CREATE CONSTRAINT TRIGGER see AFTER UPDATE ON ${schema}.head DEFERRABLE INITIALLY DEFERRED
              FOR EACH ROW EXECUTE FUNCTION ${schema}.see()`)
            expect((yield* (yield* AuditService).restored({ actor: "ann" })).reclaimed).toEqual([])
            return yield* sql<{ readonly setting: string }>`SELECT setting FROM ${sql(`${schema}.seen`)}`
          })
        )
        expect(new Set(setting.map((row) => row.setting))).toEqual(new Set(["on"]))
      })
    )

    it.effect("programs that start at the same time under SERIALIZABLE apply the migrations once", () =>
      Effect.gen(function* () {
        const client = yield* Layer.build(clientWith({ default_transaction_isolation: "serializable" }))
        yield* within(client)(
          Effect.gen(function* () {
            const schema = yield* freshSchema
            const start = Layer.build(
              Layer.fresh(Migrations.layer).pipe(
                Layer.provide(yield* currentClient),
                Layer.provide(Layer.succeed(BacklogSchema)(schema))
              )
            )
            const started = yield* Effect.all([start, start, start], { concurrency: "unbounded" })
            const isNew = started.map((one) => Context.get(one, Migrations).applied.every((file) => file.isNew))
            expect(isNew.filter(Boolean)).toEqual([true])
          })
        )
      }).pipe(Effect.scoped)
    )

    it.effect("a read-only session can read, and its writes are refused by name", () =>
      Effect.gen(function* () {
        const schema = yield* freshSchema
        const inSchema = (settings: Readonly<Record<string, string>>) =>
          Layer.fresh(BacklogService.layer).pipe(
            Layer.provide(Layer.succeed(BacklogSchema)(schema)),
            Layer.provide(clientWith(settings))
          )
        const create = (id: string) =>
          Effect.flatMap(BacklogService, (own) => own.create({ id, title: "T", actor: "ann" }))
        yield* Effect.provide(create("a"), inSchema({}))
        yield* Effect.gen(function* () {
          expect((yield* (yield* BacklogService).list({})).map(({ id }) => id)).toEqual(["a"])
          const error = toDatabaseError(yield* Effect.flip(create("b")), "db")
          expect(error).toMatchObject({ _tag: "NotPermitted" })
          expect((error as Error).message).toContain("default_transaction_read_only is on")
        }).pipe(Effect.provide(inSchema({ default_transaction_read_only: "on" })))
      }).pipe(Effect.scoped)
    )

    it.effect("a role's client_encoding does not change text", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const name = `latin_${randomBytes(6).toString("hex")}`
        const url = new URL(postgresUrl())
        url.username = name
        yield* Effect.acquireRelease(
          sql.unsafe(`CREATE ROLE ${name} SUPERUSER LOGIN PASSWORD '${decodeURIComponent(url.password)}'`),
          () => Effect.orDie(Effect.andThen(sql.unsafe(`DROP OWNED BY ${name}`), sql.unsafe(`DROP ROLE ${name}`)))
        )
        yield* sql.unsafe(`ALTER ROLE ${name} SET client_encoding = 'LATIN1'`)
        yield* Effect.gen(function* () {
          const backlog = yield* BacklogService
          expect((yield* backlog.create({ id: "a", title: "é한😀", actor: "ann" })).title).toBe("é한😀")
          expect((yield* backlog.list({})).map(({ title }) => title)).toEqual(["é한😀"])
        }).pipe(Effect.provide(inOwn(clientWith({}, url.href))))
      }).pipe(Effect.scoped)
    )

    const refusal = (settings: Readonly<Record<string, string>>, url?: string) =>
      Effect.gen(function* () {
        const client = clientWith(settings, url)
        const refused = yield* Effect.flip(Effect.provide(Layer.build(Layer.fresh(freshBacklog)), client))
        expect(refused).toBeInstanceOf(MigrationRefused)
        return (refused as MigrationRefused).problem
      }).pipe(Effect.scoped)

    it.effect("a search path that puts other functions or operators before those of pg_catalog is refused", () =>
      Effect.gen(function* () {
        const shadow = yield* shadowingSchema
        expect(yield* refusal({ search_path: `${shadow}, pg_catalog` })).toContain(
          `"${shadow}, pg_catalog", puts ${shadow}.`
        )
      })
    )

    it.effect("a search path that shadows nothing of pg_catalog is accepted", () =>
      inBacklog({ search_path: "public, pg_catalog" }, verifyBacklog)
    )

    for (const encoding of ["SQL_ASCII", "LATIN1"]) {
      it.effect(`a database in ${encoding} is refused at start`, () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const name = `encoded_${randomBytes(6).toString("hex")}`
          yield* Effect.acquireRelease(
            sql.unsafe(
              `CREATE DATABASE ${name} TEMPLATE template0 ENCODING ${encoding} LOCALE 'C' LOCALE_PROVIDER libc`
            ),
            () => Effect.orDie(sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`))
          )
          const url = new URL(postgresUrl())
          url.pathname = name
          const text = `the database "${name}" has the encoding ${encoding}`
          expect(yield* refusal({}, url.href)).toContain(text)
          const { code, error } = yield* Effect.promise(() => json(["doctor", "--db", url.href]))
          expect([code, error?._tag]).toEqual([6, "MigrationRefused"])
          expect(error?.message).toContain(text)
        })
      )
    }

    it.effect("a client with another encoding than UTF-8 is refused at start", () =>
      Effect.gen(function* () {
        const client = yield* Layer.build(postgresClient(1))
        const sql = Context.get(client, SqlClient.SqlClient)
        yield* sql`SET client_encoding = 'LATIN1'`
        const refused = yield* Effect.flip(
          within(client)(
            Effect.gen(function* () {
              return yield* Layer.build(Layer.fresh(freshBacklog).pipe(Layer.provide(yield* currentClient)))
            })
          )
        )
        expect(String(refused)).toContain("client_encoding is LATIN1")
      })
    )
  }
)
