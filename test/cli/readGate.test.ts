import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { backlogCommand } from "../../src/cli/backlogCommand.ts"
import { TestBarrier } from "../support/testBarrier.ts"
import { cli, json, onServer, temporaryDirectory } from "./support.ts"

/** The arguments of each command that reads. */
const readCommands: Readonly<Record<string, ReadonlyArray<string>>> = {
  show: ["a"],
  list: [],
  search: ["a"],
  notes: ["a"],
  claims: [],
  deps: ["a"],
  diff: ["0"],
  flow: [],
  "critical-path": [],
  explain: ["a"],
  stats: [],
  history: ["a"],
  watch: [],
  events: [],
  verify: [],
  verifications: [],
  anchor: [],
  anchors: [],
  erasures: [],
  consumers: [],
  export: ["log.jsonl"],
  token: ["list"],
  doctor: []
}

/** The commands that write or serve. What they read passes the gate of the services. */
const otherCommands = (
  "create revise note work claim renew release complete reclaim link unlink block unblock reopen rebuild redact serve mcp import " +
  "restored receipts migrate"
).split(" ")

describe("the read gate of the command line", () => {
  const place = onServer()
  beforeAll(async () => {
    for (const id of ["a", "b"]) {
      assert.strictEqual((await json(["create", "--id", id, "--title", id, ...place.flags])).code, 0)
    }
  })
  afterAll(() => place.remove())

  it("knows every command", () => {
    const names = backlogCommand.subcommands.flatMap(({ commands }) => commands.map(({ name }) => name))
    assert.deepStrictEqual(names.toSorted(), [...Object.keys(readCommands), ...otherCommands].toSorted())
  })

  it.each(Object.keys(readCommands))("%s shows nothing while the gate is closed", async (command) => {
    const directory = await temporaryDirectory()
    const argv = (readCommands[command] ?? []).map((arg) => (arg === "log.jsonl" ? join(directory, arg) : arg))
    const open = await cli([command, ...argv, ...place.flags])
    // The doctor has findings about the server of the tests.
    assert.include([0, 1], open.code, open.stderr)
    assert.notStrictEqual(open.stdout, "")
    const barrier = new TestBarrier()
    barrier.close()
    const file = argv.map((arg) => arg.replace("log.jsonl", "another.jsonl"))
    const shut = await cli([command, ...file, ...place.flags], { references: barrier.layer })
    assert.notInclude([0, 1], shut.code, shut.stdout)
    assert.strictEqual(shut.stdout, "")
    assert.isAbove(barrier.waited.length, 0)
  })
})
