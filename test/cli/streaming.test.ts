import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import type { ProcessIO } from "../../src/cli/ProcessIO.ts"
import { run } from "../../src/cli/run.ts"
import { cli, documentIn, json, onServer, sql } from "./support.ts"

describe("streamed output", () => {
  const place = onServer()
  // Incompressible, so that each event fills a page.
  const body = randomBytes(450_000).toString("hex")
  beforeAll(async () => {
    assert.strictEqual((await cli([...place.flags, "create", "--id", "a", "--title", "A", "--body", body])).code, 0)
    for (const end of ["1", "2", "3"]) {
      assert.strictEqual((await cli([...place.flags, "revise", "a", "--body", body + end])).code, 0)
    }
  })
  afterAll(() => place.remove())

  /** Runs a command line with an output that accepts one write at a time, and returns the writes. */
  const slowly = async (argv: ReadonlyArray<string>) => {
    const texts: Array<string> = []
    let isFull = false
    const output: ProcessIO["Service"]["stdout"] = {
      write: (text) => {
        assert.isFalse(isFull, "written before the last text was read")
        isFull = true
        texts.push(text)
      },
      drain: Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => {
          isFull = false
        })
      ),
      isTerminal: false,
      size: () => ({ columns: 80, rows: 24 })
    }
    const stdin = { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) }
    const host = {
      env: { BACKLOG_ACTOR: "tester" },
      stdin,
      stdout: output,
      stderr: output,
      onExit: () => () => {},
      onInterrupt: () => {}
    } as ProcessIO["Service"]
    assert.strictEqual(await Effect.runPromise(run([...place.flags, ...argv], host)), 0)
    return texts
  }

  it("the output is written no faster than it is read, and is the same document", async () => {
    for (const argv of [["history", "a"], ["events"], ["list", "--at", "4"]]) {
      const texts = await slowly([...argv, "--json"])
      assert.isAbove(texts.length, 1)
      const { data } = documentIn(texts.join(""))
      assert.strictEqual(data.length, argv[0] === "list" ? 1 : 4)
      assert.deepStrictEqual(data, (await json([...place.flags, ...argv])).data)
    }
    assert.isAbove((await slowly(["export"])).length, 4)
    assert.match((await slowly(["history", "a"])).join(""), /^POSITION.*\n(.*\n){4}$/)
  })

  it("an empty stream is one document", async () => {
    assert.deepStrictEqual(
      (await slowly(["events", "--after", "4", "--json"])).join(""),
      '{"schemaVersion":1,"data":[]}\n'
    )
  })

  it("a failure leaves the output incomplete and reports the error on standard error", async () => {
    const events = `${place.schema}.events`
    await sql((client) => client`ALTER TABLE ${client(events)} DISABLE TRIGGER ALL`)
    await sql((client) => client`UPDATE ${client(events)} SET data = '[]' WHERE position = 4`)
    const program = await cli([...place.flags, "history", "a", "--json"])
    assert.strictEqual(program.code, 1)
    assert.isTrue(program.stdout.startsWith('{"schemaVersion":1,"data":[{"position":1,'))
    assert.throws(() => JSON.parse(program.stdout))
    assert.strictEqual(documentIn(program.stderr).error._tag, "DamagedEvent")
    const people = await cli([...place.flags, "history", "a"])
    assert.strictEqual(people.code, 1)
    assert.match(people.stdout, /^POSITION/)
    assert.match(people.stderr, /^error: .*position 4 is damaged/)
  })
})
