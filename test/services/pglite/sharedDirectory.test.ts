import { assert, describe, it } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Exit, Fiber, Layer, Queue, Scope } from "effect"
import { once } from "node:events"
import { chmod, cp, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { listSocketPlaces } from "../../../src/services/pglite/directorySocket.ts"
import { layerPgliteClient } from "../../../src/services/pglite/PgliteClient.ts"
import { openSharedDirectory } from "../../../src/services/pglite/SharedDirectory.ts"
import { message, messageType } from "../../../src/services/pglite/wireMessages.ts"
import { child, temporaryDirectory } from "../../support/childProcess.ts"
import { until } from "../../support/waiting.ts"

type Sql = PgClient.PgClient

/** A database with tables to copy. */
let template = ""
beforeAll(async () => {
  template = await mkdtemp(join(tmpdir(), "backlog-test-"))
  const create = Effect.gen(function* () {
    const sql = yield* open(join(template, "data"))
    yield* sql`create table numbers (n int primary key)`
    yield* sql`create table counter as select 0 as n`
  })
  await Effect.runPromise(Effect.scoped(create))
}, 60_000)
afterAll(() => rm(template, { recursive: true, force: true }))

/** Opens a client of the directory, which is closed with the scope. */
const open = (dataDir: string): Effect.Effect<Sql, unknown, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(layerPgliteClient({ dataDir }))), (context) =>
    Context.get(context, PgClient.PgClient)
  )

const copyTo = (directory: string) => Effect.promise(() => cp(join(template, "data"), directory, { recursive: true }))
const copied = Effect.gen(function* () {
  const directory = join(yield* temporaryDirectory, "data")
  yield* copyTo(directory)
  return directory
})

/** Two programs that share a directory. The first one holds it. */
const pair = Effect.gen(function* () {
  const directory = yield* copied
  const holderScope = yield* Scope.fork(yield* Scope.Scope)
  const holder = yield* Scope.provide(open(directory), holderScope)
  const client = yield* open(directory)
  return { directory, holder, client, endHolder: Scope.close(holderScope, Exit.void) }
})

const numbers = (sql: Sql) =>
  Effect.map(sql`select n from numbers order by n`, (rows) => rows.map((row) => Number(row["n"])))

const socketOf = (directory: string) => Effect.promise(async () => (await listSocketPlaces(directory))[0]?.path ?? "")

const introduction = Buffer.from("\0\0\0\x17\0\x03\0\0user\0postgres\0\0")
const query = (text: string) => message(messageType.query, text)

/** Connects to the socket of a directory and sends arbitrary bytes. */
const raw = (directory: string, ...sent: ReadonlyArray<Buffer>) =>
  Effect.gen(function* () {
    const path = yield* socketOf(directory)
    const socket = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const connected = connect({ path })
        await once(connected, "connect")
        return connected.on("error", () => undefined)
      }),
      (connected) => Effect.sync(() => connected.destroy())
    )
    const received: Array<Buffer> = []
    socket.on("data", (chunk) => received.push(chunk))
    for (const bytes of sent) socket.write(bytes)
    return { socket, received: () => Buffer.concat(received).toString("latin1") }
  })

const closed = (socket: Socket) => until(Effect.sync(() => socket.closed))

