import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Layer, ManagedRuntime } from "effect"
import { SqlClient } from "effect/sql"
import { inject } from "vitest"
import { layerPostgresClient } from "../../src/services/postgres/PostgresClient.ts"
import { cli, onServer } from "../cli/support.ts"
import { start } from "../cli/program.ts"
import { makeRandom, type Random } from "../support/random.ts"
import { amount, isSoak, report, seed } from "../support/soak.ts"
import { commandLine } from "./hostile/commandLine.ts"

/** The documented exit codes, except 1, an error of the program, and 6, since the database is available. */
const documented: ReadonlySet<number> = new Set([0, 2, 3, 4, 5])

const place = onServer()

/** One connection for all checks of the tables. The command lines have their own. */
const database = ManagedRuntime.make(
  Layer.unwrap(Effect.sync(() => layerPostgresClient({ url: inject("postgresUrl"), poolSize: 1 })))
)

const numbers = (): Promise<string> =>
  database.runPromise(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const count = (table: string) => sql`(SELECT count(*) FROM ${sql(`${place.schema}.${table}`)})`
      const rows = yield* sql<{ readonly numbers: string }>`
        SELECT concat_ws(' ', (SELECT position FROM ${sql(`${place.schema}.head`)}), ${count("events")},
          ${count("cards")}, ${count("dependencies")}) AS numbers`
      return rows[0]?.numbers ?? "nothing"
    })
  )

/** Returns what is wrong with the result of a command line. */
const wrongEnd = (argv: ReadonlyArray<string>, code: number | string, stdout: string, stderr: string) => {
  if (typeof code !== "number" || !documented.has(code)) return `it ended with ${code}`
  if (/\n\s+at .*[:(]\d+/.test(stderr + stdout)) return "a stack trace was printed"
  if (stderr.includes("\u001b")) return "a terminal escape sequence was printed"
  if (code === 0) return undefined
  const end = argv.indexOf("--")
  if (!(end === -1 ? argv : argv.slice(0, end)).includes("--json"))
    return stderr.startsWith("error: ") ? undefined : "no error was printed"
  try {
    const document = JSON.parse(stdout) as { readonly error?: { readonly _tag?: unknown; readonly message?: unknown } }
    const { _tag, message } = document.error ?? {}
    return typeof _tag === "string" && typeof message === "string" && message !== "" ? undefined : "no named error"
  } catch {
    return "standard output is not one JSON document"
  }
}

const describeRun = (number: number, argv: ReadonlyArray<string>, problem: string, ran: object) =>
  `seed ${seed}, command line ${number}: ${problem}: ${JSON.stringify(argv).slice(0, 2000)}\n${JSON.stringify(ran).slice(0, 2000)}`

describe("hostile command lines", () => {
  const random: Random = makeRandom(seed)
  beforeAll(async () => {
    assert.strictEqual((await cli([...place.flags, "create", "--id", "a", "--title", "A"])).code, 0)
  })
  afterAll(async () => {
    await database.dispose()
    await place.remove()
  })

  it(
    "a hostile command line succeeds, or ends with a documented code, one error and no change",
    { timeout: amount(120_000, 1_800_000) },
    async () => {
      const lines = amount(200, 4_000)
      let before = await numbers()
      const codes = new Map<number, number>()
      for (let number = 1; number <= lines; number++) {
        const { argv, stdin } = commandLine(random)
        const ran = await cli([...place.flags, ...argv], { stdin })
        const problem = wrongEnd(argv, ran.code, ran.stdout, ran.stderr)
        if (problem !== undefined) assert.fail(describeRun(number, argv, problem, ran))
        codes.set(ran.code, (codes.get(ran.code) ?? 0) + 1)
        if (ran.code === 2) continue
        const after = await numbers()
        if (ran.code !== 0 && after !== before)
          assert.fail(describeRun(number, argv, `from ${before} to ${after}`, ran))
        before = after
      }
      assert.strictEqual(await numbers(), before, "a command line that ended with 2 wrote something")
      assert.isAbove(codes.get(0) ?? 0, lines / 50, "too few command lines were valid")
      const verified = await cli(["verify", ...place.flags])
      assert.strictEqual(verified.code, 0, verified.stdout)
      report({ "hostile inputs": lines })
    }
  )

  // oxlint-disable-next-line no-console -- reports what is skipped
  if (!isSoak) console.warn("SKIPPED: hostile command lines as processes: half a second each, so in the soak only")
  it.runIf(isSoak)(
    "a hostile command line in a process succeeds, or ends with a documented code and one error",
    { timeout: 600_000 },
    async () => {
      const lines = 200
      for (let number = 1; number <= lines; number++) {
        const { argv, stdin } = commandLine(random)
        // An operating system refuses arguments that contain NUL or are too long.
        const words = argv.map((word) => word.replaceAll("\u0000", "").slice(0, 100_000).toWellFormed())
        const { child, ended } = start([...place.flags, ...words])
        child.stdin.on("error", () => {})
        child.stdin.end(stdin)
        const ran = await ended
        const problem = wrongEnd(words, ran.code, ran.stdout, ran.stderr)
        if (problem !== undefined) assert.fail(describeRun(number, words, problem, ran))
      }
      report({ "hostile inputs": lines })
    }
  )
})
