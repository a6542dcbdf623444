import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { lockFileName } from "../../../src/services/pglite/lockFiles.ts"
import { DirectoryUnusable } from "../../../src/services/files/directoryErrors.ts"
import { socketFolder } from "../../../src/services/pglite/directorySocket.ts"
import { layerPgliteClient } from "../../../src/services/pglite/PgliteClient.ts"
import { child, temporaryDirectory } from "../../support/childProcess.ts"

/** The names of the files, without the liveness sockets of holders. */
const namesIn = (directory: string) =>
  Effect.promise(async () => (await readdir(directory)).filter((name) => !name.endsWith(".live")).toSorted())

/** Opens the database of a directory, calls `use`, and closes the database. */
const inDirectory = <A, E>(dataDir: string, use: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>) =>
  SqlClient.SqlClient.pipe(
    Effect.flatMap(use),
    Effect.provide(Layer.fresh(layerPgliteClient({ dataDir, lockWait: "5 seconds" })))
  )

const refusal = (dataDir: string) =>
  Effect.map(Effect.flip(inDirectory(dataDir, (sql) => sql`select 1`)), (error) => {
    assert.instanceOf(error, DirectoryUnusable)
    return error.message
  })

const reasonOf = <A, R>(statement: Effect.Effect<A, { readonly reason: { readonly _tag: string } }, R>) =>
  Effect.map(Effect.flip(statement), (error) => error.reason._tag)

layer(layerPgliteClient(), { timeout: "60 seconds", excludeTestServices: true })("a database in memory", (memory) => {
  memory.effect("has the version that directories are checked for, and the time zone UTC", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql`select current_setting('server_version_num')::int / 10000 as major,
        current_setting('timezone') as zone, current_setting('synchronous_commit') as commit`
      assert.deepStrictEqual(rows, [{ major: 18, zone: "UTC", commit: "on" }])
    })
  )

  memory.effect("sends and receives messages of several MiB", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const names = Array.from({ length: 100_000 }, (_, index) => `card-${index}`)
      assert.deepStrictEqual(yield* sql`select count(*)::int as n from unnest(${names}::text[])`, [{ n: 100_000 }])
      const text = "é".repeat(1024 * 1024)
      assert.isTrue((yield* sql`select ${text}::text as text`)[0]?.["text"] === text)
    })
  )

  memory.effect("continues after errors outside and inside of transactions and savepoints", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`create table items (id int primary key)`
      yield* sql`create function refuse() returns trigger language plpgsql as
        $$ begin if new.id < 0 then raise exception 'negative'; end if; return new; end $$`
      yield* sql`create trigger refuse before insert on items for each row execute function refuse()`
      const insert = (id: number) => sql`insert into items values (${id})`
      const ids = Effect.map(sql`select id from items order by id`, (rows) => rows.map((row) => row["id"]))

      yield* insert(1)
      assert.strictEqual(yield* reasonOf(insert(1)), "UniqueViolation")
      assert.strictEqual(yield* reasonOf(insert(-1)), "UnknownError")
      assert.strictEqual(yield* reasonOf(sql`selec 1`), "SqlSyntaxError")
      assert.deepStrictEqual(yield* ids, [1])

      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* insert(2)
          assert.strictEqual(yield* reasonOf(sql.withTransaction(insert(1))), "UniqueViolation")
          assert.strictEqual(yield* reasonOf(sql.withTransaction(insert(-1))), "UnknownError")
          assert.strictEqual(yield* reasonOf(sql.withTransaction(sql`selec 1`)), "SqlSyntaxError")
          yield* sql.withTransaction(insert(3))
        })
      )
      yield* reasonOf(sql.withTransaction(Effect.andThen(insert(4), insert(4))))
      assert.deepStrictEqual(yield* ids, [1, 2, 3])
    })
  )

  memory.effect("separates the transaction of one fiber from the statements of others", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`create table counter (n int)`
      yield* sql`insert into counter values (0)`
      const increment = sql.withTransaction(
        Effect.gen(function* () {
          const n = Number((yield* sql`select n from counter`)[0]?.["n"])
          yield* Effect.yieldNow
          yield* sql`update counter set n = ${n + 1}`
        })
      )
      yield* Effect.all(
        Array.from({ length: 20 }, () => increment),
        { concurrency: "unbounded" }
      )

      const undone = yield* Effect.forkChild(
        sql.withTransaction(Effect.andThen(sql`update counter set n = 1000`, Effect.fail("undone"))).pipe(Effect.flip)
      )
      const seen = yield* Effect.all(
        Array.from({ length: 5 }, () => sql`select n from counter`),
        { concurrency: "unbounded" }
      )
      yield* Fiber.join(undone)
      assert.deepStrictEqual(
        seen.map((rows) => rows[0]?.["n"]),
        Array.from({ length: 5 }, () => 20)
      )
    })
  )

  memory.effect("continues after an interrupted statement and an interrupted transaction", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`create table attempts (n int)`
      const sleeping = yield* Effect.forkChild(sql`select pg_sleep(0.2)`)
      const waiting = yield* Effect.forkChild(
        sql.withTransaction(Effect.andThen(sql`insert into attempts values (1)`, Effect.never))
      )
      yield* Effect.sleep("50 millis")
      yield* Fiber.interrupt(sleeping)
      yield* Fiber.interrupt(waiting)
      assert.deepStrictEqual(yield* sql`select n from attempts`, [])
    })
  )
})

