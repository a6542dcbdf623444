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
import { copyEmptyDatabase } from "../../support/pgliteTemplates.ts"
import { until } from "../../support/waiting.ts"

/** A database with a table to copy. */
let template = ""
beforeAll(async () => {
  template = await mkdtemp(join(tmpdir(), "backlog-test-"))
  await copyEmptyDatabase(join(template, "data"))
  const create = Effect.flatMap(open(join(template, "data")), (sql) => sql`create table numbers (n int primary key)`)
  await Effect.runPromise(Effect.scoped(create))
}, 60_000)
afterAll(() => rm(template, { recursive: true, force: true }))

const open = (dataDir: string): Effect.Effect<PgClient.PgClient, unknown, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(layerPgliteClient({ dataDir }))), (context) =>
    Context.get(context, PgClient.PgClient)
  )

const copyTo = (directory: string) => Effect.promise(() => cp(join(template, "data"), directory, { recursive: true }))

const numbers = (sql: PgClient.PgClient) =>
  Effect.map(sql`select n from numbers order by n`, (rows) => rows.map((row) => Number(row["n"])))

/** The error that says that the directory was lost, wherever it is in what a statement fails with. */
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

/** All files of a directory, by their content. */
const contentOf = async (directory: string): Promise<string> => {
  const hash = createHash("sha256")
  const files = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((file) => file.isFile())
  for (const path of files.map((file) => join(file.parentPath, file.name)).toSorted()) {
    hash.update(path).update(await readFile(path))
  }
  return hash.digest("hex")
}

describe("a directory that this process holds", () => {
  /** A small stand-in for a directory with a database, held. */
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
  it.live("is lost when it is no longer the same, and stays lost", () =>
    Effect.gen(function* () {
      for (const [name, reason, lose] of losses) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { database, directory, holder } = yield* held
            holder.check()
            // So that the next change has another time.
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

describe("an engine whose directory is lost in mid-statement", () => {
  // `check` fails alone where a path is used, and `checkIfStale` where a file is open already. What runs first opens every
  // file that the statement needs, so that nothing else is checked before.
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
  it.live.each(statements)(
    "writes nothing more, returns nothing, and does not write when it is closed, if it $at",
    ({ failing, first, text }) =>
      Effect.gen(function* () {
        const directory = join(yield* temporaryDirectory, "data")
        yield* copyTo(directory)
        const lost = new DirectoryLost({ directory, reason: "the test says so" })
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

  it.live("creates no database in the directory that is there by then", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const error = new DirectoryLost({ directory, reason: "the test says so" })
      const check = () => {
        throw error
      }
      const owner = { check } as unknown as DirectoryOwnership
      const failed = yield* Effect.promise(() => createDatabase(directory, owner).catch((cause: unknown) => cause))
      assert.strictEqual(failed, error)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(directory)), [])
    })
  )
})

describe("a program whose directory was replaced", () => {
  it.live("fails from then on, with those that it served, and leaves the new backlog as it is", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "data")
      yield* copyTo(directory)
      const holderScope = yield* Scope.make()
      const holder = yield* Scope.provide(open(directory), holderScope)
      const guest = yield* open(directory)
      yield* guest`insert into numbers values (1)`
      yield* Effect.promise(() => rename(directory, `${directory}-moved`))
      yield* copyTo(directory)
      const next = yield* open(directory)
      yield* next`insert into numbers values (2)`

      const loss = yield* lossIn(holder`insert into numbers values (3)`)
      assert.include(loss?.message, `no longer owns the backlog in ${directory}`)
      yield* lossIn(numbers(holder))
      // It is told once, and then works on what is in that place, through the process that holds it.
      assert.deepStrictEqual(yield* Effect.retry(numbers(guest), { times: 20 }), [2])
      yield* Scope.close(holderScope, Exit.void)
      yield* next`insert into numbers values (4)`
      assert.deepStrictEqual(yield* numbers(guest), [2, 4])
      // The lock that it had is gone from the directory that was moved, which keeps what was answered there.
      const moved = yield* open(`${directory}-moved`)
      assert.deepStrictEqual(yield* numbers(moved), [1])
    })
  )

  it.live("releases a directory that was moved, though it has nothing to do", () =>
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

  it.live("loses nothing of a process that took the lock, and opens nothing itself", () =>
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
