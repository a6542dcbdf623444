import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { rename, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { prepared, refusedInside, refuses } from "./badInputs.ts"
import { start } from "./program.ts"
import { inDirectory, json, type Place } from "./support.ts"

describe("a backlog in a directory", () => {
  let place: Place
  beforeAll(async () => {
    place = await inDirectory()
    await prepared(place)
  })
  afterAll(() => place.remove())

  it("invalid input is refused and nothing is written", async () => {
    const before = await json([...place.flags, "list"])
    for (const bad of refusedInside.filter((_, index) => index % 6 === 0)) await refuses(bad, place.flags, false)
    assert.deepStrictEqual(await json([...place.flags, "list"]), before)
  })

  it("the backlog persists between commands", async () => {
    const ask = (...argv: ReadonlyArray<string>) => json([...place.flags, ...argv])
    assert.strictEqual((await ask("claim", "--owner", "w1")).data.id, "a")
    assert.strictEqual((await ask("claim", "--owner", "w1")).code, 3)
    assert.deepStrictEqual((await ask("complete", "a", "--token", "2")).data.madeClaimable, ["b"])
    const history = await json(["history", "a"], { env: { BACKLOG_DATABASE_URL: place.flags[1] ?? "" } })
    assert.deepStrictEqual(
      history.data.map(({ type }: { type: string }) => type),
      ["CardCreated", "CardClaimed", "CardCompleted"]
    )
  })
})

describe("the program in a directory", () => {
  it(".backlog is the default, and two concurrent programs share it", async () => {
    const place = await inDirectory()
    const cwd = dirname(place.directory)
    await rename(place.directory, join(cwd, ".backlog"))
    const both = await Promise.all(
      ["a", "b"].map((id) => start(["create", "--id", id, "--title", id, "--json"], { cwd }).ended)
    )
    assert.deepStrictEqual(
      both.map(({ code, stderr }) => [code, stderr]),
      [
        [0, ""],
        [0, ""]
      ]
    )
    const list = await start(["ls"], { cwd }).ended
    assert.include(list.stdout, "2 cards, 2 claimable\n")
    await place.remove()
  })
})

describe("a waiting process whose directory is removed", () => {
  const initialize =
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}\n'

  // Concurrent, because they mostly wait.
  it.concurrent.each([
    ["serve", ["serve", "--port", "0"], "", "Listening on"],
    ["events --follow", ["events", "--follow"], "", "created ready"],
    ["mcp", ["mcp", "--owner", "a"], initialize, '"result"'],
    ["work", ["work", "--owner", "w", "--exec", "cat"], "", "a  completed"]
  ])("%s exits with code 6 and the reason", async (_, argv, input, ready) => {
    const place = await inDirectory()
    assert.strictEqual((await json([...place.flags, "create", "--id", "a", "--title", "A"])).code, 0)
    const program = start([...place.flags, ...argv])
    program.child.stdin.write(input)
    await program.says((stdout, stderr) => `${stdout}${stderr}`.includes(ready))
    await rm(place.directory, { recursive: true, force: true })
    const { code, stderr } = await program.ended
    assert.deepStrictEqual([code, /no longer owns the backlog in/.test(stderr)], [6, true], stderr)
    await place.remove()
  })
})
