import { assert, describe, it } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { Cause, Context, Effect, Exit, Layer, Scope } from "effect"
import { createHash } from "node:crypto"
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { createDatabase, openDatabase } from "../../../src/services/pglite/databaseDirectory.ts"
import { lockDirectory } from "../../../src/services/pglite/DirectoryLock.ts"
import { lockFileName } from "../../../src/services/pglite/lockFiles.ts"
import { type DirectoryOwnership } from "../../../src/services/pglite/DirectoryOwnership.ts"
import { DirectoryLost } from "../../../src/services/files/directoryErrors.ts"
import { layerPgliteClient } from "../../../src/services/pglite/PgliteClient.ts"
import { message, messageType } from "../../../src/services/pglite/wireMessages.ts"
import { temporaryDirectory } from "../../support/childProcess.ts"
import { until } from "../../support/waiting.ts"

/** A database with a table to copy. */
let template = ""
beforeAll(async () => {
  template = await mkdtemp(join(tmpdir(), "backlog-test-"))
  const create = Effect.flatMap(open(join(template, "data")), (sql) => sql`create table numbers (n int primary key)`)
  await Effect.runPromise(Effect.scoped(create))
}, 60_000)
afterAll(() => rm(template, { recursive: true, force: true }))

const noFiles = () => Promise.resolve(undefined)

const open = (dataDir: string): Effect.Effect<PgClient.PgClient, unknown, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(layerPgliteClient({ dataDir }))), (context) =>
    Context.get(context, PgClient.PgClient)
  )

const copyTo = (directory: string) => Effect.promise(() => cp(join(template, "data"), directory, { recursive: true }))

const numbers = (sql: PgClient.PgClient) =>
  Effect.map(sql`select n from numbers order by n`, (rows) => rows.map((row) => Number(row["n"])))

/** Returns the `DirectoryLost` in the error of a statement. */
const lossIn = <A, E>(statement: Effect.Effect<A, E>) =>
  Effect.map(Effect.exit(statement), (exit) => {
    const loss = Exit.isFailure(exit) ? findLoss(Cause.squash(exit.cause)) : undefined
    assert.isDefined(loss, String(exit))
    return loss
  })

const findLoss = (error: unknown): DirectoryLost | undefined => {
  if (error instanceof DirectoryLost || typeof error !== "object" || error === null) return error as DirectoryLost
  const { cause, reason } = error as { readonly cause?: unknown; readonly reason?: { readonly cause?: unknown } }
  return findLoss(reason?.cause ?? cause)
}

/** Returns a hash of the content of all files in a directory. */
const contentOf = async (directory: string): Promise<string> => {
  const hash = createHash("sha256")
  const files = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((file) => file.isFile())
  for (const path of files.map((file) => join(file.parentPath, file.name)).toSorted()) {
    hash.update(path).update(await readFile(path))
  }
  return hash.digest("hex")
}

describe("a directory that this process holds", () => {
  /** A locked directory with the files that are watched in a database. */
  const held = Effect.gen(function* () {
    const directory = join(yield* temporaryDirectory, "data")
    const database = join(directory, "pgdata")
    yield* Effect.promise(async () => {
      await mkdir(join(database, "global"), { recursive: true })
      await writeFile(join(database, "global", "pg_control"), "control")
      await writeFile(join(database, "PG_VERSION"), "18")
    })
    const holder = yield* lockDirectory(directory)
    for (const name of ["pgdata", "pgdata/global/pg_control"]) holder.watch(name, false)
    holder.watch("pgdata/PG_VERSION", true)
    return { directory, database, holder }
  })
  const other = async (directory: string): Promise<void> => {
    await rename(directory, `${directory}-moved`)
    await cp(`${directory}-moved`, directory, { recursive: true, filter: (path) => !path.endsWith(".live") })
  }
  const lock = (directory: string) => join(directory, lockFileName)
  const losses: ReadonlyArray<readonly [string, RegExp, (directory: string, database: string) => Promise<unknown>]> = [
    ["is removed", /it was moved or removed/, (directory) => rm(directory, { recursive: true })],
    ["is moved", /it was moved or removed/, (directory) => rename(directory, `${directory}-moved`)],
    ["is replaced by a copy of itself", /another lock file/, other],
    [
      "is replaced by an empty one",
      /another directory is in that place/,
      async (directory) => {
        await rename(directory, `${directory}-moved`)
        await mkdir(directory)
      }
    ],
    [
      "is replaced by a link to another",
      /another lock file/,
      async (directory) => {
        await other(directory)
        await rename(directory, `${directory}-copy`)
        await symlink(`${directory}-copy`, directory)
      }
    ],
    ["loses its lock file", /lock file is not there/, (directory) => rm(lock(directory))],
    [
      "gets the lock file of another process",
      /another process has taken its lock/,
      (directory) => writeFile(lock(directory), JSON.stringify({ nonce: "a".repeat(32) }))
    ],
    ["loses its database", /moved or removed/, (_, database) => rm(database, { recursive: true })],
    [
      "gets another database",
      /pgdata in it was replaced/,
      async (_, database) => {
        await rename(database, `${database}-old`)
        await cp(`${database}-old`, database, { recursive: true })
      }
    ],
    [
      "gets files from a backup",
      /pg_control in it was replaced/,
      async (_, database) => {
        await rm(join(database, "global", "pg_control"))
        await writeFile(join(database, "global", "pg_control"), "control")
      }
    ],
    [
      "is overwritten",
      /PG_VERSION in it was overwritten/,
      (_, database) => writeFile(join(database, "PG_VERSION"), "18")
    ]
  ]
  it.live("is lost permanently when it, its lock or its database is replaced", () =>
    Effect.gen(function* () {
      for (const [name, reason, lose] of losses) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { database, directory, holder } = yield* held
            holder.check()
            // The next change must have another time.
            yield* Effect.sleep("20 millis")
            yield* Effect.promise(() => lose(directory, database))
            assert.throws(holder.check, reason)
            assert.isTrue(holder.isLost, name)
            assert.throws(holder.check, DirectoryLost)
          })
        )
      }
    })
  )

  it.live("is not lost when its content or permissions change, or it is reached by another path", () =>
    Effect.gen(function* () {
      const { database, directory, holder } = yield* held
      yield* Effect.promise(async () => {
        await writeFile(join(database, "global", "pg_control"), "another")
        await utimes(directory, 1, 1)
        await chmod(lock(directory), 0o640)
        await chmod(join(database, "PG_VERSION"), 0o640)
      })
      holder.check()
      yield* Effect.promise(async () => {
        await rename(directory, `${directory}-moved`)
        await symlink(`${directory}-moved`, directory)
      })
      holder.check()
    })
  )
})

