import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { generateKeyPairSync } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { startServe } from "../http/support/startServe.ts"
import { cli, json, onServer, temporaryDirectory } from "./support.ts"

describe("anchors on the command line", () => {
  const place = onServer()
  const run = (...argv: ReadonlyArray<string>) => json([...argv, ...place.flags])
  const create = async (id: string) => assert.strictEqual((await run("create", "--id", id, "--title", "T")).code, 0)
  const findings = async (...argv: ReadonlyArray<string>) => {
    const { data } = await run("doctor", ...argv)
    return (data.findings as ReadonlyArray<Record<string, string>>)
      .filter(({ check }) => check === "anchors")
      .map(({ level, what }) => [level, what])
  }
  let folder: string
  beforeAll(async () => {
    folder = await temporaryDirectory()
    await create("a")
  })
  afterAll(() => place.remove())

  it("a server appends a signed anchor at its start and end, and reports it in its metrics", async () => {
    const file = join(folder, "served.txt")
    const files = { key: join(folder, "key"), pub: join(folder, "pub") }
    const pair = generateKeyPairSync("ed25519")
    writeFileSync(files.key, pair.privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 })
    writeFileSync(files.pub, pair.publicKey.export({ format: "pem", type: "spki" }))
    const flags = ["--anchor-file", file, "--anchor-every", "1", "--anchor-key", files.key]
    const server = await startServe([...place.flags, ...flags])
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    assert.match(metrics, /^backlog_anchor_position 1$/m)
    assert.match(metrics, /^backlog_anchor_failing 0$/m)
    assert.match(metrics, /^backlog_anchor_log_differs 0$/m)
    const response = await fetch(`${server.url}/create`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id: "served", title: "T", actor: "ann" })
    })
    assert.strictEqual(response.status, 200)
    await server.end()
    assert.match(
      readFileSync(file, "utf8"),
      /^mosaic-backlog-anchor 1 1 .* \S{86}\nmosaic-backlog-anchor 1 2 .* \S{86}\n$/
    )

    const verified = await run("verify", "--anchor-file", file, "--public-key", files.pub)
    assert.deepStrictEqual([verified.code, verified.data.anchoredPosition], [0, 2])
    assert.match(
      String(await findings("--anchor-file", file)),
      /^ok,The newest anchor .* at position 2, .* and 0 events/
    )
    assert.deepStrictEqual(await findings(), [])
  })

  it("verify fails and doctor reports a problem if the log does not match an anchor", async () => {
    const file = join(folder, "other.txt")
    const { line } = (await run("anchor")).data
    const other = line.replace(/[0-9a-f]{64}/, "b".repeat(64))
    for (const text of [`${other}\n`, `${line}\n${line.replace(/ 1 \d+ /, " 1 900 ")}\n`]) {
      writeFileSync(file, text)
      const { code, data } = await run("verify", "--anchor-file", file)
      assert.deepStrictEqual([code, data.divergences.map(({ check }: { check: string }) => check)], [5, ["anchor"]])
      assert.match(
        String(await findings("--anchor-file", file)),
        /^problem,The log does not continue the newest anchor/
      )
      assert.strictEqual((await run("doctor", "--anchor-file", file)).code, 1)
    }
    const server = await startServe([...place.flags, "--anchor-file", file])
    assert.match(await (await fetch(`${server.url}/metrics`)).text(), /^backlog_anchor_log_differs 1$/m)
    assert.match(server.logs(), /level=ERROR.*truncated or rewritten/i)
    await server.end()
  })

  it("doctor warns about an old anchor only if there are events after it", async () => {
    const file = join(folder, "old.txt")
    const { line } = (await run("anchor")).data
    const old = line.replace(/\d{4}-\d\d-\d\dT\S+/, "2020-01-01T00:00:00.000Z")
    writeFileSync(file, `${old}\n`)
    assert.match(String(await findings("--anchor-file", file)), /^ok,/)
    await create("later")
    assert.match(String(await findings("--anchor-file", file)), /^warning,.* days old, and 1 events/)
  })

  it("an invalid anchor file is refused, except for a truncated last line", async () => {
    const { line } = (await run("anchor")).data
    const file = join(folder, "file.txt")
    for (const [text, code] of [
      ["", 2],
      ["what\n", 2],
      [`what\n${line}\n`, 2],
      [line.slice(0, 50), 2],
      [`${line}\n${line.slice(0, 50)}`, 0],
      [line, 0]
    ] as const) {
      writeFileSync(file, text)
      assert.strictEqual((await run("verify", "--anchor-file", file)).code, code, JSON.stringify(text))
    }
    writeFileSync(file, `${line}\n${line.slice(0, 50)}`)
    assert.include(
      (await cli(["verify", "--anchor-file", file, ...place.flags])).stderr,
      "is incomplete and was ignored"
    )
    assert.match(String(await findings("--anchor-file", file)), /note,The last line of .* is incomplete/)
    for (const missing of ["none.txt", "../anchors"]) {
      assert.match(String(await findings("--anchor-file", join(folder, missing))), /^problem,.* cannot be used/)
    }
  })

  it("a server that cannot write its anchors fails before it listens", async () => {
    const database = join(folder, "database")
    mkdirSync(database)
    writeFileSync(join(database, "PG_VERSION"), "15\n")
    for (const [code, tag, ...flags] of [
      [2, "InvalidInput", "--anchor-every", "5"],
      [2, "InvalidInput", "--anchor-key", "key"],
      [2, "InvalidInput", "--anchor-file", join(folder, "f"), "--anchor-every", "0"],
      [2, "InvalidInput", "--anchor-file", join(folder, "f"), "--anchor-every", "10081"],
      [2, "InvalidInput", "--anchor-file", join(folder, "f"), "--anchor-key", join(folder, "none")],
      [5, "AnchorFileRefused", "--anchor-file", join(folder, "none", "f")],
      [5, "AnchorFileRefused", "--anchor-file", join(database, "f")]
    ] as ReadonlyArray<readonly [number, string, ...ReadonlyArray<string>]>) {
      const refused = await run("serve", "--port", "0", ...flags)
      assert.deepStrictEqual([refused.code, refused.error?._tag], [code, tag], flags.join(" "))
    }
    assert.isFalse(existsSync(join(folder, "f")))
  })
})
