import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { cli, documentIn, onServer } from "../cli/support.ts"
import { startServe } from "../http/support/startServe.ts"

/** The text that `$(…)` of a shell captures from standard output. */
const captured = (stdout: string): string => stdout.replace(/\n+$/, "")

/** Runs on one database only, because the output does not depend on it. */
describe("output that a script captures", () => {
  const place = onServer()
  beforeAll(() => cli(["create", "--id", "a", "--title", "A", ...place.flags]))
  afterAll(place.remove)

  it("of token create is only a valid token", async () => {
    const argv = ["token", "create", "--actor", "w1", "--role", "worker", ...place.flags]
    const { code, stderr, stdout } = await cli(argv)
    const token = captured(stdout)
    assert.strictEqual(code, 0)
    assert.match(token, /^mbk_[0-9a-f]{16}_[0-9a-f]{64}_[0-9a-f]{8}$/)
    assert.include(stderr, `Token ${token.slice(4, 20)} of the worker w1: never expires.`)
    assert.notInclude(stderr, token.slice(21, 85))
    const server = await startServe(["--require-tokens", ...place.flags])
    const answer = await fetch(`${server.url}/stats`, { headers: { authorization: `Bearer ${token}` } })
    await server.end()
    assert.strictEqual(answer.status, 200)

    const asJson = await cli(["--json", ...argv])
    assert.match(documentIn(asJson.stdout).data.token, /^mbk_/)
    assert.strictEqual(asJson.stderr, "")
  })

  it("of anchor is only one line, which verify accepts", async () => {
    const { stdout } = await cli(["anchor", ...place.flags])
    assert.match(captured(stdout), /^mosaic-backlog-anchor 1 [^\n]+$/)
    assert.strictEqual((await cli(["verify", "--anchor", captured(stdout), ...place.flags])).code, 0)
  })

  it("of export is only the log", async () => {
    const { stderr, stdout } = await cli(["export", ...place.flags])
    assert.strictEqual(stderr, "")
    for (const line of captured(stdout).split("\n")) assert.isObject(JSON.parse(line))
  })

  it("of claim with --json is one document", async () => {
    const { stderr, stdout } = await cli(["claim", "--owner", "w1", "--json", ...place.flags])
    assert.deepStrictEqual([documentIn(stdout).data.claimToken, stderr], [2, ""])
  })

  it("of --completions and --version is the script and the version", async () => {
    assert.match((await cli(["--completions", "bash"])).stdout, /^(?:#|complete|_)[^]*backlog/)
    assert.match(captured((await cli(["--version"])).stdout), /^backlog \d+\.\d+\.\d+$/)
  })
})