describe("an engine whose directory is lost during a statement", () => {
  // Operations on a path call `check`, and operations on an open file call `checkIfStale`. The first statement opens
  // every file that the second one needs, so that no other operation is checked before.
  const statements = [
    { text: "select n from numbers", first: "select 1", failing: "check", at: "opens a file" },
    { text: "create table more (n int)", first: "create table other (n int)", failing: "check", at: "creates a file" },
    {
      text: "insert into numbers values (2)",
      first: "insert into numbers values (1)",
      failing: "checkIfStale",
      at: "writes to an open file"
    }
  ]
  it.live.each(statements)("writes nothing more, also when it is closed, if it $at", ({ failing, first, text }) =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "data")
      yield* copyTo(directory)
      const lost = new DirectoryLost({ directory, reason: "lost by the test" })
      let left = Number.POSITIVE_INFINITY
      const lose = () => {
        if (left-- <= 0) throw lost
      }
      const nothing = () => undefined
      const owner = {
        check: nothing,
        checkIfStale: nothing,
        watch: nothing,
        unwatch: nothing,
        [failing]: lose
      } as unknown
      const engine = yield* Effect.promise(() => openDatabase(directory, owner as DirectoryOwnership))
      yield* Effect.promise(() => engine.run(message(messageType.query, first)))
      const before = yield* Effect.promise(() => contentOf(directory))
      // `check` is called once before the message.
      left = failing === "check" ? 1 : 0
      const statement = message(messageType.query, text)
      const failed = yield* Effect.promise(() => engine.run(statement).catch((error: unknown) => error))
      assert.strictEqual(failed, lost)
      yield* Effect.promise(() => engine.close())
      assert.strictEqual(yield* Effect.promise(() => contentOf(directory)), before)
    })
  )

  it.live("creates no database in the new directory", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const error = new DirectoryLost({ directory, reason: "lost by the test" })
      const check = () => {
        throw error
      }
      const owner = { check } as unknown as DirectoryOwnership
      const failed = yield* Effect.promise(() =>
        createDatabase(directory, owner, noFiles).catch((cause: unknown) => cause)
      )
      assert.strictEqual(failed, error)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(directory)), [])
    })
  )
})

describe("a program whose directory was replaced", () => {
  it.live("fails with the programs that it served, and does not change the new backlog", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "data")
      yield* copyTo(directory)
      const holderScope = yield* Scope.make()
      const holder = yield* Scope.provide(open(directory), holderScope)
      const client = yield* open(directory)
      yield* client`insert into numbers values (1)`
      yield* Effect.promise(() => rename(directory, `${directory}-moved`))
      yield* copyTo(directory)
      const next = yield* open(directory)
      yield* next`insert into numbers values (2)`

      const loss = yield* lossIn(holder`insert into numbers values (3)`)
      assert.include(loss?.message, `no longer owns the backlog in ${directory}`)
      yield* lossIn(numbers(holder))
      // It fails once, and then uses the new directory, through the process that holds it.
      assert.deepStrictEqual(yield* Effect.retry(numbers(client), { times: 20 }), [2])
      yield* Scope.close(holderScope, Exit.void)
      yield* next`insert into numbers values (4)`
      assert.deepStrictEqual(yield* numbers(client), [2, 4])
      // The lock was removed from the moved directory, which has every acknowledged row.
      const moved = yield* open(`${directory}-moved`)
      assert.deepStrictEqual(yield* numbers(moved), [1])
    })
  )

  it.live("releases a directory that was moved, also when it is idle", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "data")
      yield* copyTo(directory)
      yield* open(directory)
      yield* Effect.promise(() => rename(directory, `${directory}-moved`))
      yield* until(
        Effect.map(
          Effect.promise(() => readdir(`${directory}-moved`)),
          (names) => !names.includes(lockFileName)
        )
      )
      assert.deepStrictEqual(yield* numbers(yield* open(`${directory}-moved`)), [])
    })
  )

  it.live("does not damage the database of the process that took the lock", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "data")
      yield* copyTo(directory)
      const holderScope = yield* Scope.make()
      const holder = yield* Scope.provide(open(directory), holderScope)
      yield* holder`insert into numbers values (1)`
      yield* Effect.promise(() => rm(join(directory, lockFileName)))
      const next = yield* open(directory)
      yield* next`insert into numbers values (2)`
      yield* lossIn(holder`insert into numbers values (3)`)
      yield* Scope.close(holderScope, Exit.void)
      yield* next`insert into numbers values (4)`
      assert.deepStrictEqual(yield* numbers(next), [1, 2, 4])
    })
  )
})
