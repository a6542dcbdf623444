import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer } from "node:net"
import { start } from "./program.ts"
import { cli, documentIn, onServer } from "./support.ts"

describe("the program", () => {
  const place = onServer()
  beforeAll(() => cli(["migrate", ...place.flags]))
  afterAll(() => place.remove())

  it("the program prints its output and exits with the exit code", async () => {
    const create = start([...place.flags, "create", "--id", "a", "--title", "A", "--body", "-", "--json"])
    create.child.stdin.end("the body\n")
    const created = await create.ended
    assert.deepStrictEqual([created.code, created.stderr], [0, ""])
    assert.strictEqual(documentIn(created.stdout).data.body, "the body\n")
    const again = await start([...place.flags, "--json", "add", "--id", "a", "--title", "A"]).ended
    assert.deepStrictEqual(
      [again.code, again.stderr, documentIn(again.stdout).error._tag],
      [5, "", "CardAlreadyExists"]
    )
    const unknown = await start(["clame"]).ended
    assert.deepStrictEqual([unknown.code, unknown.stdout], [2, ""])
    assert.include(unknown.stderr, "Did you mean this?\n    claim")
    const version = await start(["--version"]).ended
    assert.match(version.stdout, /^backlog \d+\.\d+\.\d+\n$/)
  })

  it("the program ends silently with its own exit code when its reader closes the pipe", async () => {
    for (let index = 0; index < 3; index++) {
      const create = ["create", "--id", `long-${index}`, "--title", "L", "--body", "x".repeat(1_000_000)]
      assert.strictEqual((await cli([...place.flags, ...create])).code, 0)
    }
    const list = start([...place.flags, "list", "--json"])
    list.child.stdout.once("data", () => list.child.stdout.destroy())
    assert.deepInclude(await list.ended, { code: 141, stderr: "" })
  })

  it("an interrupt ends a program that waits for a server", async () => {
    const connected = createServer(() => list.child.kill("SIGINT")).listen(0, "127.0.0.1")
    await once(connected, "listening")
    const address = connected.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const list = start(["list", "--db", `postgres://me@127.0.0.1:${port}/work`])
    assert.deepInclude(await list.ended, { code: 130, stdout: "" })
    connected.close()
  })

  it("BACKLOG_DEBUG prints an error's stack trace", async () => {
    const plain = await start(["list", "--db", "postgres://me@127.0.0.1:1/work"]).ended
    assert.notInclude(plain.stderr, "    at ")
    const debugged = await start(["list", "--db", "postgres://me@127.0.0.1:1/work"], { env: { BACKLOG_DEBUG: "1" } })
      .ended
    assert.include(debugged.stderr, "    at ")
  })
})