describe("a directory that two programs use", () => {
  it.live("separates the transactions of the two", () =>
    Effect.gen(function* () {
      const { client, holder } = yield* pair
      const increment = (sql: Sql) =>
        sql.withTransaction(
          Effect.gen(function* () {
            const n = Number((yield* sql`select n from counter`)[0]?.["n"])
            yield* Effect.sleep("1 millis")
            yield* sql`update counter set n = ${n + 1}`
          })
        )
      yield* Effect.all(
        Array.from({ length: 20 }, (_, index) => increment(index % 2 === 0 ? holder : client)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(yield* client`select n from counter`, [{ n: 20 }])
    })
  )

  it.live("does not share session settings, and drops prepared statements when a program ends", () =>
    Effect.gen(function* () {
      const { directory, holder } = yield* pair
      const state = (sql: Sql) =>
        sql`select current_setting('work_mem') as memory, current_user::text as role, to_regclass('pg_temp.mine')::text as mine,
          (select count(*)::int from pg_locks where locktype = 'advisory') as locks`
      const prepared = Effect.map(
        holder`select count(*)::int as n from pg_prepared_statements where statement = 'select n from counter where n > 0'`,
        (rows) => Number(rows[0]?.["n"])
      )
      const clean = yield* state(holder)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* open(directory)
          yield* client`set work_mem = '77MB'`
          yield* client`create temporary table mine (n int)`
          yield* client`select pg_advisory_lock(7)::text`
          yield* client`set role pg_read_all_data`
          assert.notDeepEqual(yield* state(client), clean)
          assert.deepStrictEqual(yield* state(holder), clean)
          yield* client`select n from counter where n > 0`
          assert.strictEqual(yield* prepared, 1)
        })
      )
      yield* until(Effect.map(prepared, (n) => n === 0))
    })
  )

  it.live("delivers notifications to each listener, also after another program stopped listening", () =>
    Effect.gen(function* () {
      const { client, holder } = yield* pair
      const received = (queue: Queue.Dequeue<{ readonly payload: string }, unknown>) =>
        Effect.map(Queue.take(queue), ({ payload }) => payload)
      const byClient = yield* client.listen("news")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const byHolder = yield* holder.listen("news")
          yield* holder.notify("other", "nobody")
          yield* holder.notify("news", "from the holder")
          yield* client.notify("news", "from the client")
          for (const queue of [byClient, byHolder]) {
            assert.deepStrictEqual(
              [yield* received(queue), yield* received(queue)],
              ["from the holder", "from the client"]
            )
          }
        })
      )
      yield* holder.withTransaction(holder`unlisten *`)
      yield* holder.notify("news", "later")
      assert.strictEqual(yield* received(byClient), "later")
    })
  )

  it.live("sends messages of several MiB, and errors that leave the transaction usable", () =>
    Effect.gen(function* () {
      const { client } = yield* pair
      const text = "é".repeat(2 * 1024 * 1024)
      assert.isTrue((yield* client`select ${text}::text as text`)[0]?.["text"] === text)
      yield* client.withTransaction(
        Effect.gen(function* () {
          yield* client`insert into numbers values (1)`
          const again = yield* Effect.flip(client.withTransaction(client`insert into numbers values (1)`))
          assert.strictEqual(again.reason._tag, "UniqueViolation")
        })
      )
      assert.deepStrictEqual(yield* numbers(client), [1])
    })
  )

  it.live("has a socket that only its user can reach", () =>
    Effect.gen(function* () {
      const { directory } = yield* pair
      const path = yield* socketOf(directory)
      const mode = (of: string) => Effect.promise(async () => (await stat(of)).mode & 0o777)
      assert.strictEqual(dirname(dirname(path)), directory)
      assert.strictEqual(yield* mode(path), 0o600)
      assert.strictEqual(yield* mode(dirname(path)), 0o700)
    })
  )

  it.live("is shared under a long path, and under two paths", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "d".repeat(100), "data")
      yield* copyTo(directory)
      const other = join(yield* temporaryDirectory, "link")
      yield* Effect.promise(() => symlink(directory, other))
      const holder = yield* open(directory)
      const client = yield* open(other)
      yield* holder`insert into numbers values (1)`
      assert.deepStrictEqual(yield* numbers(client), [1])
      const path = yield* socketOf(directory)
      assert.isTrue(path.startsWith(tmpdir()))
      assert.strictEqual(yield* Effect.promise(async () => (await stat(dirname(path))).mode & 0o777), 0o700)
      const names = yield* Effect.promise(async () => (await readdir(directory)).toSorted())
      assert.deepStrictEqual(
        names.filter((name) => !name.endsWith(".live")),
        // Linux has a shorter path to the folder.
        process.platform === "linux" ? ["backlog.lock", "backlog.socket", "pgdata"] : ["backlog.lock", "pgdata"]
      )
    })
  )

  it.live("replaces a file in the place of its socket", () =>
    Effect.gen(function* () {
      const directory = yield* copied
      const path = yield* socketOf(directory)
      yield* Effect.promise(async () => {
        await mkdir(dirname(path))
        await writeFile(path, "mine")
        await chmod(dirname(path), 0o777)
      })
      const holder = yield* open(directory)
      const client = yield* open(directory)
      yield* client`insert into numbers values (1)`
      assert.deepStrictEqual(yield* numbers(holder), [1])
      assert.strictEqual(yield* Effect.promise(async () => (await stat(dirname(path))).mode & 0o777), 0o700)
    })
  )
})

