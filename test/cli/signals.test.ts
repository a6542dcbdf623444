import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { start } from "./program.ts"
import { json, onServer, temporaryDirectory } from "./support.ts"
import { hasEnded, readWhenWritten, until } from "./waiting.ts"

const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } }
}

describe("a terminating signal", () => {
  const place = onServer()
  const run = (...argv: ReadonlyArray<string>) => json([...argv, ...place.flags])
  beforeAll(() => run("create", "--id", "done", "--title", "D", "--status", "done"))
  afterAll(() => place.remove())

  it("a terminal that closes ends a worker in order, although it sends SIGHUP several times", async () => {
    const folder = await temporaryDirectory()
    await run("create", "--id", "a", "--title", "A")
    const exec = `cd ${folder}; echo $$ > begun; until [ -e go ]; do sleep 0.05; done; echo well`
    const worker = start(["work", "--owner", "w1", "--exec", exec, ...place.flags])
    await readWhenWritten(join(folder, "begun"))
    worker.child.kill("SIGHUP")
    await worker.says((_, stderr) => stderr.includes("Ending"))
    worker.child.kill("SIGHUP")
    await writeFile(join(folder, "go"), "")
    const { code, stderr } = await worker.ended
    assert.deepStrictEqual([code, stderr.includes("a  completed")], [0, true])
    assert.deepInclude((await run("show", "a")).data, { status: "done", result: "well" })
  })

  it("a second signal kills the command and everything in its process group, whatever they ignore", async () => {
    const folder = await temporaryDirectory()
    await run("create", "--id", "b", "--title", "B")
    const exec = `trap "" TERM HUP INT; sleep 1000 & echo $$ $! > ${folder}/pids; wait`
    const worker = start(["work", "--owner", "w1", "--exec", exec, ...place.flags])
    const pids = (await readWhenWritten(join(folder, "pids"))).split(" ").map(Number)
    assert.strictEqual(pids.length, 2)
    worker.child.kill("SIGHUP")
    await worker.says((_, stderr) => stderr.includes("Ending"))
    worker.child.kill("SIGTERM")
    assert.strictEqual((await worker.ended).code, 130)
    await until(() => pids.every(hasEnded))
  })

  it.each(["SIGHUP", "SIGQUIT"] as const)("%s shuts down every long-running command", async (signal) => {
    const agent = start(["mcp", "--owner", "w1", ...place.flags])
    agent.child.stdin.write(`${JSON.stringify(initialize)}\n`)
    const server = start(["serve", "--port", "0", ...place.flags])
    const follower = start(["events", "--follow", ...place.flags])
    await Promise.all([
      agent.says((stdout) => stdout.includes('"result"')),
      server.says((_, stderr) => stderr.includes("The backlog is served.")),
      follower.says((stdout) => stdout.includes("POSITION"))
    ])
    for (const { child } of [agent, server, follower]) child.kill(signal)
    assert.strictEqual((await agent.ended).code, 0)
    const served = await server.ended
    assert.deepStrictEqual([served.code, served.stderr.includes("The server has ended.")], [0, true])
    assert.strictEqual((await follower.ended).code, 130)
  })
})
