import { assert, afterAll, describe, it } from "@effect/vitest"
import { start } from "./program.ts"
import { cli, documentIn, onServer } from "./support.ts"

describe("backlog serve", () => {
  const place = onServer()
  afterAll(() => place.remove())

  it("a server runs until it is terminated, and then shuts down in order", async () => {
    const server = start([...place.flags, "serve", "--port", "0", "--json"])
    let said = ""
    await server.says((stdout) => {
      said = stdout
      return stdout.endsWith("\n")
    })
    const { data } = documentIn(said)
    assert.deepStrictEqual([data.host, data.url], ["127.0.0.1", `http://127.0.0.1:${data.port}`])
    const created = await fetch(`${data.url}/create`, {
      method: "POST",
      body: JSON.stringify({ id: "a", title: "A", actor: "me" }),
      headers: { "content-type": "application/json" }
    })
    assert.strictEqual(created.status, 200)
    const events = await fetch(`${data.url}/events`)
    let received = ""
    for await (const chunk of events.body ?? []) {
      received += Buffer.from(chunk).toString()
      // The stream then ends normally.
      if (received.includes('"cardId":"a"')) server.child.kill("SIGTERM")
    }
    assert.include(received, "id: 1")
    const { code, stderr } = await server.ended
    assert.strictEqual(code, 0)
    assert.match(stderr, /The backlog is served\.[^]*The server has ended\./)
    const shown = await cli([...place.flags, "--json", "show", "a"])
    assert.strictEqual(documentIn(shown.stdout).data.id, "a")
  })

  it("its own pages may read only, unless it was started with --board=write", async () => {
    const outcomes: Array<readonly [string, number, boolean]> = []
    for (const board of ["read", "write", "off"]) {
      const server = start([...place.flags, "serve", "--port", "0", "--json", "--board", board])
      let said = ""
      await server.says((stdout) => {
        said = stdout
        return stdout.endsWith("\n")
      })
      const { url } = documentIn(said).data
      const created = await fetch(`${url}/create`, {
        method: "POST",
        body: JSON.stringify({ title: "T", actor: "me" }),
        headers: { "content-type": "application/json", origin: url }
      })
      const isRefused = (await created.text()).includes("--board=write")
      outcomes.push([board, created.status, isRefused])
      server.child.kill("SIGTERM")
      assert.strictEqual((await server.ended).code, 0)
    }
    assert.deepStrictEqual(outcomes, [
      ["read", 403, true],
      ["write", 200, false],
      ["off", 403, true]
    ])
    const wrong = await cli([...place.flags, "--json", "serve", "--board", "yes"])
    assert.deepStrictEqual([wrong.code, documentIn(wrong.stdout).error._tag], [2, "InvalidValue"])
  })

  it("an invalid port is refused", async () => {
    const refused = await cli([...place.flags, "--json", "serve", "--port", "65536"])
    assert.deepStrictEqual([refused.code, documentIn(refused.stdout).error._tag], [2, "InvalidInput"])
  })
})
