import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { bash, start } from "./program.ts"
import { cli, inDirectory, json, onServer, temporaryDirectory } from "./support.ts"

describe("an output that is lost", () => {
  const place = onServer()
  const run = (...argv: ReadonlyArray<string>) => json([...argv, ...place.flags])
  beforeAll(async () => {
    await run("create", "--id", "first", "--title", "F", "--status", "done")
  })
  afterAll(() => place.remove())

  it("a worker continues without standard error, and completes its card", async () => {
    const folder = await temporaryDirectory()
    await run("create", "--id", "a", "--title", "A")
    const exec = `cd ${folder}; echo begun >&2; until [ -e go ]; do sleep 0.05; done; echo more >&2; echo well`
    const worker = start(["work", "--owner", "w1", "--max-cards", "1", "--exec", exec, ...place.flags])
    await worker.says((_, stderr) => stderr.includes("begun"))
    worker.child.stderr.destroy()
    await writeFile(join(folder, "go"), "")
    const { code, stdout } = await worker.ended
    assert.deepStrictEqual([code, stdout], [0, "Claimed 1: 1 completed.\n"])
    assert.deepInclude((await run("show", "a")).data, { status: "done", result: "well" })
  })

  it("a worker whose outputs have no reader completes its cards, and reports that its report was lost", async () => {
    await run("create", "--id", "b", "--title", "B")
    const work = `backlog work --owner w1 --until-empty --exec 'echo one >&2; sleep 0.5; echo two >&2; echo well'`
    const { stdout } = await bash(`${work} ${place.flags.join(" ")} 2>&1 | head -1; echo \${PIPESTATUS[0]}`)
    assert.strictEqual(stdout, "b  claimed, attempt 1\n141\n")
    assert.deepInclude((await run("show", "b")).data, { status: "done", result: "well" })
  })

  it("a full disk under standard output is an error in one sentence", async () => {
    for (const command of ["list", "list --json", "stats", "export", "--version"]) {
      const { code, stderr } = await bash(`backlog ${command} ${place.flags.join(" ")} > /dev/full`)
      assert.strictEqual(code, 1, command)
      assert.match(
        stderr,
        /^(error: |\{"schemaVersion":1,"error":\{"_tag":"OutputLost","message":")Standard output cannot be written: ENOSPC: no space left on device, write("\}\})?\n$/
      )
    }
    const { code, stdout } = await bash(`backlog stats ${place.flags.join(" ")} 2> /dev/full`)
    assert.deepStrictEqual([code, stdout.includes("done")], [0, true])
  })

  it("a command that failed keeps its exit code without a reader", async () => {
    const missing = await bash(`backlog show nothing --json ${place.flags.join(" ")} > /dev/full`)
    assert.strictEqual(missing.code, 4)
  })

  it("a server continues without standard error and without a reader of its address", async () => {
    const server = start(["serve", "--port", "0", "--log-level", "debug", ...place.flags])
    server.child.stdout.destroy()
    let url = ""
    await server.says((_, stderr) => {
      url = /url=(\S+)/.exec(stderr)?.[1] ?? ""
      return url !== ""
    })
    server.child.stderr.destroy()
    // A refused request is logged.
    for (let index = 0; index < 2; index++) {
      assert.strictEqual((await fetch(`${url}/stats`, { headers: { "x-forwarded-for": "192.0.2.1" } })).status, 403)
    }
    assert.strictEqual((await fetch(`${url}/stats`)).status, 200)
    server.child.kill("SIGTERM")
    assert.strictEqual((await server.ended).code, 0)
  })

  it("an agent's server whose client stops reading ends, and releases the directory", async () => {
    const directory = await inDirectory()
    const agent = start(["mcp", "--owner", "w1", ...directory.flags])
    const ask = (id: number, method: string, params: object) =>
      agent.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`)
    const clientInfo = { name: "test", version: "1" }
    ask(1, "initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo })
    await agent.says((stdout) => stdout.includes('"result"'))
    agent.child.stdout.destroy()
    ask(2, "ping", {})
    assert.deepInclude(await agent.ended, { code: 141, stderr: "" })
    assert.strictEqual((await cli(["verify", ...directory.flags])).code, 0)
    await directory.remove()
  })
})
