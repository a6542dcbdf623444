import { PgConnection } from "@effect/sql-pg"
import { Effect, Exit, Fiber, Redacted } from "effect"
import type { SqlError } from "effect/sql"
import type { Socket } from "node:net"
import { it } from "@effect/vitest"
import { describe, expect } from "vitest"
import { internalsOf } from "../../../src/services/postgres/connectionInternals.ts"
import { areStatementsLost, type RoundTripFailed, RoundTrips } from "../../../src/services/postgres/RoundTrips.ts"
import { postgresUrl } from "../../support/backlogs.ts"
import { until } from "../../support/waiting.ts"

const connect = (options: { readonly prepare?: boolean } = {}) =>
  Effect.suspend(() => {
    const { hostname, password, pathname, port, username } = new URL(postgresUrl())
    return PgConnection.make({
      host: hostname,
      port: Number(port),
      username: decodeURIComponent(username),
      password: Redacted.make(decodeURIComponent(password)),
      database: pathname.slice(1),
      multiplex: true,
      ...options
    })
  })

const statement = (text: string, ...parameters: ReadonlyArray<unknown>) => ({ text, parameters })

const failureOf = (exit: Exit.Exit<unknown, RoundTripFailed>) =>
  Exit.isFailure(exit)
    ? exit.cause.reasons.flatMap((reason) =>
        reason._tag === "Fail" ? [{ tag: reason.error.error.reason._tag, refused: reason.error.answers?.length }] : []
      )
    : []