describe("a holder that ends", () => {
  it.live("lets the programs that it serves finish, and one of them becomes the holder", () =>
    Effect.gen(function* () {
      const { directory, endHolder, client } = yield* pair
      const inside = yield* Queue.unbounded<void>()
      const mayContinue = yield* Queue.unbounded<void>()
      const transaction = yield* Effect.forkChild(
        client.withTransaction(
          Effect.gen(function* () {
            yield* client`insert into numbers values (1)`
            yield* Queue.offer(inside, undefined)
            yield* Queue.take(mayContinue)
            yield* client`insert into numbers values (2)`
          })
        )
      )
      yield* Queue.take(inside)
      const ending = yield* Effect.forkChild(endHolder)
      const path = yield* socketOf(directory)
      yield* until(
        Effect.promise(() =>
          stat(path).then(
            () => false,
            () => true
          )
        )
      )
      yield* Queue.offer(mayContinue, undefined)
      yield* Fiber.join(transaction)
      yield* Fiber.join(ending)
      assert.deepStrictEqual(yield* numbers(client), [1, 2])
      // It also shares the directory.
      assert.deepStrictEqual(yield* numbers(yield* open(directory)), [1, 2])
    })
  )

  it.live("fails only the statements that were running when it is killed", () =>
    Effect.gen(function* () {
      const directory = yield* copied
      const holder = yield* child("open", directory)
      yield* holder.awaitLine("open")
      const client = yield* open(directory)
      yield* client`insert into numbers values (1)`
      const error = yield* Effect.flip(
        client.withTransaction(
          Effect.gen(function* () {
            yield* client`insert into numbers values (2)`
            yield* holder.kill
            yield* client`insert into numbers values (3)`
          })
        )
      ).pipe(Effect.catchDefect((defect) => Effect.succeed(defect)))
      assert.deepInclude(error, { _tag: "SqlError" })
      assert.deepStrictEqual(yield* numbers(client), [1])
    })
  )
})

describe("a program whose scope is closed", () => {
  it.live("does not open the database again", () =>
    Effect.gen(function* () {
      const directory = yield* copied
      const connectTo = yield* Effect.scoped(openSharedDirectory(directory, undefined))
      const late = connectTo()
      const failed = Effect.promise(() => once(late, "error"))
      late.write(introduction)
      assert.include(String(yield* failed), "is closed")
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(directory)), ["pgdata"])
    })
  )
})

describe("a program that misbehaves", () => {
  it.live("has its transaction rolled back when it is killed", () =>
    Effect.gen(function* () {
      const { directory, holder } = yield* pair
      const client = yield* child("linger", directory)
      yield* client.awaitLine("inside")
      const next = yield* Effect.forkChild(holder`insert into numbers values (1)`)
      yield* client.kill
      yield* Fiber.join(next)
      assert.deepStrictEqual(yield* numbers(holder), [1])
    })
  )

  it.live("commits nothing when it disconnects within a message sequence", () =>
    Effect.gen(function* () {
      const { directory, holder } = yield* pair
      const bind = message(messageType.bind, Buffer.alloc(8))
      const execute = message(messageType.execute, "", Buffer.alloc(4))
      const insert = (n: number) => message(messageType.parse, "", `insert into numbers values (${n})`, Buffer.alloc(2))
      for (const begin of [[], [query("begin")]]) {
        const { received, socket } = yield* raw(directory, introduction, ...begin, insert(5), bind, execute)
        yield* until(Effect.sync(() => received().includes("INSERT 0 1")))
        socket.destroy()
        assert.deepStrictEqual(yield* numbers(holder), [])
      }
    })
  )

  it.live("is disconnected after an invalid message, and disturbs no other program", () =>
    Effect.gen(function* () {
      const { directory, client, holder } = yield* pair
      const half = yield* raw(directory, introduction, query("select 1").subarray(0, 7))
      const silent = yield* raw(directory)
      const tooLarge = Buffer.from([messageType.query, 0x7f, 0xff, 0xff, 0xff])
      const tooLong = message(messageType.describe, "S".repeat(20_000))
      const unreadable: ReadonlyArray<ReadonlyArray<Buffer>> = [
        [Buffer.from("GET / HTTP/1.1\r\n\r\n")],
        [Buffer.from([0, 0, 0, 8, 0, 9, 0, 0])],
        [introduction, Buffer.from([0x46, 0, 0, 0, 4])],
        [introduction, Buffer.from([messageType.query, 0, 0, 0, 0])],
        [introduction, tooLarge],
        [introduction, tooLong]
      ]
      for (const sent of unreadable) yield* closed((yield* raw(directory, ...sent)).socket)
      const nonsense = yield* raw(
        directory,
        introduction,
        message(messageType.bind, Buffer.from([1, 2, 3])),
        message(messageType.sync)
      )
      yield* until(Effect.sync(() => nonsense.received().includes("invalid string in message")))
      yield* client`insert into numbers values (1)`
      assert.deepStrictEqual(yield* numbers(holder), [1])
      half.socket.write(query("select 1").subarray(7))
      yield* until(Effect.sync(() => half.received().includes("SELECT 1")))
      assert.isFalse(silent.socket.closed)
    })
  )

  it.live("fails only the running statements when it crashes the engine", () =>
    Effect.gen(function* () {
      const { directory, client, holder } = yield* pair
      yield* holder`insert into numbers values (1)`
      const { socket } = yield* raw(directory, introduction, query("copy numbers from stdin"))
      yield* closed(socket)
      // All connections broke, which these two clients detect with a delay.
      for (const sql of [client, holder]) {
        assert.deepStrictEqual(yield* Effect.retry(numbers(sql), { times: 20 }), [1])
      }
    })
  )
})
