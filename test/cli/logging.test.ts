import { assert, afterAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlError } from "effect/sql"
import { layerLogging } from "../../src/cli/logging.ts"
import { toDatabaseError } from "../../src/http/errors.ts"
import { withoutSecrets } from "../../src/index.ts"
import { startServe } from "../http/support/startServe.ts"
import { cli, onServer } from "./support.ts"

/** The lines that an effect logs. */
const linesOf = (effect: Effect.Effect<unknown, unknown>, format: "text" | "json") =>
  Effect.gen(function* () {
    let written = ""
    const output = {
      write: (text: string) => {
        written += text
      },
      drain: Effect.void,
      isTerminal: false,
      size: () => ({ columns: 80, rows: 24 })
    }
    yield* Effect.provide(Effect.exit(withoutSecrets(effect)), layerLogging(output, format, "debug"))
    return written.trimEnd().split("\n")
  })

interface Entry {
  readonly message: unknown
  readonly annotations: Readonly<Record<string, unknown>>
}

const entriesIn = (lines: ReadonlyArray<string>): ReadonlyArray<Entry> => lines.map((line) => JSON.parse(line) as Entry)

const databaseError = new SqlError.SqlError({
  reason: new SqlError.ConnectionError({ cause: undefined, message: "gone", operation: "test" })
})

const logs = {
  "a database error": toDatabaseError(databaseError),
  "several values": Effect.logError("It failed.", { size: 2 }, databaseError),
  "one value": Effect.logInfo("It works.")
}

describe("an entry of the log", () => {
  for (const [name, log] of Object.entries(logs)) {
    it.effect(`of ${name} has one message, which is a text`, () =>
      Effect.gen(function* () {
        const [text = "", ...more] = yield* linesOf(log, "text")
        assert.deepStrictEqual(more, [])
        assert.strictEqual(text.match(/(?:^| )message=/g)?.length, 1, text)
        const [entry] = entriesIn(yield* linesOf(log, "json"))
        assert.isString(entry?.message)
      })
    )
  }

  it.effect("has the other values in fields of their own", () =>
    Effect.gen(function* () {
      const [failed] = entriesIn(yield* linesOf(logs["a database error"], "json"))
      assert.deepInclude(failed, { message: "The database failed." })
      assert.deepInclude(failed?.annotations["error"], { error: "SqlError", reason: "ConnectionError" })
      const [several] = entriesIn(yield* linesOf(logs["several values"], "json"))
      assert.strictEqual(several?.message, "It failed.")
      const [detail] = (several?.annotations["details"] ?? []) as ReadonlyArray<unknown>
      assert.deepStrictEqual(detail, { size: 2 })
    })
  )
})

describe("the log of refused requests", () => {
  const place = onServer()
  afterAll(() => place.remove())

  it("has the address of the client that a trusted proxy names, and the address of the proxy", async () => {
    await cli([...place.flags, "migrate"])
    await cli([...place.flags, "token", "create", "--actor", "w", "--role", "worker"])
    const server = await startServe([...place.flags, "--trust-proxy", "--log-level", "debug", "--log-format", "json"])
    const headers = { "x-forwarded-for": "10.9.9.9, 203.0.113.7" }
    await fetch(`${server.url}/stats`, { headers })
    await fetch(`${server.url}/stats`)
    await server.end()
    const refused = entriesIn(server.logs().trimEnd().split("\n")).filter(
      ({ message }) => message === "A request was refused."
    )
    const request = { reason: "Unauthorized", method: "GET", path: "/stats" }
    assert.deepStrictEqual(
      refused.map(({ annotations }) => annotations),
      [
        { ...request, from: "203.0.113.7", proxy: "127.0.0.1" },
        { ...request, from: "127.0.0.1" }
      ]
    )
  })
})