describe("round trips", () => {
  it.live(
    "send all statements with one write, and return an answer to each, also when they are sent again",
    Effect.fnUntraced(function* () {
      const connection = yield* connect()
      const { socket } = internalsOf(connection).session
      const trips = RoundTrips.of(connection)
      const writes: Array<number> = []
      const write = socket.write.bind(socket) as Socket["write"]
      Object.assign(socket, {
        write: (chunk: Buffer) => {
          writes.push(chunk.length)
          return write(chunk)
        }
      })
      for (const round of [1, 2, 3]) {
        writes.length = 0
        const answers = yield* trips.send([
          statement("BEGIN"),
          statement(
            "SELECT $1::int4 AS number, $2::text AS text, $3::bool AS flag, $4::int8 AS big",
            round,
            "é\n😀",
            true,
            null
          ),
          statement("SELECT generate_series(1, 2) AS n"),
          statement("SELECT WHERE false"),
          statement("COMMIT")
        ])
        expect([round, answers]).toEqual([
          round,
          [
            { rows: [], command: "BEGIN" },
            { rows: [{ number: round, text: "é\n😀", flag: true, big: null }], command: "SELECT 1" },
            { rows: [{ n: 1 }, { n: 2 }], command: "SELECT 2" },
            { rows: [], command: "SELECT 0" },
            { rows: [], command: "COMMIT" }
          ]
        ])
        expect(writes).toHaveLength(1)
      }
      // The statements of the client still work on the same connection.
      expect((yield* connection.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }])
    })
  )

  it.live(
    "skip the statements after one that the server refuses, and say which it was",
    Effect.fnUntraced(function* () {
      const connection = yield* connect()
      const trips = RoundTrips.of(connection)
      const begun: Array<string> = []
      for (const round of [1, 2]) {
        const exit = yield* Effect.exit(
          trips.send([statement("BEGIN"), statement("SELECT 1 / $1::int4", 0), statement("SELECT 1")], {
            flushFirst: true,
            onFirst: () => void begun.push(`round ${round}`)
          })
        )
        expect(failureOf(exit)).toEqual([{ tag: "UnknownError", refused: 1 }])
        expect((yield* trips.send([statement("ROLLBACK")]))[0]?.command).toBe("ROLLBACK")
      }
      expect(begun).toEqual(["round 1", "round 2"])
      expect((yield* trips.send([statement("SELECT 1 / $1::int4 AS one", 1)]))[0]?.rows).toEqual([{ one: 1 }])
    })
  )

  it.live(
    "commit each statement where that is asked for, and say which were committed before one that failed",
    Effect.fnUntraced(function* () {
      const connection = yield* connect()
      const trips = RoundTrips.of(connection)
      const send = (...texts: ReadonlyArray<string>) =>
        Effect.exit(
          trips.send(
            texts.map((text) => statement(text)),
            { commitEach: true }
          )
        )
      const committed = Effect.map(trips.send([statement("SELECT n FROM numbers ORDER BY n")]), ([answer]) =>
        answer?.rows.map((row) => (row as { readonly n: number }).n)
      )
      yield* trips.send([
        statement("CREATE TEMPORARY TABLE numbers (n int4, UNIQUE (n) DEFERRABLE INITIALLY DEFERRED)")
      ])
      // Each statement is prepared in the first round, also after one that failed.
      for (const round of [1, 2]) {
        const insert = (n: number) => `INSERT INTO numbers VALUES (${n})`
        yield* trips.send([statement("TRUNCATE numbers")])
        expect([round, Exit.isSuccess(yield* send(insert(1), insert(2)))]).toEqual([round, true])
        expect([round, yield* committed]).toEqual([round, [1, 2]])
        // Fails in its commit, after the answer to the statement.
        expect(failureOf(yield* send(insert(1), insert(3)))).toEqual([{ tag: "UniqueViolation", refused: 0 }])
        expect(failureOf(yield* send("SELECT 1 / 0", insert(4)))).toEqual([{ tag: "UnknownError", refused: 0 }])
        expect(failureOf(yield* send(insert(5), "SELECT 1 / 0"))).toEqual([{ tag: "UnknownError", refused: 1 }])
        expect(failureOf(yield* send(insert(6), insert(2)))).toEqual([{ tag: "UniqueViolation", refused: 1 }])
        expect([round, yield* committed]).toEqual([round, [1, 2, 3, 4, 5, 6]])
      }
    })
  )

  it.live(
    "prepare statements again that the server has lost, and none where the client prepares none",
    Effect.fnUntraced(function* () {
      const connection = yield* connect()
      const trips = RoundTrips.of(connection)
      const send = trips.send([statement("SELECT $1::text AS text", "a")])
      yield* send
      yield* connection.query("DEALLOCATE ALL", [], false)
      const lost = yield* Effect.flip(send)
      expect(areStatementsLost(lost.error)).toBe(true)
      expect((yield* send)[0]?.rows).toEqual([{ text: "a" }])

      const unprepared = yield* connect({ prepare: false })
      for (const text of ["a", "b"]) {
        const answers = yield* RoundTrips.of(unprepared).send([
          statement("SELECT $1::text AS text", text),
          statement("SELECT 1")
        ])
        expect(answers[0]?.rows).toEqual([{ text }])
      }
      const { rows } = yield* unprepared.query("SELECT count(*)::int4 AS count FROM pg_prepared_statements", [], false)
      expect(rows).toEqual([{ count: 0 }])
    })
  )

  it.live(
    "fail when the connection breaks, without a statement that was refused",
    Effect.fnUntraced(function* () {
      const connection = yield* connect()
      const trips = RoundTrips.of(connection)
      const other = yield* connect()
      const running = yield* Effect.forkChild(Effect.exit(trips.send([statement("SELECT pg_sleep(60)")])))
      const end = other.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'",
        [connection.processId]
      )
      yield* until(Effect.map(end, ({ rows }) => rows.length > 0))
      const [failure] = failureOf(yield* Fiber.join(running))
      expect(failure).toBeDefined()
      // FATAL arrives as an error of the statement, or the connection ends first.
      expect([undefined, 0]).toContain(failure?.refused)
      expect(yield* Effect.flip(trips.send([statement("SELECT 1")]))).toMatchObject({ answers: undefined })
    })
  )

  it.live(
    "classify errors like the client's own statements",
    Effect.fnUntraced(function* () {
      const connection = yield* connect()
      const trips = RoundTrips.of(connection)
      for (const code of [
        "08006",
        "22012",
        "23502",
        "23505",
        "23514",
        "25006",
        "28000",
        "40001",
        "40P01",
        "42501",
        "42601",
        "42P01",
        "53300",
        "55P03",
        "57014",
        "57P01",
        "P0001",
        "XX000"
      ]) {
        const text = `DO $$ BEGIN RAISE EXCEPTION 'raised' USING ERRCODE = '${code}', CONSTRAINT = 'rule'; END $$`
        const own = yield* Effect.flip(trips.send([statement(text)]))
        const clients = yield* Effect.flip(connection.query(text, [], false))
        const shown = ({ reason }: SqlError.SqlError) => ({
          tag: reason._tag,
          constraint: "constraint" in reason ? reason.constraint : undefined,
          cause: { ...(reason.cause as object), file: "", line: "" }
        })
        expect([code, shown(own.error)]).toEqual([code, shown(clients)])
      }
    })
  )
})
