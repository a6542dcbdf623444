// A child process for tests of the directory lock and the embedded database. Runs the build, because Node 20 does not read
// TypeScript. Prints each step as a line to standard output.
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { appendFileSync } from "node:fs"
import { lockDirectory } from "../../dist/services/pglite/DirectoryLock.js"
import { layerPgliteClient } from "../../dist/services/pglite/PgliteClient.js"

const [mode, directory, log] = process.argv.slice(2)
const say = (text) => Effect.sync(() => process.stdout.write(`${text}\n`))
const note = (what) => Effect.sync(() => appendFileSync(log, `${what} ${process.pid}\n`))
const killSelf = Effect.sync(() => process.kill(process.pid, "SIGKILL"))
const untilInputEnds = Effect.promise(
  () =>
    new Promise((resolve) => {
      process.stdin.resume()
      process.stdin.once("end", resolve)
    })
)
const held = Effect.andThen(say("waiting"), lockDirectory(directory, { wait: "60 seconds" }))

const modes = {
  /** Holds the lock until its standard input ends. */
  hold: held.pipe(Effect.andThen(say("held")), Effect.andThen(untilInputEnds), Effect.scoped),
  /** Holds the lock for some seconds of computation, without yielding. */
  labour: held.pipe(
    Effect.andThen(say("held")),
    Effect.andThen(
      Effect.sync(() => {
        for (const end = performance.now() + 2_000; performance.now() < end;);
      })
    ),
    Effect.scoped
  ),
  /** Holds the lock briefly, and records when. */
  visit: held.pipe(
    Effect.andThen(note("enter")),
    Effect.andThen(Effect.sleep("10 millis")),
    Effect.andThen(note("leave")),
    Effect.scoped
  ),
  /** Kills itself with the lock held. */
  perish: held.pipe(
    Effect.andThen(note("enter")),
    Effect.andThen(Effect.sleep("10 millis")),
    Effect.andThen(note("die")),
    Effect.andThen(killSelf),
    Effect.andThen(Effect.never),
    Effect.scoped
  ),
  /** Opens the database, and closes it when its standard input ends. */
  open: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`select 1`
    yield* say("open")
    yield* untilInputEnds
  }).pipe(Effect.provide(layerPgliteClient({ dataDir: directory }))),
  /** Writes a number in a transaction that remains open. */
  linger: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql.withTransaction(
      Effect.gen(function* () {
        yield* sql`insert into numbers values (1000)`
        yield* say("inside")
        yield* untilInputEnds
      })
    )
  }).pipe(Effect.provide(layerPgliteClient({ dataDir: directory }))),
  /** Writes numbers, each in its own transaction, and prints each acknowledged one. */
  write: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`create table if not exists numbers (n int primary key)`
    const [{ last }] = yield* sql`select coalesce(max(n), 0) as last from numbers`
    for (let n = last + 1; ; n++) {
      yield* sql`insert into numbers values (${n})`
      yield* say(n)
    }
  }).pipe(Effect.provide(layerPgliteClient({ dataDir: directory })))
}

await Effect.runPromise(say("started"))
await Effect.runPromise(modes[mode])