describe("a database in a directory", () => {
  /** A database with a table to copy. */
  let template = ""
  beforeAll(async () => {
    template = await mkdtemp(join(tmpdir(), "backlog-test-"))
    await Effect.runPromise(inDirectory(join(template, "data"), (sql) => sql`create table numbers (n int primary key)`))
  })
  afterAll(() => rm(template, { recursive: true, force: true }))

  const copiedDirectory = Effect.tap(
    Effect.map(temporaryDirectory, (parent) => join(parent, "data")),
    (directory) => Effect.promise(() => cp(join(template, "data"), directory, { recursive: true }))
  )
  const numbersIn = (directory: string) =>
    inDirectory(directory, (sql) => sql`select n from numbers order by n`).pipe(
      Effect.map((rows) => rows.map((row) => Number(row["n"])))
    )

  it.live("is created with its parent directories, and persists after it was closed and released", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "a", "b")
      yield* inDirectory(directory, (sql) =>
        Effect.gen(function* () {
          yield* sql`create table kept (n int)`
          yield* sql`insert into kept values (1)`
          assert.deepStrictEqual(yield* namesIn(directory), [lockFileName, socketFolder, "pgdata"])
        })
      )
      assert.deepStrictEqual(yield* namesIn(directory), ["pgdata"])
      assert.deepStrictEqual(yield* inDirectory(directory, (sql) => sql`select n from kept`), [{ n: 1 }])
    })
  )

  it.live("is released when its user is interrupted", () =>
    Effect.gen(function* () {
      const directory = yield* copiedDirectory
      const using = yield* Effect.forkChild(
        inDirectory(directory, (sql) => Effect.andThen(sql`insert into numbers values (1)`, Effect.never))
      )
      while (!(yield* namesIn(directory)).includes(lockFileName)) yield* Effect.sleep("10 millis")
      yield* Fiber.interrupt(using)
      assert.deepStrictEqual(yield* namesIn(directory), ["pgdata"])
    })
  )

  it.live("can be used by the next process after its creator was killed at any moment", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "data")
      for (const base of [200, 700, 1_200]) {
        const creator = yield* child("open", directory)
        yield* creator.awaitLine("started")
        yield* Effect.sleep(base + Math.random() * 1_000)
        yield* creator.kill
      }
      yield* inDirectory(directory, (sql) => sql`create table numbers (n int primary key)`)
      assert.deepStrictEqual(yield* namesIn(directory), ["pgdata"])
    })
  )

  it.live("has every acknowledged row after its writer was killed", () =>
    Effect.gen(function* () {
      const directory = yield* copiedDirectory
      let last = 0
      for (let round = 0; round < 3; round++) {
        const writer = yield* child("write", directory)
        yield* writer.awaitLine(String(last + 1))
        yield* Effect.sleep(100 + Math.random() * 400)
        yield* writer.kill
        const acknowledged = Number(writer.lines.at(-1))
        const found = yield* numbersIn(directory)
        last = found.length
        // The row that was being written may exist too.
        assert.include([acknowledged, acknowledged + 1], last)
        assert.strictEqual(found.at(-1), last)
      }
    })
  )

  it.live("fails with a connection error when the engine crashes, loses nothing, and continues with a new engine", () =>
    Effect.gen(function* () {
      const directory = yield* copiedDirectory
      yield* inDirectory(directory, (sql) =>
        Effect.gen(function* () {
          yield* sql`insert into numbers values (1)`
          const nested = "[".repeat(50_000) + "]".repeat(50_000)
          assert.strictEqual(yield* reasonOf(sql`select ${nested}::jsonb`), "ConnectionError")
          yield* sql`insert into numbers values (2)`
        })
      )
      assert.deepStrictEqual(yield* namesIn(directory), ["pgdata"])
      assert.deepStrictEqual(yield* numbersIn(directory), [1, 2])
    })
  )

  it.live("is refused in a file or in a directory of other files", () =>
    Effect.gen(function* () {
      const parent = yield* temporaryDirectory
      const file = join(parent, "file")
      const foreign = join(parent, "foreign")
      yield* Effect.promise(async () => {
        await writeFile(file, "mine")
        await mkdir(foreign)
        await writeFile(join(foreign, "letter.txt"), "mine")
      })
      assert.include(yield* refusal(file), "is a file")
      assert.include(yield* refusal(join(file, "below")), "is a file")
      assert.include(yield* refusal(foreign), "not a backlog directory")
      assert.deepStrictEqual(yield* namesIn(foreign), ["letter.txt"])
      assert.strictEqual(yield* Effect.promise(() => readFile(file, "utf8")), "mine")
    })
  )

  // Root can write everywhere else.
  it.live.skipIf(process.platform !== "linux")("is refused in a directory that is not writable", () =>
    Effect.gen(function* () {
      assert.include(yield* refusal("/proc/backlog"), "/proc/backlog cannot be used")
    })
  )

  it.live("is refused when it is not a database, has another version, or is damaged", () =>
    Effect.gen(function* () {
      const { exitCode } = process
      const directory = yield* copiedDirectory
      const pgdata = join(directory, "pgdata")
      yield* Effect.promise(() => truncate(join(pgdata, "global", "pg_control"), 100))
      assert.include(yield* refusal(directory), "does not open")
      yield* Effect.promise(() => writeFile(join(pgdata, "PG_VERSION"), "14\n"))
      assert.include(yield* refusal(directory), "Postgres 14")
      yield* Effect.promise(() => rm(join(pgdata, "PG_VERSION")))
      assert.include(yield* refusal(directory), "is not a database")
      assert.deepStrictEqual(yield* namesIn(directory), ["pgdata"])
      assert.strictEqual(process.exitCode, exitCode)
    })
  )
})
